"""A step's share as tensors, against the naive way, image by image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arcface_plus.data.assembly import CpuAssembly, Share
from arcface_plus.data.pixels import Memory
from arcface_plus.data.workers import Workers

PIXELS = np.random.default_rng(1).integers(0, 256, (9, 112, 112, 3), np.uint8)


def share(indices: list[int], flips: list[bool]) -> Share:
    at = np.array(indices, np.int64)
    return Share(at, at * 10, np.array(flips))


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_images_mirrored_normalized_and_in_order(channels_last, threads):
    workers = Workers(threads)
    assembly = CpuAssembly(Memory(PIXELS), workers, channels_last)
    indices, flips = [7, 0, 3, 3, 8], [True, False, True, False, False]
    images, labels = assembly.prepare(share(indices, flips))()
    workers.close()
    for image, index, flip in zip(images, indices, flips, strict=True):
        pixels = PIXELS[index][:, ::-1] if flip else PIXELS[index]
        expected = (pixels.astype(np.float64).transpose(2, 0, 1) - 127.5) / 127.5
        assert np.allclose(image.numpy(), expected, atol=1e-6)
    assert labels.tolist() == [70, 0, 30, 30, 80]
    assert images.dtype == torch.float32
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    assert images.is_contiguous(memory_format=memory_format)


def test_the_source_is_not_mirrored_in_place_and_batches_share_nothing():
    workers = Workers(1)
    kept = PIXELS.copy()
    assembly = CpuAssembly(Memory(PIXELS), workers, channels_last=True)
    first, _ = assembly.prepare(share([2, 4], [True, True]))()
    before = first.clone()
    second, _ = assembly.prepare(share([4, 2], [True, True]))()
    workers.close()
    assert np.array_equal(PIXELS, kept)
    assert torch.equal(first, before)
    assert torch.equal(first, second.flip(0))
