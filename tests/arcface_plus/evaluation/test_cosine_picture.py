"""Histograms of cosines: a panel a layer, counts in the legend, names that are no formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arcface_plus.evaluation.cosine_picture import cosine_figure, write_png
from arcface_plus.evaluation.filter_cosines import cosines


def found(name: str, seed: int, filters: int = 60):
    weight = torch.from_numpy(np.random.default_rng(seed).normal(size=(filters, 9)))
    return cosines(name, "conv1", weight)


def test_models_lie_over_each_other_with_their_counts():
    one, other = found("/a/plain", 0), found("/a/$m_{$", 1)
    (axes,) = cosine_figure([[one], [other]]).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        f"plain: {one.above} above 0.2", f"$m_{{$: {other.above} above 0.2",
    ]  # fmt: skip
    for patch, model in zip(axes.patches, (one, other), strict=True):
        assert patch.get_data().values.tolist() == list(model.counts)
    assert axes.get_title() == "conv1: 60 filters of 9 weights"
    assert axes.get_xlim()[1] >= one.largest


def test_few_pairs_have_wide_bars_that_end_at_the_counted_cosine():
    few = found("/a/few", 0, filters=12)
    (axes,) = cosine_figure([[few]]).axes
    values, edges, _ = axes.patches[0].get_data()
    assert values.sum() == few.pairs == 66
    above = edges[:-1] > 0.2 - 1e-9
    assert values[above].sum() == few.above
    assert edges[1] - edges[0] == pytest.approx(0.1)


def test_a_panel_a_layer(tmp_path):
    models = [[found("/a/one", k) for k in range(4)], [found("/b/two", k + 4) for k in range(4)]]
    assert len(cosine_figure(models).axes) == 4
    write_png(tmp_path / "c.png", models)
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
