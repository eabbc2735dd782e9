"""Caches in memory and on the device: room first, piece by piece, from the disk if possible."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from arcface_plus.data import pixels, room
from arcface_plus.data.disk_cache import DiskCache
from arcface_plus.data.loader import Loader, LoaderSettings
from arcface_plus.data.sources import open_source
from arcface_plus.data.workers import Workers
from data_prep.errors import DataError, UserError
from data_prep.image_header import FORMATS
from data_prep.training_set import TrainingSetWriter

CPU = torch.device("cpu")


@pytest.fixture
def source(synthetic):
    return open_source(synthetic)


def fill(cache, source, folder, progress=None):
    if cache == "device":
        return pixels.on_device(source, folder, Workers(2), CPU, progress, print).numpy()
    memory = pixels.in_memory(source, folder, Workers(2), progress, print)
    found = np.empty((len(source), 112, 112, 3), np.uint8)
    memory.read(np.arange(len(source)), found)
    return found


@pytest.mark.parametrize("cache", ["memory", "device"])
@pytest.mark.parametrize("piece", [1, 13, 16, 100])
def test_pieces_make_the_whole(source, tmp_path, monkeypatch, cache, piece):
    monkeypatch.setattr(pixels, "_PIECE", piece)
    seen = []
    found = fill(cache, source, tmp_path, lambda done, total: seen.append((done, total)))
    assert np.array_equal(found, [source.image(i) for i in range(len(source))])
    assert seen == sorted(seen)
    assert seen[-1] == (len(source), len(source))


@pytest.mark.parametrize("cache", ["memory", "device"])
def test_a_disk_cache_avoids_decoding(source, tmp_path, monkeypatch, cache):
    DiskCache(source, tmp_path).find_or_build(Workers(2), None, print)
    expected = fill(cache, open_source(source.folder), None)

    def refuse(index):
        raise AssertionError(f"image {index} decoded again")

    monkeypatch.setattr(source, "image", refuse)
    assert np.array_equal(fill(cache, source, tmp_path), expected)


@pytest.mark.parametrize("cache", ["memory", "device"])
def test_too_little_memory_is_reported_before_anything_is_decoded(source, monkeypatch, cache):
    monkeypatch.setattr(room, "available_memory", lambda: (1 << 30) + 48 * 37632)
    fill(cache, source, None)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(source, "image", None)
    with pytest.raises(UserError, match=r"0\.00181 GB.* in each of 2 processes.*data\.cache: disk"):
        fill(cache, source, None)
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    monkeypatch.setattr(room, "available_memory", lambda: 10**9)
    with pytest.raises(UserError, match=r"take 0\.00181 GB of memory, but only 1 GB are available"):
        fill(cache, source, None)


@pytest.mark.parametrize("cache", ["none", "memory", "disk", "device"])
def test_an_image_that_cannot_be_decoded_is_the_same_line_in_every_cache(tmp_path, cache):
    black = cv2.imencode(".png", np.zeros((112, 112, 3), np.uint8))[1].tobytes()
    with TrainingSetWriter(tmp_path) as writer:
        for label in range(60):
            writer.add(label, b"no image" if label >= 30 else black)

    def first_batch():
        settings = LoaderSettings(60, seed=0, cache=cache, threads=2)
        loader = Loader(open_source(tmp_path), settings, CPU)
        next(loader.batches(0, 1))

    with pytest.raises(DataError) as error:
        first_batch()
    message = str(error.value)
    assert message.startswith(f"{tmp_path}/train.rec: record ")
    assert message.endswith(f"cannot be decoded: not a {FORMATS} image")
    if cache != "none":  # which goes in the order of the batch
        assert "record 31 at byte" in message
