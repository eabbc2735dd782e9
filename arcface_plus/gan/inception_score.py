"""The inception score of generated images, from a classifier's probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr


@dataclass(frozen=True)
class InceptionScore:
    """Mean and population standard deviation over the parts; each part's own score."""

    parts: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.parts))

    @property
    def std(self) -> float:
        return float(np.std(self.parts))

    def to_json(self) -> dict[str, object]:
        return {"mean": self.mean, "std": self.std, "parts": list(self.parts)}


def inception_score(probabilities: NDArray[np.float64], parts: int) -> InceptionScore:
    """exp of the mean over images x of KL(p(y|x) ‖ p(y)), in each of some parts of the images.

    Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, section 4, whose code
    takes 10 parts. p(y) is the mean of a part's p(y|x). From 1 to the number of classes.

    Args:
        probabilities: (n, classes), rows that sum to 1; n at least `parts`. Parts are contiguous.
    """
    n = len(probabilities)
    assert n >= parts, f"{n} images in {parts} parts"
    found = []
    for part in range(parts):
        conditional = probabilities[part * n // parts : (part + 1) * n // parts]
        divergence = rel_entr(conditional, conditional.mean(axis=0)).sum(axis=1)
        found.append(float(np.exp(divergence.mean())))
    return InceptionScore(tuple(found))
