"""A pair file through an embedder: decode, embed each different image once, judge.

The protocol itself is `eval.verification`; here is what brings images and network to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcface_plus.data.images import SIZE, UndecodableImage, decode
from arcface_plus.embedder import Embedder
from data_prep.errors import DataError, UserError
from data_prep.pairs import byte_offset, read_pairs
from eval.verification import verify

Progress = Callable[[int, int], None]

BLOCK = 64
"""Images the network sees at once, whatever the batch size: a convolution's last bits depend on it,
and the digits of a verification must not. The last block is filled up."""


def target_file(data: Path, target: str) -> Path:
    """DATA/<target>.bin; UserError that lists what is there if it is not."""
    path = data / f"{target}.bin"
    if path.is_file():
        return path
    if not data.is_dir():
        raise UserError(f"{data}: no such directory of pair files")
    there = ", ".join(sorted(p.stem for p in data.glob("*.bin"))) or "no .bin at all"
    raise UserError(f"{path}: no such pair file for target {target!r}; {data} has {there}")


def verify_targets(
    embedder: Embedder,
    data: Path,
    targets: Sequence[str],
    *,
    checkpoint: str,
    batch_size: int,
    progress: Callable[[str], Progress | None] = lambda target: None,
) -> dict[str, Any]:
    """The object that `eval verify --json` writes; all files are looked for before any work."""
    files = {target: target_file(data, target) for target in targets}
    return {
        "schema": 1,
        "checkpoint": checkpoint,
        "protocol": "10-fold",
        "flip": True,
        "targets": {
            target: verify_file(embedder, file, batch_size, progress(target))
            for target, file in files.items()
        },
    }


def verify_file(
    embedder: Embedder, path: Path, batch_size: int, progress: Progress | None = None
) -> dict[str, Any]:
    """10-fold verification of one pair file, as one target of the JSON."""
    images, same = read_pairs(path)
    place: dict[bytes, int] = {}
    rows = np.array([place.setdefault(image, len(place)) for image in images])
    unique = list(place)

    def name(index: int) -> str:
        at = int(np.flatnonzero(rows == index)[0])
        offset = byte_offset(path, unique[index])
        return f"{path}: pair {at // 2}, image {at % 2} (byte {offset})"

    plain, mirrored = embed_both(embedder, unique, batch_size, name, progress)
    summed = plain.astype(np.float64) + mirrored
    lengths = np.linalg.norm(plain, axis=1)[rows]
    try:
        result = verify(summed[rows[0::2]], summed[rows[1::2]], same)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return result.to_json(
        images=len(images), unique_images=len(unique), embedding_norm_mean=float(lengths.mean())
    )


def embed_both(
    embedder: Embedder,
    encoded: Sequence[bytes],
    batch_size: int,
    name: Callable[[int], str],
    progress: Progress | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embeddings of n encoded images and of their mirror images: two (n, d) arrays.

    `batch_size` images are decoded at a time (rounded up to whole blocks) while the former are
    embedded, so memory is bounded by two batches of pixels. `name(i)` names image i in a DataError.
    """
    batch_size = -(-batch_size // BLOCK) * BLOCK

    def pixels(start: int) -> NDArray[np.uint8]:
        batch = np.empty((min(batch_size, len(encoded) - start), SIZE, SIZE, 3), np.uint8)
        for i in range(len(batch)):
            try:
                batch[i] = decode(encoded[start + i])
            except UndecodableImage as error:
                raise DataError(f"{name(start + i)} {error}") from None
        return batch

    plain, mirrored = [], []
    starts = range(0, len(encoded), batch_size)
    with ThreadPoolExecutor(1, "decode") as pool:  # decodes the next batch while this one runs
        upcoming = pool.submit(pixels, 0)
        for start in starts:
            batch = upcoming.result()
            if start + batch_size < len(encoded):
                upcoming = pool.submit(pixels, start + batch_size)
            for block in range(0, len(batch), BLOCK):
                plain.append(_embed_block(embedder, batch[block : block + BLOCK]))
                mirrored.append(_embed_block(embedder, batch[block : block + BLOCK, :, ::-1]))
            if progress is not None:
                progress(start + len(batch), len(encoded))
    return np.concatenate(plain), np.concatenate(mirrored)


def _embed_block(embedder: Embedder, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    missing = BLOCK - len(images)
    full = np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)), mode="edge")
    return embedder(full)[: len(images)]
