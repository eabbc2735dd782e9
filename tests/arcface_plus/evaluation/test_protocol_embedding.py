"""The sum of an image's and its mirror image's embedding, in blocks of one size."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
import torch

from arcface_plus.data.images import decode
from arcface_plus.embedder.load import Embedder, network_embedder
from arcface_plus.evaluation.protocol_embedding import (
    BLOCK,
    Embeddings,
    embed_encoded,
    embed_pixels,
)
from arcface_plus.models.backbones import MobileFaceNet
from data_prep.errors import DataError
from data_prep.pairs import read_pairs


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    torch.manual_seed(0)
    network = MobileFaceNet(embedding_dim=32, width=0.25).eval()
    return network_embedder(network, torch.device("cpu"), "mobilefacenet")


@pytest.fixture(scope="module")
def encoded(synthetic):
    return read_pairs(synthetic / "synth_age.bin")[0]


@pytest.fixture(scope="module")
def crops(encoded):
    return np.stack([decode(image) for image in encoded[:70]])


@pytest.mark.parametrize("flip", [True, False])
def test_it_is_the_sum_of_both_views(embedder, crops, flip):
    found = embed_pixels(embedder, crops, flip=flip)
    own = embedder(crops)
    expected = own.astype(np.float64) + (embedder(crops[:, :, ::-1]) if flip else 0)
    assert found.summed.dtype == np.float64
    assert found.summed == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert found.norms == pytest.approx(np.linalg.norm(own, axis=1), rel=1e-5)


@pytest.mark.parametrize("count", [1, 2, 31, 33, 70])
def test_the_network_sees_blocks_of_one_size(embedder, crops, count):
    """So two images of `match` have the very digits that a verification gives them."""
    seen = []

    def watched(images):
        seen.append(len(images))
        return embedder(images)

    found = embed_pixels(watched, crops[:count], flip=True)
    assert set(seen) == {BLOCK}
    everything = embed_pixels(embedder, crops, flip=True)
    assert np.array_equal(found.summed, everything.summed[:count])
    assert np.array_equal(found.norms, everything.norms[:count])


@pytest.mark.parametrize("batch_size", [1, 64, 1000])
def test_the_batch_size_changes_no_bit(embedder, encoded, batch_size):
    images = np.stack([decode(image) for image in encoded])
    found = embed_encoded(embedder, encoded, batch_size, str, flip=True)
    assert np.array_equal(found.summed, embed_pixels(embedder, images, flip=True).summed)


def test_progress_reaches_the_end(embedder, synthetic):
    images, _ = read_pairs(synthetic / "synth_age.bin")
    calls = []
    keep = lambda done, total: calls.append((done, total))  # noqa: E731
    embed_encoded(embedder, images[:10], 4, str, keep, flip=True)
    assert calls == [(10, 10)]
    embed_encoded(embedder, images * 2, 4, str, keep, flip=True)
    assert calls[1:] == [(64, 2 * len(images)), (128, 2 * len(images)), (160, 2 * len(images))]


def test_an_image_that_cannot_be_decoded_is_named(embedder, encoded):
    with pytest.raises(DataError, match=r"^image 66 cannot be decoded"):
        embed_encoded(embedder, [*encoded[:66], b"x"], 64, "image {}".format, flip=True)


def test_memory_is_the_result_and_little_more():
    """Views and batches kept until the end took three times the result, and the room between."""
    row = np.ones((BLOCK, 4096), np.float32)
    image = cv2.imencode(".png", np.zeros((112, 112, 3), np.uint8))[1].tobytes()
    tracemalloc.start()
    try:
        found = embed_encoded(lambda images: row, [image] * 4096, 64, str, flip=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.3 * found.summed.nbytes


def test_a_row_without_direction_is_named():
    found = Embeddings(np.array([[3.0, 4], [0, 0]]), np.ones(2, np.float32))
    with pytest.raises(DataError, match="picture 1: its embedding is zero or not finite"):
        found.normalized("picture {}".format)
    assert Embeddings(found.summed[:1], found.norms[:1]).normalized(str).tolist() == [[0.6, 0.8]]
