"""All pairs of parts of a sharded matrix: which process sees which part, and when.

Process r works on its own part, then meets the parts of r + 1 … r + ⌊P/2⌋ (modulo P), one after
the other, so that every pair of parts meets once: half the way round a ring. A part travels from
neighbour to neighbour; while one is worked on, the next is on its way. If P is even, the processes
at the last distance would meet twice, once on each: there the part of the lower one is halved, and
each process takes one half of it with the whole part of the upper one.

What is computed on a meeting is the caller's affair. Results for the rows of the other part go to
their holder by ``returned``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch.distributed as dist
from torch import Tensor


class Meeting(NamedTuple):
    """Rows of this process, and rows of another one to work on with them; either may be none."""

    own: slice
    """Of this process's rows, numbered from 0: those that take part."""
    rows: slice
    """Numbers, in the whole matrix, of the other process's rows."""
    block: Tensor
    """The other process's rows (rows, d)."""
    distance: int
    """How many processes further round the ring the other one is; 0: it is this one."""


class Ring:
    """The way of the parts round the ring of processes. Its methods are collective.

    ``sizes``: how many rows of the matrix each process holds; this one is number ``rank``.
    """

    def __init__(self, sizes: Sequence[int], rank: int) -> None:
        ends = accumulate(sizes)
        self._parts = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
        self._rank, self._count = rank, len(sizes)

    def meetings(self, block: Tensor) -> Iterator[Meeting]:
        """Of this process's rows, ``block`` (own rows, d), with themselves, then with those of
        others. Take them all. A block is sent on while the caller works on it: do not change it.
        """
        block = block.contiguous()
        left, right = (self._rank - 1) % self._count, (self._rank + 1) % self._count
        last = self._count // 2
        pending: list[dist.Work] = []
        for distance in range(last + 1):
            for work in pending:
                work.wait()
            here = block
            if distance < last:
                # The left neighbour meets at the next distance what is here now.
                sent = here[self._met(left, distance + 1)]
                _, rows = self._meeting_of(self._rank, distance + 1)
                block = here.new_empty(rows.stop - rows.start, *here.shape[1:])
                pending = _started([(sent, left)], [(block, right)])
            own, rows = self._meeting_of(self._rank, distance)
            yield Meeting(own, rows, here, distance)

    def returned(self, meeting: Meeting, *results: Tensor) -> tuple[slice, list[Tensor]]:
        """Send ``results``, each (rows, …), of a meeting to the holder of its ``rows``.

        Call it once for every meeting with others. Returns the results that come in at the same
        time, for the given slice of this process's rows, numbered from 0.
        """
        to = (self._rank + meeting.distance) % self._count
        source = (self._rank - meeting.distance) % self._count
        answered = self._met(source, meeting.distance)
        length = answered.stop - answered.start
        found = [result.new_empty(length, *result.shape[1:]) for result in results]
        sent = [(result.contiguous(), to) for result in results]
        for work in _started(sent, [(buffer, source) for buffer in found]):
            work.wait()
        return answered, found

    def _meeting_of(self, rank: int, distance: int) -> tuple[slice, slice]:
        """Which of its rows, numbered from 0, ``rank`` works on at ``distance``, and with which
        rows of the whole matrix."""
        other = (rank + distance) % self._count
        mine, theirs = self._parts[rank], self._parts[other]
        own = slice(0, mine.stop - mine.start)
        if 2 * distance == self._count:  # they meet twice
            if rank < other:
                own = slice(0, _half(mine))
            else:
                theirs = slice(theirs.start + _half(theirs), theirs.stop)
        return own, theirs

    def _met(self, rank: int, distance: int) -> slice:
        """The rows that ``rank`` meets at ``distance``, numbered from the first of their part."""
        _, rows = self._meeting_of(rank, distance)
        first = self._parts[(rank + distance) % self._count].start
        return slice(rows.start - first, rows.stop - first)


def _half(part: slice) -> int:
    return (part.stop - part.start) // 2


def _started(sent: list[tuple[Tensor, int]], received: list[tuple[Tensor, int]]) -> list[dist.Work]:
    """Begin to send and receive tensors, to and from the given processes; empty ones need not."""
    operations = [dist.P2POp(dist.isend, part, to) for part, to in sent if part.numel()]
    operations += [
        dist.P2POp(dist.irecv, part, source) for part, source in received if part.numel()
    ]
    return dist.batch_isend_irecv(operations) if operations else []
