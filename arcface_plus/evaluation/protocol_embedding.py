"""The protocol's embedding: the sum of the network's outputs for an image and its mirror image.

Verification, identification, `embed` and `match` all take this sum here; they differ only in where
their images come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcface_plus.data.images import UndecodableImage, decode
from arcface_plus.embedder.load import Embedder
from data_prep.crop_size import SIDE
from data_prep.errors import DataError

Progress = Callable[[int, int], None]

BLOCK = 64
"""Images per forward pass, whatever the batch size: a convolution's last bits depend on this
number, and verification results must not. The last block is padded."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """summed: (n, d) float64, image and mirror image (or the image alone), not normalized.

    norms: (n,) float32, the length of the network's output for the image alone.
    """

    summed: NDArray[np.float64]
    norms: NDArray[np.float32]

    def normalized(self, name: Callable[[int], str]) -> NDArray[np.float64]:
        """`summed` with rows of length 1; the DataError names the first zero or NaN row."""
        lengths = np.linalg.norm(self.summed, axis=1, keepdims=True)
        wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
        if len(wrong):
            raise DataError(f"{name(int(wrong[0]))}: its embedding is zero or not finite")
        return np.asarray(self.summed / lengths, np.float64)


def embed_pixels(embedder: Embedder, images: NDArray[np.uint8], *, flip: bool) -> Embeddings:
    """Embeddings of crops (n, 112, 112, 3) uint8 RGB; without `flip`, without mirror images."""
    views = np.concatenate([images, images[:, :, ::-1]]) if flip else images
    rows = np.concatenate(
        [_embed_block(embedder, views[at : at + BLOCK]) for at in range(0, len(views), BLOCK)]
    )
    own = rows[: len(images)]
    summed = own.astype(np.float64)
    if flip:
        summed += rows[len(images) :]
    return Embeddings(summed, np.linalg.norm(own, axis=1))


def embed_encoded(
    embedder: Embedder,
    encoded: Sequence[bytes],
    batch_size: int,
    name: Callable[[int], str],
    progress: Progress | None = None,
    *,
    flip: bool,
) -> Embeddings:
    """Embeddings of n encoded images; `name(i)` names image i in a DataError.

    `batch_size` images (rounded up to whole blocks) are decoded while the previous batch is
    embedded, so memory is bounded by two batches of pixels and the result.
    """
    batch_size = -(-batch_size // BLOCK) * BLOCK
    summed, norms = np.empty((0, 0)), np.empty(len(encoded), np.float32)
    done = 0
    for batch in _decoded(encoded, batch_size, name):
        part = embed_pixels(embedder, batch, flip=flip)
        if not done:
            # Filled in place: keeping a small array per batch would fragment memory.
            summed = np.empty((len(encoded), part.summed.shape[1]))
        summed[done : done + len(batch)] = part.summed
        norms[done : done + len(batch)] = part.norms
        done += len(batch)
        if progress is not None:
            progress(done, len(encoded))
    return Embeddings(summed, norms)


def _decoded(
    encoded: Sequence[bytes], batch_size: int, name: Callable[[int], str]
) -> Iterator[NDArray[np.uint8]]:
    """Batches of crops; a thread decodes the next one while this one is used."""

    def pixels(start: int) -> NDArray[np.uint8]:
        batch = np.empty((min(batch_size, len(encoded) - start), SIDE, SIDE, 3), np.uint8)
        for i in range(len(batch)):
            try:
                batch[i] = decode(encoded[start + i])
            except UndecodableImage as error:
                raise DataError(f"{name(start + i)} {error}") from None
        return batch

    with ThreadPoolExecutor(1, "decode") as pool:
        upcoming = pool.submit(pixels, 0)
        for start in range(0, len(encoded), batch_size):
            batch = upcoming.result()
            if start + batch_size < len(encoded):
                upcoming = pool.submit(pixels, start + batch_size)
            yield batch


def _embed_block(embedder: Embedder, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    missing = BLOCK - len(images)
    full = np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)), mode="edge")
    return embedder(full)[: len(images)]
