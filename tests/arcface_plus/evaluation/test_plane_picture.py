"""Points and arrows of two features: where they are drawn, in whose colour, and what is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from arcface_plus.evaluation.plane_features import PlaneFeatures
from arcface_plus.evaluation.plane_picture import COLOURS, plane_figure, summary, write_png
from eval.classification import classification

LABELS = np.array([0] * 4 + [1] * 8 + [2] * 8)


def model(rare=(0,), names=("cat", "dog", "$x_{$")) -> PlaneFeatures:
    """Class 0 is wrong in 3 of 4 images, class 1 in 2 of 8."""
    rank = np.array([1, 1, 1, 0] + [1, 1] + [0] * 14)
    features = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    features[LABELS == 1] += 9
    weights = np.array([[1, 0], [0, 2], [-1, -1]], np.float32)
    result = classification(rank, LABELS, 3)
    return PlaneFeatures("/a/run", features, LABELS, LABELS, weights, names, result, rare)


def test_every_point_has_the_colour_of_its_class():
    made = model()
    (axes,) = plane_figure([made]).axes
    (points,) = axes.collections
    places, faces = points.get_offsets().data.tolist(), points.get_facecolors()
    drawn = {tuple(xy): to_hex(colour) for xy, colour in zip(places, faces, strict=True)}
    assert len(drawn) == 20
    for (x, y), label in zip(made.features.tolist(), LABELS, strict=True):
        assert drawn[x, y] == COLOURS[label].lower()
    last = {tuple(xy) for xy in places[-4:]}
    assert last == {tuple(xy) for xy in made.features[:4].tolist()}  # the rare class is on top


def test_arrows_have_the_directions_of_the_class_weights():
    made = model()
    (axes,) = plane_figure([made]).axes
    tips = np.array([text.xy for text in axes.texts if getattr(text, "arrow_patch", None)])
    ratio = tips / np.where(made.class_weights == 0, np.nan, made.class_weights)
    assert np.nanmin(ratio) == pytest.approx(np.nanmax(ratio))
    assert np.linalg.norm(tips, axis=1).max() < axes.get_xlim()[1]


def test_classes_are_named_at_their_points_and_names_are_no_formulas(tmp_path):
    made = model()
    (axes,) = plane_figure([made]).axes
    boxes = [text for text in axes.texts if text.get_bbox_patch()]
    assert [text.get_text() for text in boxes] == ["cat", "dog", "$x_{$"]
    assert boxes[1].get_position() == pytest.approx(np.median(made.features[LABELS == 1], axis=0))
    write_png(tmp_path / "f.png", [made, made, made, made])
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_a_class_without_images_has_an_arrow_only():
    made = replace(model(), class_names=("a", "b", "c", "d"),
                   class_weights=np.eye(4, 2, dtype=np.float32))  # fmt: skip
    (axes,) = plane_figure([made]).axes
    assert [text.get_text() for text in axes.texts if text.get_bbox_patch()] == ["a", "b", "c"]


def test_the_title_tells_accuracy_and_the_rare_classes_error():
    assert summary(model()) == "accuracy 75.00%, error of rare class: cat 75.0%"
    two = summary(model((0, 1)))
    assert two == "accuracy 75.00%, error of rare classes: cat 75.0%, dog 25.0%"
    assert summary(model(())) == "accuracy 75.00%, largest error: cat 75.0%"
    many = replace(model(), rare=(0, 1, 2, 0))
    assert "mean error of the 4 rare classes" in summary(many)
    (axes,) = plane_figure([model()]).axes
    assert axes.get_title() == f"run\n{summary(model())}"
