"""ROC figures from pair distances: area under the curve, equal error rate, thresholds at a FAR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

Booleans = NDArray[np.bool_]

FALSE_ACCEPT_RATES = {"1e-1": 10, "1e-2": 100, "1e-3": 1000, "1e-4": 10000}
"""Name of a false accept rate → 1/FAR, an integer so that counts are exact."""

DIFFERENT_PAIRS_NEEDED = 10
"""TAR at FAR needs this many times 1/FAR different pairs: with fewer, the threshold depends on
fewer than ten false accepts and the figure is mostly noise."""


@dataclass(frozen=True)
class OperatingPoint:
    """The threshold for a false accept rate, as a distance or a cosine, for use in production.

    Attributes:
        distance: accept a pair as the same person if its squared distance is below this.
        cosine: the same threshold on the cosine similarity, 1 − distance/2: accept above it.
        far: share of different pairs accepted, at most the requested rate.
        tar: share of same pairs accepted.
    """

    distance: float
    cosine: float
    far: float
    tar: float


@dataclass(frozen=True)
class RocFigures:
    """AUC, EER and the point at each FAR; `unavailable` says why a figure is None."""

    auc: float | None
    eer: float | None
    points: dict[str, OperatingPoint | None]
    unavailable: dict[str, str]


def roc_curve_of(
    distances: NDArray[np.floating], same: Booleans
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False and true accept rates of the ROC, both increasing: two (k,) arrays, corners only."""
    far, tar, _ = roc_curve(same, -distances)
    return far, tar


def operating_point(
    distances: NDArray[np.floating], same: Booleans, inverse_far: int
) -> OperatingPoint:
    """The largest threshold on (n,) distances with FAR <= 1 / inverse_far.

    Of m different pairs floor(m / inverse_far) may be accepted. With "distance < threshold", the
    largest such threshold is the distance of the next nearest different pair.
    """
    impostors = np.sort(distances[~same])
    threshold = impostors[len(impostors) // inverse_far]
    return OperatingPoint(
        distance=float(threshold),
        cosine=1 - float(threshold) / 2,
        far=float(np.mean(impostors < threshold)),
        tar=float(np.mean(distances[same] < threshold)),
    )


def roc_figures(distances: NDArray[np.floating], same: Booleans) -> RocFigures:
    """All figures, from (n,) distances and (n,) booleans."""
    different = int(np.sum(~same))
    points: dict[str, OperatingPoint | None] = dict.fromkeys(FALSE_ACCEPT_RATES)
    if different == 0 or different == len(same):
        missing = "of different people" if different == 0 else "of the same person"
        why = f"there is no pair {missing}"
        return RocFigures(None, None, points, dict.fromkeys(["auc", "eer", *points], why))
    unavailable: dict[str, str] = {}
    for name, inverse in FALSE_ACCEPT_RATES.items():
        needed = DIFFERENT_PAIRS_NEEDED * inverse
        if different < needed:
            unavailable[name] = f"needs {needed} different pairs, there are {different}"
        else:
            points[name] = operating_point(distances, same, inverse)
    auc = float(roc_auc_score(same, -distances))
    return RocFigures(auc, _equal_error_rate(distances, same), points, unavailable)


def _equal_error_rate(distances: NDArray[np.floating], same: Booleans) -> float:
    far, tar, _ = roc_curve(same, -distances, drop_intermediate=False)
    gap = (1 - tar) - far  # falls from 1 to -1
    after = int(np.argmax(gap <= 0))
    share = gap[after - 1] / (gap[after - 1] - gap[after])
    return float(far[after - 1] + share * (far[after] - far[after - 1]))
