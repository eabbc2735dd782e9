"""Crops, mirror images and squares of a batch against a loop over images in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import functional

from arcface_plus.data.augmentation import cut_out, pad_crop_mirror, resized_crop_mirror
from arcface_plus.data.order import batch_boxes, batch_centres, batch_flips, batch_offsets

N, HEIGHT, WIDTH, PAD = 40, 9, 12, 4


def batch(dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(1, 256, (N, HEIGHT, WIDTH, 3)).astype(dtype)


def naive(image: np.ndarray, offset: np.ndarray, flip: bool, pad: int, mode: str) -> np.ndarray:
    """As the MHE paper's public code: pad, slice, fliplr."""
    padded = np.pad(image, [(pad, pad), (pad, pad), (0, 0)], mode)  # type: ignore[call-overload]
    row, column = offset
    crop = padded[row : row + image.shape[0], column : column + image.shape[1]]
    return np.fliplr(crop) if flip else crop


@pytest.mark.parametrize(("padding", "mode"), [("zero", "constant"), ("symmetric", "symmetric")])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_against_a_loop_over_images(padding: str, mode: str, dtype: type) -> None:
    images = batch(dtype)
    offsets, flips = batch_offsets(1, 2, N, PAD), batch_flips(1, 2, N)
    offsets[:4] = [[0, 0], [0, 2 * PAD], [2 * PAD, 0], [2 * PAD, 2 * PAD]]
    result = pad_crop_mirror(
        torch.from_numpy(images), torch.from_numpy(offsets), torch.from_numpy(flips), PAD,
        padding,  # type: ignore[arg-type]
    )  # fmt: skip
    assert result.dtype == torch.from_numpy(images).dtype
    expected = [naive(i, o, f, PAD, mode) for i, o, f in zip(images, offsets, flips, strict=True)]
    assert np.array_equal(result.numpy(), np.stack(expected))


def test_zero_padding_is_torchvisions() -> None:
    image = torch.from_numpy(batch()[:1])
    row, column = 1, 7
    result = pad_crop_mirror(image, torch.tensor([[row, column]]), torch.tensor([False]), PAD)
    channels_first = image[0].permute(2, 0, 1)
    padded = functional.pad(channels_first, [PAD])
    expected = functional.crop(padded, row, column, HEIGHT, WIDTH)
    assert torch.equal(result[0].permute(2, 0, 1), expected)


def test_offsets_in_the_middle_without_flips_change_nothing() -> None:
    images = torch.from_numpy(batch())
    middle, none = torch.full((N, 2), PAD), torch.zeros(N, dtype=torch.bool)
    for padding in ("zero", "symmetric"):
        assert torch.equal(pad_crop_mirror(images, middle, none, PAD, padding), images)


@pytest.mark.parametrize("processes", [2, 4, 5])
def test_the_same_for_any_number_of_processes(processes: int) -> None:
    images = torch.from_numpy(batch())
    offsets = torch.from_numpy(batch_offsets(7, 3, N, PAD))
    flips = torch.from_numpy(batch_flips(7, 3, N))
    whole = pad_crop_mirror(images, offsets, flips, PAD)
    share = N // processes
    parts = [
        pad_crop_mirror(images[k : k + share], offsets[k : k + share], flips[k : k + share], PAD)
        for k in range(0, N, share)
    ]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("side", [1, 4, 5, 30])
def test_squares_against_a_loop(side: int) -> None:
    images, centres = batch(), batch_centres(1, 2, N, HEIGHT, WIDTH)
    expected = images.copy()
    for image, (row, column) in zip(expected, centres, strict=True):
        top, left = row - side // 2, column - side // 2
        image[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = 0
    result = cut_out(torch.from_numpy(images), torch.from_numpy(centres), side)
    assert np.array_equal(result.numpy(), expected)


def test_symmetric_padding_wider_than_the_image() -> None:
    images, flips = torch.zeros(1, 8, 3, 3, dtype=torch.uint8), torch.tensor([False])
    pad_crop_mirror(images, torch.tensor([[0, 6]]), flips, 3, "symmetric")
    with pytest.raises(ValueError, match="by 4 is wider than images of 3×8"):
        pad_crop_mirror(images, torch.tensor([[0, 0]]), flips, 4, "symmetric")


@pytest.mark.parametrize("side", [5, 9, 20])
def test_resized_crops_are_torchvisions(side: int) -> None:
    images = batch()
    boxes, flips = batch_boxes(1, 2, N, (HEIGHT, WIDTH), (0.05, 1.0)), batch_flips(1, 2, N)
    boxes[0] = [0, 0, HEIGHT, WIDTH]
    boxes[1] = [HEIGHT - 1, WIDTH - 1, 1, 1]
    result = resized_crop_mirror(*map(torch.from_numpy, (images, boxes, flips)), side)
    assert (result.shape, result.dtype) == ((N, side, side, 3), torch.float32)
    for image, box, flip, found in zip(images, boxes.tolist(), flips, result, strict=True):
        channels_first = torch.from_numpy(image).permute(2, 0, 1).float()
        expected = functional.resized_crop(channels_first, *box, [side, side], antialias=False)
        expected = expected.flip(2) if flip else expected
        assert torch.allclose(found.permute(2, 0, 1), expected, atol=1e-3)
