"""The distance of each pair, stored next to a verification file for paired tests and ROCs.

``RUN/eval/step_00038000.npz`` belongs to ``step_00038000.json``, and ``FILE.npz`` to ``--json
FILE.json``. A separate file keeps 6,000 numbers out of a JSON that people read; .npz is exact, and
NumPy reads it anywhere. It has two arrays per target, ``<target>.distances`` (P,) float and
``<target>.same`` (P,) bool, in the order of the pair file.
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
    """(P,) squared distances and (P,) booleans, whether the pair shows the same person."""

    distances: NDArray[np.floating]
    same: NDArray[np.bool_]

    def decisions(self, folds: int = 10) -> NDArray[np.bool_]:
        """(P,) booleans: was the pair decided correctly by the k-fold protocol."""
        return fold_accuracies(self.distances, self.same, folds)[2]

    def accuracies(self, folds: int = 10) -> tuple[float, ...] | None:
        """The accuracies of the protocol's folds; None if there are fewer pairs than folds."""
        if len(self.same) < folds:
            return None
        return tuple(fold_accuracies(self.distances, self.same, folds)[0].tolist())


def scores_file(results_file: Path) -> Path:
    """The scores file of a verification file: its name with the suffix .npz."""
    return results_file.with_suffix(".npz")


def write_scores(path: Path, scores: Mapping[str, PairScores]) -> None:
    """Write the scores of each target, atomically."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for target, found in scores.items():
        arrays[target + DISTANCES] = found.distances
        arrays[target + SAME] = found.same
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # not allow_pickle


def read_scores(path: Path) -> dict[str, PairScores]:
    """The scores of each target.

    Raises:
        DataError: the file cannot be read, or its arrays are not pair scores.
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
            raise DataError(f"{path}: {target}: no valid pair scores; verify again")
        scores[target] = PairScores(distances, same)
    return scores
