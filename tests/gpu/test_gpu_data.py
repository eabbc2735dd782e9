"""Batches on a GPU equal those on the CPU, whatever the cache."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from arcface_plus.data.loader import Batch, Loader, LoaderSettings
from arcface_plus.data.preparation import Crops
from arcface_plus.data.sources import open_source

STEPS = 7


def batches(folder: Path, cache: str, device: torch.device, cache_dir: Path) -> list[Batch]:
    source = open_source(folder)
    settings = LoaderSettings(20, seed=4, cache=cache, cache_dir=cache_dir, threads=2)
    loader = Loader(source, settings, device)
    try:
        return list(loader.batches(0, STEPS))  # all alive at once: no buffer may be used twice
    finally:
        loader.close()


@pytest.mark.parametrize("cache", ["none", "memory", "disk", "device"])
def test_batches_are_the_cpus(device, synthetic, tmp_path, cache):
    here = batches(synthetic, cache, device, tmp_path)
    plain = batches(synthetic, "none", torch.device("cpu"), tmp_path)
    for one, other in zip(here, plain, strict=True):
        assert one.images.device.type == device.type
        assert one.images.is_contiguous(memory_format=torch.channels_last)
        assert (one.indices == other.indices).all()
        assert torch.equal(one.labels.cpu(), other.labels)
        torch.testing.assert_close(one.images.cpu(), other.images, rtol=0, atol=1e-6)


def test_a_batch_outlives_the_copies_of_those_after_it(gpu, synthetic, tmp_path):
    """Work that is still queued on a batch must not see the next one's pixels in its place."""
    source = open_source(synthetic)
    loader = Loader(
        source, LoaderSettings(48, seed=0, preparation=Crops(flip=False), threads=2), gpu
    )
    sums = []
    try:
        for batch in loader.batches(0, 10):
            torch.cuda._sleep(20_000_000)  # some 10 ms in which copies could overtake
            sums.append(batch.images.double().sum())
    finally:
        loader.close()
    # One epoch per batch: each holds all images, in another order.
    assert [float(s) for s in sums] == pytest.approx([float(sums[0])] * 10, rel=1e-9)
