"""Top-1 and top-5 accuracy, and the error of each class, of a classifier's scores.

Every figure follows from one number per image: its rank, how many classes come before the labelled
one. A class comes before if its score is higher, or equal with a smaller number, so that top-1 is
what `argmax` says. Ranks of batches can be joined, so the scores of all images need not be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_prep.errors import UserError
from eval.statistics import binomial_interval

Integers = NDArray[np.int64]
_MANY = 5


@dataclass(frozen=True, eq=False)
class ClassificationResult:
    """The result of `classification`.

    Attributes:
        top1: share of images whose labelled class has the highest score.
        top5: share of images whose labelled class is among the five highest; None with five
            classes or fewer, of which it would always be 1.
        top1_ci95: Wilson's 95% interval of top1, for other images of the same kind; it says nothing
            about other seeds.
        images_per_class: (classes,).
        errors_per_class: (classes,) share of each class's images that top1 gets wrong; NaN for a
            class without images.
        ranks: (images,) int64, the ranks.
    """

    images: int
    classes: int
    top1: float
    top5: float | None
    top1_ci95: tuple[float, float]
    images_per_class: Integers
    errors_per_class: NDArray[np.float64]
    ranks: Integers

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(images,), for tests of two classifiers on the same images."""
        return self.ranks == 0

    @property
    def mean_class_error(self) -> float:
        """Mean of `errors_per_class` over the classes that have images: each counts the same."""
        return float(np.nanmean(self.errors_per_class))

    def to_json(self) -> dict[str, Any]:
        """What `eval classify --json` writes about the images; plain Python numbers."""
        errors = [None if np.isnan(e) else e for e in self.errors_per_class.tolist()]
        return {
            "schema": 1,
            "task": "classification",
            "images": self.images,
            "classes": self.classes,
            "top1": self.top1,
            "top5": self.top5,
            "top1_ci95": list(self.top1_ci95),
            "mean_class_error": self.mean_class_error,
            "per_class_error": errors,
            "per_class_images": self.images_per_class.tolist(),
        }


def ranks(scores: ArrayLike, labels: ArrayLike, first: int = 0) -> Integers:
    """How many classes come before the labelled one: (n, classes) scores, (n,) labels → (n,).

    first: the number of the first image, for messages.

    Raises:
        UserError: scores that are NaN or infinite, or a label that is no class.
    """
    values, truth = np.asarray(scores), np.asarray(labels)
    if values.ndim != 2 or truth.shape != values.shape[:1]:
        raise UserError(f"scores of shape {values.shape} do not fit labels of {truth.shape}")
    _require_classes(truth, values.shape[1], first)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise UserError(
            f"image {first + bad[0]}: its scores are not finite (NaN or infinity); "
            "check the network and its input"
        )
    own = np.take_along_axis(values, truth[:, None], axis=1)
    smaller_number = np.arange(values.shape[1]) < truth[:, None]
    return np.count_nonzero((values > own) | ((values == own) & smaller_number), axis=1)


def classification(rank: ArrayLike, labels: ArrayLike, classes: int) -> ClassificationResult:
    """The figures of n images, from their `ranks` and labels, both (n,)."""
    found, truth = np.asarray(rank, np.int64), np.asarray(labels)
    if found.ndim != 1 or found.shape != truth.shape:
        raise UserError(f"ranks of shape {found.shape} do not fit labels of {truth.shape}")
    if not len(found):
        raise UserError("there are no images to classify")
    _require_classes(truth, classes)
    correct = found == 0
    images = np.bincount(truth, minlength=classes)
    with np.errstate(invalid="ignore"):
        errors = np.bincount(truth[~correct], minlength=classes) / images
    return ClassificationResult(
        images=len(found),
        classes=classes,
        top1=float(correct.mean()),
        top5=float((found < _MANY).mean()) if classes > _MANY else None,
        top1_ci95=binomial_interval(int(correct.sum()), len(found)),
        images_per_class=images,
        errors_per_class=errors,
        ranks=found,
    )


def classify(scores: ArrayLike, labels: ArrayLike) -> ClassificationResult:
    """The figures of n images at once: (n, classes) scores such as logits, (n,) labels."""
    return classification(ranks(scores, labels), labels, np.shape(scores)[1])


def _require_classes(labels: NDArray[Any], classes: int, first: int = 0) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise UserError(
            f"image {first + wrong[0]} has label {labels[wrong[0]]}, "
            f"but there are {classes} classes"
        )
