"""The baseline data path makes the same images as ours."""

from __future__ import annotations

import numpy as np
import torch

from arcface_plus.bench import mxnet_like
from arcface_plus.data.images import normalize
from arcface_plus.data.sources import open_source


def test_the_plain_way_makes_the_same_images(synthetic):
    source = open_source(synthetic)
    images, labels = mxnet_like.RecordImages(synthetic / "train.rec").batch([3, 40])
    assert labels.tolist() == source.labels[[3, 40]].tolist()
    truth = normalize(torch.from_numpy(np.stack([source.image(3), source.image(40)])))
    for image, expected in zip(images, truth, strict=True):
        assert any(torch.allclose(image, e, atol=1e-6) for e in (expected, expected.flip(-1)))
