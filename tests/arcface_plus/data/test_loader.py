"""Batches do not depend on the cache, the threads, the processes or the first step."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from arcface_plus.data.images import (
    UndecodableImage,
    decode,
    flip,
    mirror,
    normalize,
    normalize_into,
)
from arcface_plus.data.loader import Loader, LoaderSettings
from arcface_plus.data.order import batch_flips, batch_indices
from arcface_plus.data.preparation import Crops
from arcface_plus.data.sources import open_source
from arcface_plus.runtime import Processes
from data_prep.errors import DataError
from data_prep.training_set import TrainingSetWriter


def loader(source, processes=None, **changed) -> Loader:
    settings = LoaderSettings(**({"batch_size": 10, "seed": 2, "threads": 2} | changed))
    return Loader(source, settings, torch.device("cpu"), processes)


@pytest.fixture(scope="module")
def source(synthetic):
    return open_source(synthetic)


def test_images_are_decoded_rgb_flipped_and_normalized(source):
    batch = next(loader(source).batches(3, 4))
    indices, flips = batch_indices(2, 3, 10, len(source)), batch_flips(2, 3, 10)
    assert flips.any()
    assert not flips.all()
    for place, index in enumerate(indices):
        pixels = source.image(int(index))[:, :: -1 if flips[place] else 1].astype(np.float64)
        expected = ((pixels - 127.5) / 127.5).transpose(2, 0, 1)
        assert np.allclose(batch.images[place].numpy(), expected, atol=1e-6)
        assert batch.labels[place] == source.labels[index]


def test_without_flip_nothing_is_mirrored(source):
    batch = next(loader(source, preparation=Crops(flip=False)).batches(0, 1))
    pixels = torch.from_numpy(np.stack([source.image(i) for i in batch.indices]))
    assert torch.equal(batch.images, normalize(pixels))


@pytest.mark.parametrize(
    "changed",
    [{"cache": "memory"}, {"cache": "disk"}, {"cache": "device"}, {"threads": 1}],
    ids=str,
)
@pytest.mark.parametrize("channels_last", [True, False])
def test_cache_and_threads_change_nothing(source, tmp_path, changed, channels_last):
    changed = changed | {"cache_dir": tmp_path, "channels_last": channels_last}
    for one, other in zip(
        loader(source).batches(0, 6), loader(source, **changed).batches(0, 6), strict=True
    ):
        assert other.images.is_contiguous(
            memory_format=torch.channels_last if channels_last else torch.contiguous_format
        )
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)


def test_a_later_start_sees_the_same_batches(source):
    whole = list(loader(source).batches(0, 7))
    for one, other in zip(whole[4:], loader(source).batches(4, 7), strict=True):
        assert torch.equal(one.images, other.images)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_processes_share_the_global_batch(source, count):
    whole = next(loader(source).batches(2, 3))
    parts = [next(loader(source, Processes(r, count)).batches(2, 3)) for r in range(count)]
    assert torch.equal(whole.images, torch.cat([p.images for p in parts]))
    assert torch.equal(whole.labels, torch.cat([p.labels for p in parts]))
    assert np.array_equal(whole.indices, np.concatenate([p.indices for p in parts]))
    sizes = [len(p.labels) for p in parts]
    assert max(sizes) - min(sizes) <= 1
    assert all(p.sizes == tuple(sizes) for p in parts)
    assert whole.sizes == (10,)


def test_a_folder_of_class_folders_is_a_source_too(tmp_path):
    for name in ("b", "a", "empty"):
        (tmp_path / name).mkdir()
    for name, count in (("a", 2), ("b", 1)):
        for i in range(count):
            image = np.full((112, 112, 3), 40 * i, np.uint8)
            image[..., 2] = 200  # red, in OpenCV's order
            cv2.imwrite(str(tmp_path / name / f"{i}.png"), image)
    source = open_source(tmp_path)
    assert (len(source), source.classes, source.labels.tolist()) == (3, 2, [0, 0, 1])
    assert source.image(0)[0, 0].tolist() == [200, 0, 0]


def test_what_cannot_be_trained_on_is_named(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        open_source(tmp_path / "gone")
    with pytest.raises(DataError, match=r"neither train\.rec, \.tar shards nor images"):
        open_source(tmp_path)
    with TrainingSetWriter(tmp_path) as writer:
        writer.add(0, b"no image")
        writer.add(1, cv2.imencode(".png", np.zeros((50, 60, 3), np.uint8))[1].tobytes())
    source = open_source(tmp_path)
    with pytest.raises(DataError, match=r"train\.rec: record 1 at byte \d+ cannot be decoded"):
        source.image(0)
    with pytest.raises(DataError, match=r"record 2 at byte \d+ is 60×50, not 112×112.*data align"):
        source.image(1)
    with pytest.raises(DataError, match=r"record [12]"):
        next(loader(source, batch_size=2).batches(0, 1))


def test_empty_bytes_are_refused():
    with pytest.raises(UndecodableImage, match="empty"):
        decode(b"")


def test_a_truncated_jpeg_is_refused_not_filled_with_grey(source):
    whole = cv2.imencode(".jpg", source.image(0))[1].tobytes()
    with pytest.raises(UndecodableImage, match="truncated JPEG"):
        decode(whole[: len(whole) // 2])


def test_normalize_and_flip_to_the_formula():
    pixels = torch.arange(2 * 112 * 112 * 3).reshape(2, 112, 112, 3).to(torch.uint8)
    images = normalize(pixels)
    assert torch.allclose(images, (pixels.permute(0, 3, 1, 2).double() / 127.5 - 1).float())
    mirrored = normalize(flip(pixels, torch.tensor([True, False])))
    assert torch.equal(mirrored[0], images[0].flip(-1))
    assert torch.equal(mirrored[1], images[1])


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_in_place_functions_give_the_same_bits(channels_last):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)
    which = np.array([True, False, False, True, True])
    expected = normalize(flip(torch.from_numpy(pixels), torch.from_numpy(which)))
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    found = torch.empty_like(expected, memory_format=memory_format)
    mirror(pixels, which)
    normalize_into(pixels, found.permute(0, 2, 3, 1).numpy())
    assert torch.equal(found, expected)
