"""Training sets made imbalanced: which samples stay, as a pure function of labels and seed.

The settings of the MHE paper (section 5.1.3, appendix I, Figs 4 and 8):

- single: MNIST keeps 100 images of digit 0, CIFAR-10 500 of class 0, CIFAR-100 50 of each of the
  classes 0 to 9: `{0: 100}`, `{0: 500}`, `dict.fromkeys(range(10), 50)`.
- multiple: class k of CIFAR-10 keeps 500·(k + 1), of CIFAR-100 5·(k + 1): `rising(10, 500)`,
  `rising(100, 5)`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import UserError


def rising(classes: int, step: int) -> dict[int, int]:
    """Class k keeps step·(k + 1) images."""
    return {k: step * (k + 1) for k in range(classes)}


def kept_samples(
    labels: NDArray[np.int64], keep: Mapping[int, int], seed: int
) -> NDArray[np.int64]:
    """Indices of the samples that stay, ascending, (m,) int64.

    labels: (n,). keep: class → how many of its samples stay, chosen at random by `seed`; classes
    that are not in it keep all. Which samples of a class stay depends on no other class.

    Raises:
        UserError: a class has fewer samples than it should keep, or would keep none.
    """
    stays = np.ones(len(labels), bool)
    for label, count in keep.items():
        places = np.flatnonzero(labels == label)
        if not 1 <= count <= len(places):
            raise UserError(
                f"class {label} has {len(places)} images and cannot keep {count}: "
                f"give a number from 1 to {len(places)}"
                if len(places)
                else f"there are no images of class {label}, of which {count} should stay"
            )
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, label))))
        stays[places] = False
        stays[generator.choice(places, count, replace=False)] = True
    return np.flatnonzero(stays)
