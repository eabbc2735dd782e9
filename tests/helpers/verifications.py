"""A verification file by hand, as `eval verify --json` writes it."""

from __future__ import annotations

from typing import Any


def verification(**changes: Any) -> dict[str, Any]:
    """As `eval verify --json` writes it, for 1,000 same and 3,000 different pairs."""
    point = {"distance": 1.2, "cosine": 0.4, "far": 0.01, "tar": 0.9}
    target = {
        "pairs": 4000, "same": 1000,
        "accuracy": {
            "mean": 0.95, "std": 0.01, "folds": [0.94, 0.96], "thresholds": [1.3, 1.4],
            "ci95": [0.94, 0.96],
        },
        "thresholds_at_far": {"1e-1": point | {"distance": 1.5}, "1e-2": point, "1e-3": None},
        "unavailable": {"1e-3": "needs 10000 different pairs, there are 3000"},
    }  # fmt: skip
    return {"schema": 1, "checkpoint": "", "flip": True, "targets": {"lfw": target | changes}}
