"""Speed of verification: `eval.verification` against the loops of common scripts.

Both use the same float32 embeddings and must give identical results.
"""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold
from sklearn.preprocessing import normalize

from arcface_plus.bench.timing import measure
from eval.statistics import mcnemar_exact, paired_bootstrap
from eval.verification import fold_accuracies, pair_distances, verify


def run(
    pairs: int = 6000, dimensions: int = 512, repeats: int = 5, seed: int = 0
) -> dict[str, Any]:
    """Time the 10-fold accuracy and all statistics on generated embeddings.

    Returns:
        ``title``; ``rows``, each with name, median seconds and ratio (the naive way's time over
        this one's); ``same_digits``, whether mean, standard deviation, the folds' accuracies and
        thresholds are bit-identical.
    """
    a, b, same = embeddings(pairs, dimensions, seed)
    rivals = {
        "10-fold accuracy, loops over folds and thresholds": lambda: naive(a, b, same),
        "10-fold accuracy, cumulative counts": lambda: accuracy(a, b, same),
        "all of verify (accuracy, interval, AUC, EER, TAR, thresholds)": lambda: verify(a, b, same),
        "all statistics of two networks, McNemar's test, bootstrap of 10,000": lambda: everything(
            a, b, same
        ),
    }
    seconds = {name: median(times) for name, times in measure(rivals, repeats).items()}
    baseline = next(iter(seconds.values()))
    return {
        "title": f"verification of {pairs} pairs, {dimensions}-d float32 embeddings",
        "rows": [
            {"name": name, "seconds": value, "ratio": baseline / value}
            for name, value in seconds.items()
        ],
        "same_digits": naive(a, b, same) == accuracy(a, b, same),
    }


def everything(a: NDArray[Any], b: NDArray[Any], same: NDArray[np.bool_]) -> None:
    """All that a comparison of two networks computes; the second's embeddings are made up."""
    first, second = verify(a, b, same), verify(b, np.roll(a, 1, axis=1), same)
    mcnemar_exact(first.decisions, second.decisions)
    paired_bootstrap(second.decisions.astype(int) - first.decisions, resamples=10_000)


Digits = tuple[float, float, list[float], list[float]]


def accuracy(a: NDArray[Any], b: NDArray[Any], same: NDArray[np.bool_]) -> Digits:
    """Mean, standard deviation, accuracies and thresholds of the folds by `eval.verification`."""
    accuracies, thresholds, _ = fold_accuracies(pair_distances(a, b), same)
    mean, std = float(np.mean(accuracies)), float(np.std(accuracies))
    return mean, std, accuracies.tolist(), thresholds.tolist()


def naive(a: NDArray[Any], b: NDArray[Any], same: NDArray[np.bool_]) -> Digits:
    """The same with one pass over the pairs for each fold and threshold."""
    distances = np.sum(np.square(np.subtract(normalize(a), normalize(b))), 1)
    candidates = np.arange(0, 4, 0.01)
    accuracies, thresholds = [], []
    for train, test in KFold(n_splits=10).split(distances):
        scores = [_share_right(t, distances[train], same[train]) for t in candidates]
        best = candidates[int(np.argmax(scores))]
        thresholds.append(float(best))
        accuracies.append(_share_right(best, distances[test], same[test]))
    return float(np.mean(accuracies)), float(np.std(accuracies)), accuracies, thresholds


def embeddings(
    pairs: int, dimensions: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Pairs with overlapping scores: half share a direction plus noise, half are independent."""
    rng = np.random.default_rng(seed)
    same = rng.permutation(np.arange(pairs) % 2 == 0)
    a = rng.standard_normal((pairs, dimensions), dtype=np.float32)
    b = rng.standard_normal((pairs, dimensions), dtype=np.float32)
    # Cosines of same pairs around 0.12, of different ones around 0, both spread by 1/sqrt(512).
    b[same] += np.float32(0.12) * a[same]
    return a, b, same


def _share_right(
    threshold: float, distances: NDArray[np.floating], same: NDArray[np.bool_]
) -> float:
    accepted = np.less(distances, threshold)
    true_accepts = np.sum(np.logical_and(accepted, same))
    true_rejects = np.sum(np.logical_and(np.logical_not(accepted), np.logical_not(same)))
    return float(true_accepts + true_rejects) / distances.size
