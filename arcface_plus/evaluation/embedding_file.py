"""Embeddings of many images as one .npz, in the form that verification compares them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arcface_plus.embedder.load import Embedder
from arcface_plus.evaluation.image_source import ImageSource
from arcface_plus.evaluation.protocol_embedding import BLOCK, Progress, embed_encoded
from data_prep.files import replacing

_CHUNK = 64 * BLOCK  # images whose two embeddings are held besides the result


@dataclass(frozen=True, eq=False)
class UnitEmbeddings:
    """embeddings: (n, d) float32 of length 1; norms: (n,) float32, the network's own length."""

    embeddings: NDArray[np.float32]
    norms: NDArray[np.float32]


def embed_source(
    embedder: Embedder,
    source: ImageSource,
    *,
    flip: bool,
    batch_size: int,
    progress: Progress | None = None,
) -> UnitEmbeddings:
    """Embed every image; with `flip`, as the protocol does, image and mirror image are summed.

    The sum is taken in float64 and normalized, so that a dot product of two rows is their cosine
    and 2 − 2·cosine the distance of the verification protocol. `norms` are the lengths of the
    images' own embeddings before all that: blurred faces tend to have short ones.
    """
    rows: NDArray[np.float32] | None = None
    norms = np.empty(len(source), np.float32)
    for start in range(0, len(source), _CHUNK):
        part = source.part(start, min(start + _CHUNK, len(source)))
        shown = None if progress is None else _shifted(progress, start, len(source))
        found = embed_encoded(embedder, part, batch_size, part.name, shown, flip=flip)
        unit = found.normalized(part.name)
        if rows is None:
            rows = np.empty((len(source), unit.shape[1]), np.float32)
        rows[start : start + len(part)] = unit
        norms[start : start + len(part)] = found.norms
    assert rows is not None, "a source has images"
    return UnitEmbeddings(rows, norms)


def write(
    out: Path, found: UnitEmbeddings, source: ImageSource, *, checkpoint: str, flip: bool
) -> list[str]:
    """OUT.npz, whole or not at all; returns the names of its arrays.

    embeddings, norms, paths (n,) str, flip, checkpoint; labels (n,) int64 where the source has
    them, class_names (C,) str where labels 0 … C − 1 have names, same (n/2,) bool of a pair file.
    Nothing in it needs `allow_pickle`.
    """
    arrays: dict[str, NDArray[np.generic]] = {
        "embeddings": found.embeddings,
        "norms": found.norms,
        "paths": np.array(source.names, dtype=np.str_),
        "flip": np.array(flip),
        "checkpoint": np.array(checkpoint),
    }
    if source.labels is not None:
        arrays["labels"] = source.labels
        names = source.class_names or {}
        if names and sorted(names) == list(range(len(names))):
            arrays["class_names"] = np.array([names[k] for k in range(len(names))], np.str_)
    if source.same is not None:
        arrays["same"] = source.same
    with replacing(out) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # mypy takes them for allow_pickle
    return list(arrays)


def _shifted(progress: Progress, start: int, total: int) -> Progress:
    return lambda done, _: progress(start + done, total)
