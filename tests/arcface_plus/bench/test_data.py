"""The bench of the data path: both sides do the same work; how fast is for a quiet machine."""

from __future__ import annotations

import os

import numpy as np
import torch

from arcface_plus.bench import mxnet_like
from arcface_plus.bench.data import run
from arcface_plus.data.images import normalise
from arcface_plus.data.sources import open_source


def test_rows_have_rates_against_the_plain_way(synthetic, monkeypatch):
    monkeypatch.delenv("ARCFACE_PLUS_REAL_DATA", raising=False)
    monkeypatch.delenv("ARCFACE_PLUS_MXNET_PYTHON", raising=False)
    cores = os.sched_getaffinity(0)
    before = sorted(synthetic.iterdir())
    rows = run(images=32, repeats=1, train=synthetic)["rows"]
    names = [row["name"] for row in rows]
    assert [name.split(":")[0] for name in names] == [
        *["generated, one core"] * 4, *["generated, all cores"] * 4,
        *["real, one core"] * 4, *["real, all cores"] * 4,
    ]  # fmt: skip
    assert all(row["images_per_second"] > 0 for row in rows)
    assert [row["ratio"] for row in rows if "DataLoader with" in row["name"]] == [1] * 4
    assert os.sched_getaffinity(0) == cores
    assert sorted(synthetic.iterdir()) == before  # caches are not left beside the user's data


def test_the_plain_way_makes_the_same_images(synthetic):
    source = open_source(synthetic)
    images, labels = mxnet_like.Faces(synthetic / "train.rec").batch([3, 40])
    assert labels.tolist() == source.labels[[3, 40]].tolist()
    truth = normalise(torch.from_numpy(np.stack([source.image(3), source.image(40)])))
    for image, expected in zip(images, truth, strict=True):
        assert any(torch.allclose(image, e, atol=1e-6) for e in (expected, expected.flip(-1)))
