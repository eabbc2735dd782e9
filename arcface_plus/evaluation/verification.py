"""A pair file through an embedder: decode, embed each different image once, judge.

The protocol itself is `eval.verification`; here is what brings images and network to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcface_plus.data.images import UndecodableImage, decode
from arcface_plus.embedder.load import Embedder
from data_prep.crop_size import SIDE
from data_prep.errors import DataError, UserError
from data_prep.files import write_text
from data_prep.pairs import byte_offset, read_pairs
from eval.scores import PairScores, scores_file, write_scores
from eval.verification import VerificationResult, verify

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


@dataclass(frozen=True, eq=False)
class Verified:
    """One pair file: `figures` as one target of the JSON, and every pair's distance."""

    figures: dict[str, Any]
    result: VerificationResult


@dataclass(frozen=True, eq=False)
class Verification:
    """What a verification of several pair files found, ready to be written."""

    flip: bool
    targets: Mapping[str, Verified]

    @property
    def accuracies(self) -> dict[str, float]:
        """10-fold accuracy by target."""
        return {name: found.result.accuracy_mean for name, found in self.targets.items()}

    def to_json(self, checkpoint: str) -> dict[str, Any]:
        """The object that `eval verify --json` writes."""
        return {
            "schema": 1,
            "checkpoint": checkpoint,
            "protocol": "10-fold",
            "flip": self.flip,
            "targets": {name: found.figures for name, found in self.targets.items()},
        }

    def write(self, file: Path, checkpoint: str) -> None:
        """Write `file` (.json) and the pairs' distances beside it (.npz), each appearing whole.

        The distances come first, so where the JSON is, they are.
        """
        scores = {
            name: PairScores(found.result.distances, found.result.truth)
            for name, found in self.targets.items()
        }
        write_scores(scores_file(file), scores)
        write_text(file, json.dumps(self.to_json(checkpoint), indent=2) + "\n")


def verify_targets(
    embedder: Embedder,
    data: Path,
    targets: Sequence[str],
    *,
    batch_size: int,
    flip: bool = True,
    progress: Callable[[str], Progress | None] = lambda target: None,
) -> Verification:
    """Verify DATA/<target>.bin for each target; all files are looked for before any work."""
    files = {target: target_file(data, target) for target in targets}
    return Verification(
        flip,
        {
            target: verify_file(embedder, file, batch_size, progress(target), flip=flip)
            for target, file in files.items()
        },
    )


def verify_file(
    embedder: Embedder,
    path: Path,
    batch_size: int,
    progress: Progress | None = None,
    *,
    flip: bool = True,
) -> Verified:
    """10-fold verification of one pair file; without `flip`, of the images as they are alone."""
    images, same = read_pairs(path)
    place: dict[bytes, int] = {}
    rows = np.array([place.setdefault(image, len(place)) for image in images])
    unique = list(place)

    def name(index: int) -> str:
        at = int(np.flatnonzero(rows == index)[0])
        offset = byte_offset(path, unique[index])
        return f"{path}: pair {at // 2}, image {at % 2} (byte {offset})"

    views = embed_views(embedder, unique, batch_size, name, progress, flip=flip)
    embeddings = views[0].astype(np.float64)
    for view in views[1:]:
        embeddings += view
    lengths = np.linalg.norm(views[0], axis=1)[rows]
    try:
        result = verify(embeddings[rows[0::2]], embeddings[rows[1::2]], same)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    figures = result.to_json(
        images=len(images), unique_images=len(unique), embedding_norm_mean=float(lengths.mean())
    )
    return Verified(
        figures | {"pair_file": str(path), "pairs_sha256": pairs_digest(images, same)}, result
    )


def pairs_digest(images: Sequence[bytes], same: NDArray[np.bool_]) -> str:
    """SHA-256 of the pairs themselves: images and truth in order, however they were pickled."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(len(image).to_bytes(8, "little"))
        digest.update(image)
    digest.update(same.astype(np.uint8).tobytes())
    return digest.hexdigest()


def embed_both(
    embedder: Embedder,
    encoded: Sequence[bytes],
    batch_size: int,
    name: Callable[[int], str],
    progress: Progress | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embeddings of n encoded images and of their mirror images: two (n, d) arrays."""
    plain, mirrored = embed_views(embedder, encoded, batch_size, name, progress)
    return plain, mirrored


def embed_views(
    embedder: Embedder,
    encoded: Sequence[bytes],
    batch_size: int,
    name: Callable[[int], str],
    progress: Progress | None = None,
    *,
    flip: bool = True,
) -> list[NDArray[np.float32]]:
    """Embeddings of n encoded images and, with `flip`, of their mirror images: (n, d) arrays.

    `batch_size` images are decoded at a time (rounded up to whole blocks) while the former are
    embedded, so memory is bounded by two batches of pixels. `name(i)` names image i in a DataError.
    """
    batch_size = -(-batch_size // BLOCK) * BLOCK

    def pixels(start: int) -> NDArray[np.uint8]:
        batch = np.empty((min(batch_size, len(encoded) - start), SIDE, SIDE, 3), np.uint8)
        for i in range(len(batch)):
            try:
                batch[i] = decode(encoded[start + i])
            except UndecodableImage as error:
                raise DataError(f"{name(start + i)} {error}") from None
        return batch

    views: list[list[NDArray[np.float32]]] = [[], []] if flip else [[]]
    starts = range(0, len(encoded), batch_size)
    with ThreadPoolExecutor(1, "decode") as pool:  # decodes the next batch while this one runs
        upcoming = pool.submit(pixels, 0)
        for start in starts:
            batch = upcoming.result()
            if start + batch_size < len(encoded):
                upcoming = pool.submit(pixels, start + batch_size)
            for block in range(0, len(batch), BLOCK):
                images = batch[block : block + BLOCK]
                for view, pixels_seen in zip(views, (images, images[:, :, ::-1]), strict=False):
                    view.append(_embed_block(embedder, pixels_seen))
            if progress is not None:
                progress(start + len(batch), len(encoded))
    return [np.concatenate(view) for view in views]


def _embed_block(embedder: Embedder, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    missing = BLOCK - len(images)
    full = np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)), mode="edge")
    return embedder(full)[: len(images)]
