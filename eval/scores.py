"""Each pair's distance, kept beside a verification file: what paired tests and ROCs need.

``RUN/eval/step_00038000.npz`` goes with ``step_00038000.json``, and ``FILE.npz`` with ``--json
FILE.json``. A file of its own, because 6,000 numbers in a JSON that people read drown the twenty
they look for; .npz, because NumPy reads it anywhere, bit for bit. It holds two arrays a target,
``<target>.distances`` (P,) float and ``<target>.same`` (P,) bool, in the pair file's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError
from data_prep.files import replacing
from eval.array_file import ArrayArchive
from eval.verification import fold_accuracies

DISTANCES, SAME = ".distances", ".same"


@dataclass(frozen=True, eq=False)
class PairScores:
    """(P,) squared distances and (P,) booleans, whether the pair shows one person."""

    distances: NDArray[np.floating]
    same: NDArray[np.bool_]

    def decisions(self, folds: int = 10) -> NDArray[np.bool_]:
        """(P,) booleans: was the pair decided rightly by the k-fold protocol."""
        return fold_accuracies(self.distances, self.same, folds)[2]

    def accuracies(self, folds: int = 10) -> tuple[float, ...] | None:
        """The folds' accuracies by the protocol; None if there are fewer pairs than folds."""
        if len(self.same) < folds:
            return None
        return tuple(fold_accuracies(self.distances, self.same, folds)[0].tolist())


def scores_file(results_file: Path) -> Path:
    """Where the scores of a verification file are: its name with .npz."""
    return results_file.with_suffix(".npz")


def write_scores(path: Path, scores: Mapping[str, PairScores]) -> None:
    """Write the scores of each target; the file is there whole or not at all."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for target, found in scores.items():
        arrays[target + DISTANCES] = found.distances
        arrays[target + SAME] = found.same
    with replacing(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_scores(path: Path) -> dict[str, PairScores]:
    """The scores of each target.

    Raises:
        DataError: the file cannot be read, or its arrays are no scores.
    """
    archive = ArrayArchive(path, "verify again")
    arrays = {key: archive.read(key) for key in archive.keys}
    scores = {}
    for name in arrays:
        if not name.endswith(DISTANCES):
            continue
        target = name.removesuffix(DISTANCES)
        distances, same = arrays[name], arrays.get(target + SAME)
        if (
            same is None
            or same.dtype != bool
            or distances.dtype.kind != "f"
            or distances.ndim != 1
            or distances.shape != same.shape
            or not np.isfinite(distances).all()
        ):
            raise DataError(f"{path}: {target}: holds no pair scores; verify again")
        scores[target] = PairScores(distances, same)
    return scores
