"""Augmented batches against the naive way, on any number of processes, from any cache."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from labelled_files import cifar_10_batches, write_pickles
from torchvision.transforms import functional

from arcface_plus.data.augmented import Augmented
from arcface_plus.data.autoaugment import autoaugment, cifar_draws
from arcface_plus.data.channels import Channels
from arcface_plus.data.loader import Loader, LoaderSettings
from arcface_plus.data.order import (
    batch_boxes,
    batch_centres,
    batch_flips,
    batch_indices,
    batch_offsets,
)
from arcface_plus.runtime import Processes
from data_prep.labelled_images import open_labelled_images

CHANNELS = Channels((100.0, 110.0, 120.0), (50.0, 60.0, 70.0))
BATCH, SEED = 10, 3
ALL = Augmented((32, 32), CHANNELS, 4, "zero", mirror=True, cutout=8, autoaugment=True)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cifar")
    write_pickles(folder, cifar_10_batches(7))
    return open_labelled_images(folder, "train")


def batches(images, preparation=ALL, processes=None, steps=(0, 5), **changed):
    settings = LoaderSettings(BATCH, SEED, preparation, threads=2, **changed)
    loader = Loader(images, settings, torch.device("cpu"), processes)
    try:
        return list(loader.batches(*steps))
    finally:
        loader.close()


def naive(images, step: int) -> torch.Tensor:
    """Image by image, with NumPy's own padding."""
    indices = batch_indices(SEED, step, BATCH, len(images))
    flips, offsets = batch_flips(SEED, step, BATCH), batch_offsets(SEED, step, BATCH, 4)
    centres = batch_centres(SEED, step, BATCH, 32, 32)
    pixels = autoaugment(np.array(images.batch(indices)), cifar_draws(SEED, step, BATCH))
    made = []
    for image, flip, (row, column), (y, x) in zip(pixels, flips, offsets, centres, strict=True):
        padded = np.pad(image, ((4, 4), (4, 4), (0, 0)))
        crop = padded[row : row + 32, column : column + 32].copy()
        crop = crop[:, ::-1].copy() if flip else crop
        crop[max(0, y - 4) : y + 4, max(0, x - 4) : x + 4] = 0
        made.append((crop.astype(np.float32) - CHANNELS.mean) / CHANNELS.std)
    return torch.from_numpy(np.stack(made).transpose(0, 3, 1, 2).astype(np.float32))


def test_everything_is_applied_in_order(images):
    for step, batch in enumerate(batches(images)):
        assert torch.allclose(batch.images, naive(images, step), atol=1e-6)
        assert torch.equal(batch.labels, torch.from_numpy(images.labels[batch.indices]))


def test_nothing_is_changed_by_default(images):
    plain = Augmented((32, 32), CHANNELS)
    for batch in batches(images, plain, steps=(0, 1)):
        pixels = torch.from_numpy(np.array(images.batch(batch.indices)))
        assert torch.equal(batch.images, CHANNELS.normalize(pixels))


@pytest.mark.parametrize("count", [2, 3])
def test_processes_share_the_same_images(images, count):
    whole = batches(images)
    parts = [batches(images, processes=Processes(rank, count)) for rank in range(count)]
    for step, batch in enumerate(whole):
        assert torch.equal(torch.cat([part[step].images for part in parts]), batch.images)
        joined = np.concatenate([part[step].indices for part in parts])
        assert np.array_equal(joined, batch.indices)


def test_a_later_start_gives_the_same(images):
    for first, later in zip(batches(images)[3:], batches(images, steps=(3, 5)), strict=True):
        assert torch.equal(first.images, later.images)


@pytest.mark.parametrize("cache", ["memory", "device"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_caches_and_formats_change_nothing(images, cache, channels_last):
    changed = {"cache": cache, "channels_last": channels_last}
    for one, other in zip(batches(images), batches(images, **changed), strict=True):
        assert torch.equal(one.images, other.images)
        wanted = torch.channels_last if channels_last else torch.contiguous_format
        assert other.images.is_contiguous(memory_format=wanted)


@pytest.mark.parametrize("cache", ["memory", "device"])
def test_a_part_of_the_image_is_scaled(images, cache):
    made = Augmented((32, 32), CHANNELS, mirror=True, cutout=6, area=(0.1, 1.0), side=24)
    assert made.output == (24, 24)
    whole = batches(images, made, cache=cache)
    for step, batch in enumerate(whole):
        assert batch.images.shape == (BATCH, 3, 24, 24)
        boxes = batch_boxes(SEED, step, BATCH, (32, 32), (0.1, 1.0))
        flips, centres = batch_flips(SEED, step, BATCH), batch_centres(SEED, step, BATCH, 24, 24)
        drawn = zip(batch.indices.tolist(), boxes, flips, centres, batch.images, strict=True)
        for index, box, flip, (y, x), found in drawn:
            image = torch.from_numpy(np.array(images.image(index))).permute(2, 0, 1).float()
            crop = functional.resized_crop(image, *box.tolist(), [24, 24], antialias=False)
            crop = crop.flip(2) if flip else crop
            crop[:, max(0, y - 3) : y + 3, max(0, x - 3) : x + 3] = 0
            expected = CHANNELS.normalize(crop.permute(1, 2, 0)[None])[0]
            assert torch.allclose(found, expected, atol=1e-4)
    parts = [batches(images, made, Processes(rank, 2), cache=cache) for rank in range(2)]
    for step, batch in enumerate(whole):
        assert torch.equal(torch.cat([part[step].images for part in parts]), batch.images)
