"""The field's verification protocol, to the digit, and what else a set of pair distances tells.

The 10-fold protocol comes from LFW (Huang et al. 2007, image-restricted) in the form that
FaceNet's, SphereFace's and InsightFace's scripts share: squared Euclidean distance between
L2-normalised embeddings, 400 thresholds, the best on nine folds applied to the tenth. Those
scripts run folds × thresholds passes over the pairs; here one cumulative count per fold gives the
same integers, and so the same digits.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import sklearn
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import KFold
from sklearn.preprocessing import normalize

from data_prep.errors import UserError
from eval.roc import OperatingPoint, roc_figures
from eval.statistics import binomial_interval

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

THRESHOLDS: Floats = np.arange(0, 4, 0.01)
"""The protocol's 400 thresholds on the squared distance, with the rounding they have there."""


@dataclass(frozen=True, eq=False)
class VerificationResult:
    """What `verify` found.

    Attributes:
        accuracy_mean, accuracy_std: over the folds; the deviation is the population's (divided by
            the number of folds), as the field reports it.
        fold_accuracies, fold_thresholds: (folds,) float64; a fold's threshold (on the squared
            distance) was chosen on the other folds.
        ci95: Wilson's 95% interval of the share of right decisions among all pairs, each decided
            at its fold's threshold. It tells how far other pairs of this kind could move the
            accuracy of this network. `accuracy_std` does not: it is the spread of a fold of n/10
            pairs. Pairs that share images make it a little too short, and it knows nothing of
            seeds.
        auc: area under the ROC; None where one of the classes is missing.
        eer: equal error rate: where the ROC, its points joined by straight lines (as for the
            area), has a false accept rate equal to the false reject rate; None as for auc.
        tar_at_far: share of same pairs accepted at the largest threshold whose false accept rate
            is not above the target: the threshold is a distance that occurs, nothing is
            interpolated. None where the pairs do not support it.
        thresholds_at_far: that threshold and its measured error rates; None as for tar_at_far.
            Unlike the folds' thresholds these are chosen on all pairs: they are for use on other
            images, not for judging these.
        unavailable: why a figure is None, by its name ("auc", "eer", "1e-3").
        pairs, same: how many pairs, how many of them of one person.
        decisions: (pairs,) booleans, whether the pair was decided rightly.
        distances: (pairs,) squared distances, in the embeddings' precision.
        truth: (pairs,) booleans, whether the pair shows one person.
    """

    accuracy_mean: float
    accuracy_std: float
    fold_accuracies: Floats
    fold_thresholds: Floats
    ci95: tuple[float, float]
    auc: float | None
    eer: float | None
    thresholds_at_far: dict[str, OperatingPoint | None]
    pairs: int
    same: int
    decisions: Booleans
    distances: NDArray[np.floating]
    truth: Booleans
    unavailable: dict[str, str] = field(default_factory=dict)

    @property
    def tar_at_far(self) -> dict[str, float | None]:
        """Share of same pairs accepted at each false accept rate."""
        return {
            name: None if point is None else point.tar
            for name, point in self.thresholds_at_far.items()
        }

    def to_json(
        self, *, images: int, unique_images: int, embedding_norm_mean: float
    ) -> dict[str, Any]:
        """One target of the file that ``eval verify --json`` writes; plain Python numbers.

        What embeddings of pairs cannot tell is handed in: how many images the pair file holds,
        how many of them differ, and the mean length of the embeddings before normalisation.
        """
        return {
            "pairs": self.pairs,
            "same": self.same,
            "images": images,
            "unique_images": unique_images,
            "accuracy": {
                "mean": self.accuracy_mean,
                "std": self.accuracy_std,
                "folds": self.fold_accuracies.tolist(),
                "thresholds": self.fold_thresholds.tolist(),
                "ci95": list(self.ci95),
            },
            "auc": self.auc,
            "eer": self.eer,
            "tar_at_far": dict(self.tar_at_far),
            "embedding_norm_mean": float(embedding_norm_mean),
            "thresholds_at_far": {
                name: None if point is None else asdict(point)
                for name, point in self.thresholds_at_far.items()
            },
            "unavailable": dict(self.unavailable),
        }


def verify(a: ArrayLike, b: ArrayLike, same: ArrayLike, folds: int = 10) -> VerificationResult:
    """Judge embeddings by pairs: row i of a against row i of b.

    Precision is kept: float32 embeddings are normalised and compared in float32, float64 in
    float64. (InsightFace's script collects the network's float32 output in float64 arrays before
    it adds the mirrored one; hand in float64 sums to repeat that.)

    Args:
        a, b: (n, d) embeddings; they need not be normalised.
        same: (n,) booleans (or 0/1), whether pair i shows one person.
        folds: contiguous folds in the order of the pairs, sizes differing by at most one.

    Raises:
        UserError: shapes that do not fit, fewer pairs than folds, or an embedding that has no
            direction (not finite, zero, or too long or short for its precision); the message
            names the pair, counted from 0.
    """
    truth = _truth(same)
    distances = pair_distances(a, b)
    if len(distances) != len(truth):
        raise UserError(f"{len(distances)} pairs of embeddings but {len(truth)} truth values")
    accuracies, thresholds, decisions = fold_accuracies(distances, truth, folds)
    correct, pairs, positives = int(decisions.sum()), len(truth), int(truth.sum())
    roc = roc_figures(distances, truth)
    return VerificationResult(
        accuracy_mean=float(np.mean(accuracies)),
        accuracy_std=float(np.std(accuracies)),
        fold_accuracies=accuracies,
        fold_thresholds=thresholds,
        ci95=binomial_interval(correct, pairs),
        auc=roc.auc,
        eer=roc.eer,
        thresholds_at_far=roc.points,
        pairs=pairs,
        same=positives,
        decisions=decisions,
        distances=distances,
        truth=truth,
        unavailable=roc.unavailable,
    )


def pair_distances(a: ArrayLike, b: ArrayLike) -> NDArray[np.floating]:
    """(n,) squared Euclidean distances between the L2-normalised rows of a and b, both (n, d).

    Raises:
        UserError: as `verify`.
    """
    first, second = np.asarray(a), np.asarray(b)
    if first.ndim != 2 or first.shape != second.shape or first.shape[1] == 0:
        raise UserError(
            "embeddings must be two (pairs, dimensions) arrays of one shape, "
            f"not {first.shape} and {second.shape}"
        )
    if first.shape[0] == 0:
        raise UserError("there are no pairs to verify: the pair file is empty")
    precision = np.result_type(first, second, np.float32)
    if precision not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise UserError(f"embeddings must be float32 or float64, not {precision}")
    x, y = _directions(first, precision, "first"), _directions(second, precision, "second")
    np.subtract(x, y, out=x)
    return np.sum(np.square(x, out=x), axis=1)


def fold_accuracies(
    distances: NDArray[np.floating], same: Booleans, folds: int = 10
) -> tuple[Floats, Floats, Booleans]:
    """The k-fold protocol on (n,) distances: accuracy and threshold of each fold, decisions.

    A pair is taken for one person from the first threshold that exceeds its distance on. So per
    fold one histogram over those thresholds, cumulated, counts the right decisions at all of them.

    Returns:
        (folds,) accuracies, (folds,) thresholds, (n,) booleans: was the pair decided rightly.

    Raises:
        UserError: folds < 2 or more folds than pairs.
    """
    if folds < 2:
        raise UserError(f"folds must be at least 2, not {folds}")
    if len(distances) < folds:
        raise UserError(
            f"{len(distances)} pairs are too few for {folds} folds: at least {folds} are needed"
        )
    fold = np.empty(len(distances), dtype=np.int64)
    for number, (_, members) in enumerate(KFold(n_splits=folds).split(distances)):
        fold[members] = number
    # In float64 whatever the distances' precision: NumPy 2 compares a float32 array with a
    # float64 threshold so, and a float32 distance is exact in it.
    accepted_from = np.searchsorted(THRESHOLDS, distances.astype(np.float64), side="right")
    columns = len(THRESHOLDS) + 1  # the last: not accepted at any threshold
    accepts = np.bincount(
        fold * columns + accepted_from,
        weights=np.where(same, 1.0, -1.0),  # a false accept takes back a right decision
        minlength=folds * columns,
    ).reshape(folds, columns)[:, :-1]
    sizes = np.bincount(fold, minlength=folds)
    different = np.bincount(fold[~same], minlength=folds)
    right = different[:, None] + np.cumsum(accepts.astype(np.int64), axis=1)
    best = np.argmax(right.sum(axis=0) - right, axis=1)  # of equals, argmax takes the first
    accuracies = right[np.arange(folds), best] / sizes
    decisions = (accepted_from <= best[fold]) == same
    return accuracies, THRESHOLDS[best], decisions


def worst_pairs(
    result: VerificationResult, count: int = 20
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the worst wrongly accepted and wrongly rejected pairs, the worst first.

    False accepts by growing, false rejects by falling distance; wrong as `decisions` has it.
    """
    wrong = ~result.decisions
    accepts = np.flatnonzero(wrong & ~result.truth)
    rejects = np.flatnonzero(wrong & result.truth)
    nearest = np.argsort(result.distances[accepts], kind="stable")[:count]
    furthest = np.argsort(-result.distances[rejects], kind="stable")[:count]
    return accepts[nearest], rejects[furthest]


def _truth(same: ArrayLike) -> Booleans:
    truth = np.asarray(same)
    if truth.ndim != 1:
        raise UserError(f"the truth values must be one row, not of shape {truth.shape}")
    if truth.dtype != bool and not np.isin(truth, (0, 1)).all():
        raise UserError("the truth values must be booleans or 0 and 1")
    return truth.astype(bool)


def _directions(rows: NDArray[Any], precision: np.dtype[Any], which: str) -> NDArray[np.floating]:
    """Rows normalised as scikit-learn does it; an error where that leaves no unit vector.

    scikit-learn leaves rows of (nearly) zero length as they are, and lengths that overflow turn
    rows into zeros: either would be scored as a distance like any other.
    """
    contiguous = np.ascontiguousarray(rows, dtype=precision)
    with np.errstate(all="ignore"), sklearn.config_context(assume_finite=True):
        units: NDArray[np.floating] = normalize(contiguous)
        squared = np.einsum("ij,ij->i", units, units)
    bad = np.flatnonzero(~(np.abs(squared - 1) < 1e-3))
    if len(bad):
        row = contiguous[bad[0]]
        if not np.isfinite(row).all():
            what = "is not finite (NaN or infinity)"
        elif not row.any():
            what = "is zero"
        else:
            what = f"is too long or too short to be normalised in {precision}"
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise UserError(
            f"pair {bad[0]}: the embedding of its {which} image {what}{more}; "
            "check the network and its input"
        )
    return units
