"""Verify a model on a pair file: decode, embed each unique image once, evaluate.

`eval.verification` implements the protocol; this module supplies it with embeddings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcface_plus.embedder.load import Embedder
from arcface_plus.evaluation.protocol_embedding import Progress, embed_encoded
from data_prep.crop_size import SIDE
from data_prep.errors import UserError
from data_prep.files import is_stream, write_text
from data_prep.image_container import container_damage
from data_prep.image_header import image_header
from data_prep.pairs import byte_offset, read_pairs
from eval.scores import PairScores, scores_file, write_scores
from eval.verification import VerificationResult, verify

FOLDS = 10


def target_file(data: Path, target: str) -> Path:
    """DATA/<target>.bin, with or without .bin in `target`; the UserError lists what exists."""
    path = data / f"{target_name(target)}.bin"
    if path.is_file():
        return path
    check_folder(data)
    there = ", ".join(sorted(p.stem for p in data.glob("*.bin"))) or "no .bin files"
    raise UserError(f"{path}: no such pair file for target {target!r}; {data} has {there}")


def target_name(target: str) -> str:
    """`target` as named in results: users may write lfw.bin for lfw."""
    return target.removesuffix(".bin")


def check_folder(data: Path) -> None:
    """Raise UserError unless `data` is a directory."""
    if data.is_file():
        raise UserError(f"{data}: is a file; give its folder as --data and {data.stem} as a target")
    if not data.is_dir():
        raise UserError(f"{data}: no such directory of pair files")


def check_pair_file(path: Path) -> None:
    """Raise UserError if `path` cannot be used for verification; needs no network or decoding."""
    images, same = read_pairs(path)
    if len(same) < FOLDS:
        raise UserError(
            f"{path}: has {len(same)} pairs; {FOLDS}-fold accuracy needs at least {FOLDS}"
        )
    place: dict[bytes, int] = {}
    for index, image in enumerate(images):
        place.setdefault(image, index)
    for image, index in place.items():
        header = image_header(image)
        reason = container_damage(image)
        if reason is None and header is not None and header[1:] != (SIDE, SIDE):
            reason = f"is {header.width}×{header.height}, not {SIDE}×{SIDE}"
        if reason is not None:
            raise UserError(f"{path}: pair {index // 2}, image {index % 2}: {reason}")


@dataclass(frozen=True, eq=False)
class Verified:
    """Results on one pair file: `figures` for the JSON, and every pair's distance."""

    figures: dict[str, Any]
    result: VerificationResult


@dataclass(frozen=True, eq=False)
class VerificationReport:
    """Results of verification on several pair files."""

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
        """Write `file` (.json) and the pairs' distances next to it (.npz), each atomically.

        The distances are written first, so a JSON file always has them. A stream gets only the
        JSON.
        """
        if not is_stream(file):
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
) -> VerificationReport:
    """Verify DATA/<target>.bin for each target; missing files are reported before any work.

    The report names a target lfw even if the user wrote lfw.bin.
    """
    files = {target_name(target): target_file(data, target) for target in targets}
    return VerificationReport(
        flip,
        {
            target: verify_file(embedder, file, batch_size, flip=flip)
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
    """10-fold verification on one pair file; without `flip`, mirror images are not used."""
    images, same = read_pairs(path)
    place: dict[bytes, int] = {}
    rows = np.array([place.setdefault(image, len(place)) for image in images])
    unique = list(place)

    def name(index: int) -> str:
        at = int(np.flatnonzero(rows == index)[0])
        offset = byte_offset(path, unique[index])
        return f"{path}: pair {at // 2}, image {at % 2} (byte {offset})"

    found = embed_encoded(embedder, unique, batch_size, name, progress, flip=flip)
    try:
        result = verify(found.summed[rows[0::2]], found.summed[rows[1::2]], same)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    figures = result.to_json(
        images=len(images),
        unique_images=len(unique),
        embedding_norm_mean=float(found.norms[rows].mean()),
    )
    return Verified(
        figures | {"pair_file": str(path), "pairs_sha256": pairs_digest(images, same)}, result
    )


def pairs_digest(images: Sequence[bytes], same: NDArray[np.bool_]) -> str:
    """SHA-256 of the pairs' images and labels in order, independent of how they were pickled."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(image)
    digest.update(same.astype(np.uint8).tobytes())
    return digest.hexdigest()
