"""Some of the negative classes a step: the sampled softmax of Partial FC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_STREAM = 0x5A3E  # of the run's seed, for this use alone
_AT_ONCE = 4  # numbers that the generator makes from each state


class Chosen(NamedTuple):
    """The classes of a step, among those that a process holds."""

    rows: Tensor
    """(k,) int64, ascending."""
    place: Tensor
    """(n,) int64: where in ``rows`` a sample's class is; -1 if another process holds it."""


@dataclass(frozen=True)
class ClassSampling:
    """Each step's loss is over the labelled classes of its batch and a ``share`` of all classes.

    An et al., "Partial FC", 2021, and "Killing Two Birds with One Stone", 2022. Whether a class is
    drawn is a function of ``seed``, step and class: it does not depend on the number of processes.
    """

    share: float
    seed: int

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 1.0:
            raise ValueError(f"the share of sampled classes must be in (0, 1], not {self.share}")

    def drawn(self, own: slice, step: int) -> Tensor:
        """(own.stop − own.start,) bool, on the CPU: which classes of ``own`` are drawn."""
        generator = np.random.Philox(np.random.SeedSequence((self.seed, _STREAM, step)))
        skipped, before = divmod(own.start, _AT_ONCE)
        generator.advance(skipped)
        numbers = np.random.Generator(generator).random(before + own.stop - own.start)[before:]
        return torch.from_numpy(numbers < self.share)

    def choose(self, own: slice, step: int, place: Tensor, labelled: Tensor) -> Chosen:
        """Among classes ``own``: the drawn ones and the ``labelled`` ones. Waits for a GPU.

        ``place`` (n,), ``labelled`` (m,), counted from ``own.start``, -1 for classes of others:
        those of the samples, and those of the whole batch.
        """
        chosen = F.pad(self.drawn(own, step).to(place.device), (0, 1))  # the last one is -1's
        chosen[labelled] = True
        chosen = chosen[:-1]
        position = F.pad(chosen.cumsum(dim=0) - 1, (0, 1), value=-1)
        return Chosen(chosen.nonzero().squeeze(1), position[place])
