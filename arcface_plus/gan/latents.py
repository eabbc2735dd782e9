"""Latent vectors as pure functions of what they are for, the seed and a counter."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch
from torch import Tensor


class Stream(IntEnum):
    """What latent vectors are drawn for; the counter is the step, or the number of a batch."""

    GENERATOR = 1
    """The generator's update."""
    DISCRIMINATOR = 2
    """The images that the discriminator's update is to tell from real ones."""
    SCORE = 3
    """The images that are scored: the same vectors at every evaluation of a run."""
    PICTURE = 4
    """The images of the pictures."""


def latents(stream: Stream, seed: int, counter: int, count: int, dimensions: int) -> Tensor:
    """Standard normal vectors (count, dimensions), float32 on the CPU; torch's own generator stays
    as it is."""
    words = np.random.SeedSequence((seed, int(stream), counter)).generate_state(2, np.uint32)
    generator = torch.Generator().manual_seed(int(words[0]) << 31 ^ int(words[1]))
    return torch.randn(count, dimensions, generator=generator)
