"""Made-up verification files and configs, as in run directories."""

from __future__ import annotations

import numpy as np

BASE = {
    "run": {"name": "arcface", "seed": 0},
    "head": {"name": "arcface", "margin": 0.5},
    "regularizer": {"name": "none", "weight": 0.0},
    "eval": {"targets": ["lfw", "cfp_fp"]},
}

PLUS = BASE | {"run": {"name": "plus", "seed": 0}, "regularizer": {"name": "mma", "weight": 0.03}}

ARCFACE = [570, 575, 568, 580, 572, 577, 569, 574, 571, 576]
BETTER = [574, 580, 571, 585, 575, 582, 573, 577, 576, 580]


def target(correct_a_fold, size=600):
    folds = [correct / size for correct in correct_a_fold]
    mean = float(np.mean(folds))
    return {
        "pairs": size * len(folds),
        "same": size * len(folds) // 2,
        "images": 2 * size * len(folds),
        "unique_images": 7701,
        "accuracy": {
            "mean": mean,
            "std": float(np.std(folds)),
            "folds": folds,
            "thresholds": [1.5] * len(folds),
            "ci95": [max(0.0, mean - 0.002), min(1.0, mean + 0.002)],
        },
        "auc": 0.998,
        "eer": 0.01,
        "tar_at_far": {"1e-1": 0.999, "1e-2": 0.98, "1e-3": None},
        "embedding_norm_mean": 20.0,
    }


def verification(targets, **changes):
    content = {"schema": 1, "checkpoint": "x", "protocol": "10-fold", "flip": True}
    return content | {"targets": targets} | changes
