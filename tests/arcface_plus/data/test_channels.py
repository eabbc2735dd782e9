"""Mean and standard deviation of channels, and normalization by them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from labelled_files import images

from arcface_plus.data.channels import CENTRED, Channels, channels_of
from data_prep.labelled_images import LabelledImages, open_labelled_images
from data_prep.labelled_images.base import PixelArray


def labelled(pixels: np.ndarray) -> LabelledImages:
    return PixelArray(Path("x"), "train", pixels, np.zeros(len(pixels), np.int64), {0: "a"})


def test_against_numpy_in_one_piece() -> None:
    pixels = images(2500, 4, 3) // np.array([1, 2, 3], np.uint8)  # more than two pieces
    found = channels_of(labelled(pixels))
    every = pixels.reshape(-1, 3).astype(np.float64)
    assert found.mean == pytest.approx(every.mean(axis=0), rel=1e-12)
    assert found.std == pytest.approx(every.std(axis=0), rel=1e-12)


def test_a_channel_without_variation_is_only_shifted() -> None:
    pixels = images(3, 4, 3)
    pixels[..., 1] = 7
    assert channels_of(labelled(pixels)).std[1] == 1.0


def test_normalized_pixels_have_mean_0_and_standard_deviation_1() -> None:
    pixels = images(50, 8, 3)
    result = channels_of(labelled(pixels)).normalize(torch.from_numpy(pixels))
    assert result.shape == (50, 3, 8, 8)
    assert result.dtype == torch.float32
    assert torch.allclose(result.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(result.std(dim=(0, 2, 3), correction=0), torch.ones(3), atol=1e-5)


def test_against_a_loop_over_channels() -> None:
    pixels = torch.from_numpy(images(2, 4, 3))
    channels = Channels((1.0, 20.0, 300.0), (2.0, 0.5, 4.0))
    result = channels.normalize(pixels)
    for c in range(3):
        expected = (pixels[..., c].float() - channels.mean[c]) / channels.std[c]
        assert torch.equal(result[:, c], expected)


def test_centred() -> None:
    pixels = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 1, 3)
    result = CENTRED.normalize(pixels)
    assert result.flatten().tolist() == [-127.5 / 128] * 3 + [127.5 / 128] * 3


REAL = os.environ.get("ARCFACE_PLUS_REAL_DATA", "")


@pytest.mark.skipif(not REAL, reason="no real data here (set ARCFACE_PLUS_REAL_DATA)")
def test_mnist_has_the_known_figures() -> None:
    found = channels_of(open_labelled_images(Path(REAL) / "mnist", "train"))
    assert [round(m / 255, 4) for m in found.mean] == [0.1307] * 3
    assert [round(s / 255, 4) for s in found.std] == [0.3081] * 3
