"""The figures of a classifier as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from eval.classification import ClassificationResult

_WORST = 5


def figure_lines(
    name: str, result: ClassificationResult, class_names: Sequence[str]
) -> Iterator[str]:
    """Top-1 with its interval, top-5, and the classes with the largest errors."""
    low, high = result.top1_ci95
    top5 = f", top-5 {result.top5:.2%}" if result.top5 is not None else ""
    yield (
        f"{name}: top-1 {result.top1:.2%} (95% {low:.2%} to {high:.2%}){top5}, "
        f"{result.images} images of {result.classes} classes"
    )
    errors = result.errors_per_class
    order = np.argsort(-np.nan_to_num(errors, nan=-1.0), kind="stable")[:_WORST]
    worst = [f"{class_names[k]} {errors[k]:.1%}" for k in order if errors[k] > 0]
    if worst:
        yield f"largest errors: {', '.join(worst)}"
