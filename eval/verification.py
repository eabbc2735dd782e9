"""The field's 10-fold verification protocol, digit for digit, and the ROC figures of the pairs.

The protocol comes from LFW (Huang et al. 2007, image-restricted) in the form shared by the scripts
of FaceNet, SphereFace and InsightFace: squared Euclidean distance between L2-normalized embeddings,
400 thresholds, the best on nine folds applied to the tenth. Those scripts make folds × thresholds
passes over the pairs; here one cumulative count per fold gives the same integers, and so the same
digits.
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
"""The protocol's 400 thresholds on the squared distance, with the same rounding as there."""


@dataclass(frozen=True, eq=False)
class VerificationResult:
    """The result of `verify`.

    Attributes:
        accuracy_mean, accuracy_std: over the folds; as usual in the field, the population standard
            deviation (divisor: number of folds).
        fold_accuracies, fold_thresholds: (folds,) float64; a fold's threshold (on the squared
            distance) was chosen on the other folds.
        ci95: Wilson's 95% interval of the share of correct decisions among all pairs, each decided
            at its fold's threshold: how much this network's accuracy could vary with other pairs
            of this kind. (`accuracy_std` is the spread of folds of n/10 pairs.) Pairs that share
            images make the interval a little too short, and it does not cover the spread over
            seeds.
        auc: area under the ROC; None if there are no same or no different pairs.
        eer: equal error rate: where the ROC, linearly interpolated (as for the area), has a false
            accept rate equal to the false reject rate; None as for auc.
        tar_at_far: share of same pairs accepted at the largest threshold whose false accept rate
            is not above the target. The threshold is one of the distances; nothing is
            interpolated. None if there are too few different pairs.
        thresholds_at_far: that threshold and its measured error rates; None as for tar_at_far.
            Unlike the folds' thresholds these are chosen on all pairs: they are for use on other
            images, not for evaluating these.
        unavailable: why a figure is None, by its name ("auc", "eer", "1e-3").
        pairs, same: the number of pairs, and of same pairs among them.
        decisions: (pairs,) booleans, whether the pair was decided correctly.
        distances: (pairs,) squared distances, in the embeddings' precision.
        truth: (pairs,) booleans, whether the pair shows the same person.
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

        Args:
            images: number of images in the pair file.
            unique_images: number of different images among them.
            embedding_norm_mean: mean length of the embeddings before normalization.
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
    """Run the protocol on pairs of embeddings: row i of a against row i of b.

    Float32 embeddings are normalized and compared in float32, float64 ones in float64.
    (InsightFace's script stores the network's float32 output in float64 arrays before it adds the
    mirror image's; pass float64 sums to reproduce that.)

    Args:
        a, b: (n, d) embeddings; they need not be normalized.
        same: (n,) booleans (or 0/1), whether pair i shows the same person.
        folds: contiguous folds in the order of the pairs, sizes differing by at most one.

    Raises:
        UserError: mismatched shapes, fewer pairs than folds, or an embedding that cannot be
            normalized (not finite, zero, or too large or small for its precision); the message
            names the pair, counted from 0.
    """
    truth = _truth(same)
    distances = pair_distances(a, b)
    if len(distances) != len(truth):
        raise UserError(f"{len(distances)} pairs of embeddings but {len(truth)} labels (same)")
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
    """(n,) squared Euclidean distances between the L2-normalized rows of a and b, both (n, d).

    Raises:
        UserError: as `verify`.
    """
    first, second = np.asarray(a), np.asarray(b)
    if first.ndim != 2 or first.shape != second.shape or first.shape[1] == 0:
        raise UserError(
            "embeddings must be two (pairs, dimensions) arrays of the same shape, "
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

    A pair is accepted at all thresholds above its distance. So the cumulative histogram over the
    lowest accepting thresholds gives a fold's correct decisions at all thresholds.

    Returns:
        (folds,) accuracies, (folds,) thresholds, (n,) booleans: was the pair decided correctly.

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
    # Always in float64: NumPy 2 compares a float32 array with a float64 threshold like this, and
    # float32 distances convert exactly.
    accepted_from = np.searchsorted(THRESHOLDS, distances.astype(np.float64), side="right")
    columns = len(THRESHOLDS) + 1  # the last: not accepted at any threshold
    accepts = np.bincount(
        fold * columns + accepted_from,
        weights=np.where(same, 1.0, -1.0),  # a false accept undoes a correct reject
        minlength=folds * columns,
    ).reshape(folds, columns)[:, :-1]
    sizes = np.bincount(fold, minlength=folds)
    different = np.bincount(fold[~same], minlength=folds)
    right = different[:, None] + np.cumsum(accepts.astype(np.int64), axis=1)
    best = np.argmax(right.sum(axis=0) - right, axis=1)  # argmax returns the first maximum
    accuracies = right[np.arange(folds), best] / sizes
    decisions = (accepted_from <= best[fold]) == same
    return accuracies, THRESHOLDS[best], decisions


def worst_pairs(
    result: VerificationResult, count: int = 20
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the worst false accepts and false rejects by `decisions`, the worst first.

    False accepts are sorted by increasing, false rejects by decreasing distance.
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
        raise UserError(f"the labels (same) must be a 1-d array, not of shape {truth.shape}")
    if truth.dtype != bool and not np.isin(truth, (0, 1)).all():
        raise UserError("the labels (same) must be booleans or 0 and 1")
    return truth.astype(bool)


def _directions(rows: NDArray[Any], precision: np.dtype[Any], which: str) -> NDArray[np.floating]:
    """Rows normalized by scikit-learn; UserError if a result is not a unit vector.

    scikit-learn leaves rows of (nearly) zero length unchanged, and rows whose length overflows
    become zero: both would silently give a distance.
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
            what = f"is too large or too small to be normalized in {precision}"
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise UserError(
            f"pair {bad[0]}: the embedding of its {which} image {what}{more}; "
            "check the network and its input"
        )
    return units
