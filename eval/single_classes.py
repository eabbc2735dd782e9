"""One class of a classification run as a target of its own: `class_0`.

Studies judge it beside `test`; its top-1 error is the class's, as "Err. (S)" in the MHE paper's
Table 7.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from data_prep.errors import UserError
from eval.runs import ClassificationTarget, Results
from eval.statistics import binomial_interval

_TARGET = re.compile(r"class_(0|[1-9]\d*)")


def class_of(target: str) -> int | None:
    """The class that a target names, None if it names none."""
    match = _TARGET.fullmatch(target)
    return int(match[1]) if match else None


def with_single_classes(results: Results, targets: Iterable[str]) -> Results:
    """The results, and in addition the classes among `targets`.

    Raises:
        UserError: the test split has no images of a class.
    """
    whole = results.targets.get("test")
    if not isinstance(whole, ClassificationTarget):
        return results
    numbers = {target: k for target in targets if (k := class_of(target)) is not None}
    single = {target: _single(whole, k) for target, k in numbers.items()}
    return replace(results, targets={**results.targets, **single})


def _single(whole: ClassificationTarget, number: int) -> ClassificationTarget:
    if number >= whole.classes:
        raise UserError(
            f"targets: class_{number}: the test split has the classes 0 to {whole.classes - 1}"
        )
    images, error = whole.per_class_images[number], whole.per_class_error[number]
    if not images or error is None:
        raise UserError(f"targets: class_{number}: the test split has no images of this class")
    return ClassificationTarget(
        images=images,
        classes=whole.classes,
        top1=1.0 - error,
        top1_ci95=binomial_interval(round((1.0 - error) * images), images),
        mean_class_error=error,
        per_class_error=(error,),
        per_class_images=(images,),
    )
