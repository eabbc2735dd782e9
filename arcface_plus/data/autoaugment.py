"""AutoAugment's policies for CIFAR, with draws that are functions of (seed, step, index).

Cubuk et al., "AutoAugment: Learning Augmentation Policies from Data", 2019; the policies and
operations are torchvision's, on the CPU, one image at a time: a half to one millisecond each, so
128 images take a core some 100 ms. As in the authors' public code, the policy comes first, then pad
and crop, mirror, and cut out (16×16).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.autoaugment import AutoAugment, AutoAugmentPolicy

from arcface_plus.data.order import batch_policies


@dataclass(frozen=True)
class Draws:
    """What is drawn for each of n images, as `order.batch_policies` describes."""

    policies: NDArray[np.int64]  # (n,)
    done: NDArray[np.float64]  # (n, 2)
    signs: NDArray[np.int64]  # (n, 2)

    def __getitem__(self, part: slice) -> Draws:
        """Those of some images: a process's share."""
        return Draws(self.policies[part], self.done[part], self.signs[part])


class _Drawn(AutoAugment):
    """torchvision's, except that it takes its draws from `drawn` instead of torch's generator."""

    drawn: tuple[int, Tensor, Tensor]

    def get_params(self, transform_num: int) -> tuple[int, Tensor, Tensor]:
        return self.drawn


_CIFAR = _Drawn(AutoAugmentPolicy.CIFAR10)


def cifar_draws(seed: int, step: int, batch: int) -> Draws:
    """The draws for the global batch of `step`."""
    return Draws(*batch_policies(seed, step, batch, len(_CIFAR.policies)))


def autoaugment(images: NDArray[np.uint8], draws: Draws) -> NDArray[np.uint8]:
    """(n, h, w, 3) uint8 RGB → the same shape; any number of threads may call it."""
    changed = np.empty_like(images)
    for i, image in enumerate(images):
        augment = copy.copy(_CIFAR)  # another thread draws otherwise
        augment.drawn = (
            int(draws.policies[i]),
            torch.from_numpy(draws.done[i]),
            torch.from_numpy(draws.signs[i]),
        )
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
        changed[i] = augment(pixels).permute(1, 2, 0).numpy()
    return changed
