"""Compare probes with distractors in one pass: count distractors ahead, keep the highest scores.

Works on arrays of any library with NumPy's operators, so the caller can supply a GPU; this package
itself needs only NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.embeddings import Faces, unit_rows

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Progress = Callable[[int, int], None]

TIE = 1e-6
"""Ties count against the mate. Two float32 cosines of the same images can differ by rounding (up to
about 2e-7), so similarities within this tolerance of the mate's count as ties."""

PROBES_AT_ONCE = 1024


@dataclass(frozen=True)
class ArrayLibrary:
    """Where scores are computed: `put` moves a float32 array there, `get` returns a result.

    The arrays need `@`, `.T`, comparison, boolean indexing and `.sum(1)`, as NumPy's arrays and
    PyTorch's tensors have.
    """

    put: Callable[[NDArray[np.float32]], Any]
    get: Callable[[Any], NDArray[Any]]


NUMPY = ArrayLibrary(put=np.asarray, get=np.asarray)


def search(
    probes: NDArray[np.float32],
    probe_rows: Integers,
    limits: NDArray[np.float32],
    distractors: Faces,
    highest: Highest,
    *,
    library: ArrayLibrary = NUMPY,
    block: int = 4096,
    progress: Progress | None = None,
) -> Integers:
    """Count, for each trial, the distractors whose score is at or above the trial's limit.

    Args:
        probes: (p, d) with rows of length 1.
        probe_rows: (t,) ascending: the probe of each trial.
        limits: (t,) cosines.
        distractors: read once, in order, `block` rows at a time.
        highest: collects the highest scores of all pairs of a distractor and a probe that has a
            trial.

    Returns:
        (t,) counts.

    Raises:
        UserError: a distractor that cannot be normalized, or of another dimension.
    """
    groups = _groups(probes, probe_rows, limits, library)
    ahead = np.zeros(len(probe_rows), np.int64)
    done, total = 0, len(distractors)
    for rows in distractors.blocks(block):
        block_columns = library.put(unit_rows(distractors, rows, done, probes.shape[1])).T
        for group in groups:
            scores = group.probes @ block_columns
            for level, trials in zip(group.limits, group.trials, strict=True):
                ahead[trials] += library.get((scores[: len(trials)] >= level).sum(1))
            highest.add(library.get(scores[scores > highest.floor]))
        done += len(rows)
        if progress is not None:
            progress(done, total)
    assert done == total, f"{distractors.name} announced {total} rows and gave {done}"
    return ahead


@dataclass(frozen=True)
class _Group:
    """Up to PROBES_AT_ONCE probes sorted by number of mates, most first, so that probes with a j-th
    mate are the first rows: limits[j] (rows, 1) on the device, trials[j] (rows,) trial numbers."""

    probes: Any
    limits: list[Any]
    trials: list[Integers]


def _groups(
    probes: NDArray[np.float32],
    probe_rows: Integers,
    limits: NDArray[np.float32],
    library: ArrayLibrary,
) -> list[_Group]:
    rows, firsts, mates = np.unique(probe_rows, return_index=True, return_counts=True)
    order = np.argsort(-mates, kind="stable")
    groups = []
    for start in range(0, len(order), PROBES_AT_ONCE):
        members = order[start : start + PROBES_AT_ONCE]
        trials = [
            firsts[members[mates[members] > j]] + j for j in range(int(mates[members[0]]))
        ]  # a probe's trials are adjacent, in the order of its mates
        groups.append(
            _Group(
                library.put(probes[rows[members]]),
                [library.put(limits[these, None]) for these in trials],
                trials,
            )
        )
    return groups


class Highest:
    """The `keep` highest of the scores added; memory for about twice as many."""

    def __init__(self, keep: int) -> None:
        self.keep, self.floor = keep, -np.inf
        self._parts: list[NDArray[np.float32]] = []
        self._count = 0

    def add(self, scores: NDArray[np.float32]) -> None:
        """Add scores; those not above `floor` have no effect and may be left out."""
        self._parts.append(scores)
        self._count += len(scores)
        if self._count > 2 * self.keep:
            self._shrink()

    def descending(self) -> NDArray[np.float32]:
        """min(keep, all) scores, highest first."""
        self._shrink()
        return np.sort(self._parts[0])[::-1]

    def _shrink(self) -> None:
        scores = np.concatenate(self._parts)
        self._parts.clear()
        if len(scores) > self.keep:
            scores.partition(len(scores) - self.keep)
            scores = scores[-self.keep :].copy()
            self.floor = float(scores.min())
        self._parts, self._count = [scores], len(scores)
