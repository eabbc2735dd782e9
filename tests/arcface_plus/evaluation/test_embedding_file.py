"""Embeddings of a source as one file: unit rows, the network's own lengths, nothing pickled."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arcface_plus.embedder.load import Embedder
from arcface_plus.evaluation import embedding_file
from arcface_plus.evaluation.embedding_file import UnitEmbeddings, embed_source, write
from arcface_plus.evaluation.image_source import ImageSource
from arcface_plus.evaluation.protocol_embedding import BLOCK
from data_prep.errors import DataError
from data_prep.images import encode_as


def colours(images: torch.Tensor) -> torch.Tensor:
    """A network: the mean colour of the left half, in [−1, 1]; (n, 3)."""
    return images[:, :, :, :56].mean(dim=(2, 3))


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(colours, torch.device("cpu"), "colours")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """150 crops, each of one colour in its left and another in its right half."""
    halves = np.random.default_rng(0).integers(0, 256, (150, 1, 2, 3), np.uint8)
    return np.ascontiguousarray(np.broadcast_to(halves.repeat(56, axis=2), (150, 112, 112, 3)))


@pytest.fixture(scope="module")
def source(pixels, tmp_path_factory) -> ImageSource:
    encoded = [encode_as(".png", image) for image in pixels]
    path = tmp_path_factory.mktemp("source")
    return ImageSource(path, [f"{k}.png" for k in range(len(encoded))], encoded.__getitem__)


def by_hand(pixels: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows, and lengths of the images' own embeddings."""
    left = (pixels[:, 0, 0].astype(np.float64) - 127.5) / 127.5
    right = (pixels[:, 0, -1].astype(np.float64) - 127.5) / 127.5
    summed = left + right if flip else left
    return summed / np.linalg.norm(summed, axis=1, keepdims=True), np.linalg.norm(left, axis=1)


@pytest.mark.parametrize("flip", [True, False])
def test_rows_are_of_length_one_and_norms_the_networks_own(embedder, source, pixels, flip):
    found = embed_source(embedder, source, flip=flip, batch_size=7)
    rows, norms = by_hand(pixels, flip)
    assert found.embeddings.dtype == found.norms.dtype == np.float32
    assert found.embeddings == pytest.approx(rows, abs=1e-5)
    assert found.norms == pytest.approx(norms, rel=1e-5)


def test_chunks_change_nothing_and_progress_counts_all(embedder, source, monkeypatch):
    whole = embed_source(embedder, source, flip=True, batch_size=BLOCK)
    monkeypatch.setattr(embedding_file, "_CHUNK", BLOCK)
    told = []
    parts = embed_source(
        embedder, source, flip=True, batch_size=5, progress=lambda *counts: told.append(counts)
    )
    assert np.array_equal(parts.embeddings, whole.embeddings)
    assert np.array_equal(parts.norms, whole.norms)
    assert told == [(64, 150), (128, 150), (150, 150)]


def test_an_image_without_direction_is_named_in_any_chunk(source, pixels, monkeypatch):
    marked = float((pixels[140, 0, 0, 0] - 127.5) / 127.5)

    def dead(images: torch.Tensor) -> torch.Tensor:
        rows = colours(images)
        return torch.where((rows[:, :1] - marked).abs() < 1e-3, 0.0, rows)

    monkeypatch.setattr(embedding_file, "_CHUNK", BLOCK)
    first = int(np.flatnonzero(pixels[:, 0, 0, 0] == pixels[140, 0, 0, 0])[0])
    with pytest.raises(DataError, match=rf"{source.path}: {first}\.png: its embedding is zero"):
        embed_source(Embedder(dead, torch.device("cpu"), "dead"), source, flip=False, batch_size=64)


def written(tmp_path, source: ImageSource) -> tuple[list[str], dict[str, np.ndarray]]:
    n = len(source)
    found = UnitEmbeddings(np.eye(n, 3, dtype=np.float32), np.ones(n, np.float32))
    names = write(tmp_path / "e.npz", found, source, checkpoint="run", flip=False)
    with np.load(tmp_path / "e.npz", allow_pickle=False) as file:
        return names, dict(file)


def test_what_the_source_does_not_know_is_not_in_the_file(tmp_path, source):
    names, arrays = written(tmp_path, source)
    assert names == list(arrays) == ["embeddings", "norms", "paths", "flip", "checkpoint"]
    assert arrays["paths"].tolist() == source.names
    assert (bool(arrays["flip"]), str(arrays["checkpoint"])) == (False, "run")
    assert arrays["embeddings"].shape == (150, 3)


def test_labels_with_names_and_truth_of_pairs(tmp_path):
    labels = np.array([1, 0, 1], np.int64)
    named = ImageSource(tmp_path, ["a", "b", "c"], lambda _: b"", labels, {0: "x", 1: "Zoë"})
    _, arrays = written(tmp_path, named)
    assert np.array_equal(arrays["labels"], labels)
    assert arrays["class_names"].tolist() == ["x", "Zoë"]
    gaps = ImageSource(tmp_path, ["a", "b", "c"], lambda _: b"", labels, {1: "x", 7: "y"})
    assert "class_names" not in written(tmp_path, gaps)[1]  # a list could not say which is which
    pairs = ImageSource(tmp_path, ["a", "b"], lambda _: b"", same=np.array([True]))
    assert written(tmp_path, pairs)[1]["same"].tolist() == [True]
