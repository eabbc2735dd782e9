"""Which samples a step sees and how they are changed: pure functions of (seed, step, index).

Sample number g of the run (g = step · batch + position in the batch) is the (g mod n)-th of epoch
g div n, and every epoch is a permutation of all n samples: a batch that reaches the end of an epoch
continues with the next one. Nothing depends on the number of processes or workers, nor on where a
run was interrupted.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Streams of the counter-based generator.
_ORDER, _FLIP, _CROP, _CENTRE, _POLICY, _BOX = 1, 2, 3, 4, 5, 6

_TRIES = 10
_ASPECTS = (3 / 4, 4 / 3)


def _generator(seed: int, stream: int, counter: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, stream, counter))))


@lru_cache(maxsize=2)  # a batch can touch two epochs
def permutation(seed: int, epoch: int, samples: int) -> NDArray[np.int64]:
    """The order of `epoch`: (samples,) int64, each index once."""
    return _generator(seed, _ORDER, epoch).permutation(samples)


def batch_indices(seed: int, step: int, batch: int, samples: int) -> NDArray[np.int64]:
    """Sample indices of the global batch of `step` (counted from 0): (batch,) int64."""
    numbers = np.arange(step * batch, (step + 1) * batch, dtype=np.int64)
    indices = np.empty(batch, np.int64)
    for epoch in range(int(numbers[0] // samples), int(numbers[-1] // samples) + 1):
        here = numbers // samples == epoch
        indices[here] = permutation(seed, epoch, samples)[numbers[here] % samples]
    return indices


def batch_flips(seed: int, step: int, batch: int) -> NDArray[np.bool_]:
    """Which images of the global batch of `step` are mirrored: (batch,) bool, half on average."""
    return _generator(seed, _FLIP, step).random(batch) < 0.5


def batch_offsets(seed: int, step: int, batch: int, pad: int) -> NDArray[np.int64]:
    """Where the crops of the global batch of `step` begin in images padded by `pad` on each side.

    (batch, 2) int64: row and column, 0 … 2·pad, all equally likely.
    """
    return _generator(seed, _CROP, step).integers(0, 2 * pad + 1, (batch, 2))


def batch_centres(seed: int, step: int, batch: int, height: int, width: int) -> NDArray[np.int64]:
    """A pixel in each image of the global batch of `step`: (batch, 2) int64, row and column."""
    return _generator(seed, _CENTRE, step).integers(0, (height, width), (batch, 2))


def batch_boxes(
    seed: int, step: int, batch: int, size: tuple[int, int], area: tuple[float, float]
) -> NDArray[np.int64]:
    """A part of each image of the global batch of `step`.

    (batch, 4) int64: top, left, height and width.

    As torchvision's RandomResizedCrop: a share of the area, uniform in `area`, and an aspect ratio,
    log-uniform in 3/4 … 4/3; of ten tries the first that fits into the image of `size` (h, w), at a
    place that is uniform; if none fits, the largest part in the middle with such a ratio.
    """
    height, width = size
    generator = _generator(seed, _BOX, step)
    areas = height * width * generator.uniform(*area, (batch, _TRIES))
    low, high = _ASPECTS
    aspects = np.exp(generator.uniform(math.log(low), math.log(high), (batch, _TRIES)))
    places = generator.random((batch, 2))
    tall, wide = np.rint(np.sqrt(areas / aspects)), np.rint(np.sqrt(areas * aspects))
    fits = (tall >= 1) & (tall <= height) & (wide >= 1) & (wide <= width)
    first = np.arange(batch), fits.argmax(axis=1)
    middle = np.array([min(height, round(width / low)), min(width, round(height * high))])
    some = np.any(fits, axis=1, keepdims=True)
    sides = np.where(some, np.stack([tall[first], wide[first]], axis=1), middle).astype(np.int64)
    room = np.array(size) - sides
    corners = np.where(some, np.floor(places * (room + 1)).astype(np.int64), room // 2)
    return np.concatenate([corners, sides], axis=1)


def batch_policies(
    seed: int, step: int, batch: int, policies: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """What AutoAugment draws for each image of the global batch of `step`.

    The policy, (batch,), 0 … policies − 1; whether each of its two operations is done, a number in
    [0, 1) to compare with its probability, (batch, 2); and its direction, (batch, 2), 0 or 1.
    """
    generator = _generator(seed, _POLICY, step)
    return (
        generator.integers(0, policies, batch),
        generator.random((batch, 2)),
        generator.integers(0, 2, (batch, 2)),
    )


def equal_parts(total: int, count: int) -> list[int]:
    """`total` in `count` parts that differ by at most one, the larger ones first."""
    return [total // count + (number < total % count) for number in range(count)]
