"""Pairs drawn from people's images: ten balanced folds that have no person in common.

As in LFW's view 2, nobody is in two folds, and each fold has its same pairs first. Same pairs come
from the people of a fold in turn, and so do different pairs, so that people with many images do
not dominate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import comb, lcm
from typing import NamedTuple, TypeVar

import numpy as np

from data_prep.errors import DataError, UserError
from data_prep.pair_lists import FOLDS

MOST_PAIRS = 6000
"""Pairs that are drawn where no number is given, if there are enough images: as many as LFW has."""

SAME_PAIRS_EACH = 10
"""Same pairs of one person at most, where no number of pairs is given."""

Fold = list[list[str]]
"""The images of each person of a fold."""

T = TypeVar("T")


class DrawnPair(NamedTuple):
    """Two images by their paths below the people's folder, and whether they show one person."""

    a: str
    b: str
    same: bool


def draw_pairs(
    people: Mapping[str, Sequence[str]], pairs: int | None = None, seed: int = 0
) -> list[DrawnPair]:
    """Ten contiguous folds of equal size, half same pairs, then half different pairs.

    No person is in two folds and no pair is drawn twice. The draw depends on `people`, its order,
    `pairs` and `seed` alone.

    Args:
        people: person → distinct images.
        pairs: a multiple of 20. None: as many as there can be up to 6,000, with at most ten same
            pairs of a person.

    Raises:
        UserError: `pairs` is no multiple of 20, or more than the images allow.
        DataError: there are too few people for ten folds.
    """
    check_count(pairs)
    several = sum(len(images) > 1 for images in people.values())
    if len(people) < 2 * FOLDS or several < FOLDS:
        raise DataError(
            f"ten folds without a common person need {2 * FOLDS} people, {FOLDS} of them with two "
            f"or more different images; there are {len(people)} people, {several} of them with two "
            "or more"
        )
    rng = np.random.default_rng(seed)
    folds = _deal_people(people, rng)
    half = _usual_half(folds) if pairs is None else pairs // (2 * FOLDS)
    _check_enough(folds, half, several)
    return [pair for fold in folds for pair in _draw_fold(fold, half, rng)]


def check_count(pairs: int | None) -> None:
    """Raise UserError unless `pairs` is None or makes ten balanced folds."""
    if pairs is not None and (pairs < 2 * FOLDS or pairs % (2 * FOLDS)):
        raise UserError(
            f"--pairs {pairs} does not make ten folds, half same and half different; use a "
            f"multiple of {2 * FOLDS}"
        )


def _deal_people(people: Mapping[str, Sequence[str]], rng: np.random.Generator) -> list[Fold]:
    """The images of the people of each fold; folds have as many people (±1) and similar images.

    Ten people at a time, those with most images first: of each ten, the one with most images goes
    to the fold with the fewest same pairs so far. So how many pairs the folds allow does not
    depend on chance.
    """
    shuffled = _shuffled([list(images) for images in people.values()], rng)
    shuffled.sort(key=len, reverse=True)
    folds: list[Fold] = [[] for _ in range(FOLDS)]
    same_pairs = [0] * FOLDS
    for start in range(0, len(shuffled), FOLDS):
        emptiest_first = sorted(range(FOLDS), key=lambda fold: same_pairs[fold])
        ten = shuffled[start : start + FOLDS]
        for fold, images in zip(emptiest_first, ten, strict=False):  # the last may be fewer
            folds[fold].append(images)
            same_pairs[fold] += comb(len(images), 2)
    return folds


def _same_pairs(fold: Fold, most_each: int | None = None) -> int:
    """Same pairs that a fold's people can give, at most `most_each` a person."""
    each = (comb(len(images), 2) for images in fold)
    return sum(each if most_each is None else (min(pairs, most_each) for pairs in each))


def _different_pairs(fold: Fold) -> int:
    return comb(sum(map(len, fold)), 2) - _same_pairs(fold)


def _usual_half(folds: list[Fold]) -> int:
    fewest = min(min(_same_pairs(fold, SAME_PAIRS_EACH), _different_pairs(fold)) for fold in folds)
    return min(MOST_PAIRS // (2 * FOLDS), fewest)


def _check_enough(folds: list[Fold], half: int, several: int) -> None:
    same, different = (min(map(count, folds)) for count in (_same_pairs, _different_pairs))
    allowed = min(same, different)
    if half > allowed:
        of = f"{several:,} people with two or more images"
        who = of if same <= different else f"{sum(map(len, folds)):,} people"
        raise UserError(
            f"--pairs {half * 2 * FOLDS} is too many: {who}, in ten folds without a common "
            f"person, allow {allowed * 2 * FOLDS}"
        )


def _draw_fold(fold: Fold, half: int, rng: np.random.Generator) -> Iterator[DrawnPair]:
    fold = _shuffled(fold, rng)
    same = in_turn(tournament(_shuffled(images, rng)) for images in fold)
    yield from (DrawnPair(a, b, True) for a, b in islice(same, half))
    different = in_turn(_across(first, second, rng) for first, second in tournament(fold))
    yield from (DrawnPair(a, b, False) for a, b in islice(different, half))


def _across(
    first: list[str], second: list[str], rng: np.random.Generator
) -> Iterator[tuple[str, str]]:
    """Every pair of an image of one person and an image of another, images in turn.

    Side by side, both lists come back to their starts after lcm(m, n) steps; from there the second
    is one image ahead. So all m·n pairs occur once each.
    """
    first, second = _shuffled(first, rng), _shuffled(second, rng)
    m, n = len(first), len(second)
    for t in range(m * n):
        yield first[t % m], second[(t + t // lcm(m, n)) % n]


def in_turn(sources: Iterable[Iterator[T]]) -> Iterator[T]:
    """The first item of each source, then the second of each, and so on until all are used up.

    Sources may be very many: none is looked at before its turn.
    """
    while True:
        left: list[Iterator[T]] = []
        for source in sources:
            for item in source:
                yield item
                left.append(source)
                break
        if not left:
            return
        sources = left


def tournament(players: Sequence[T]) -> Iterator[tuple[T, T]]:
    """Every pair of players, in rounds in which each plays once (the circle method)."""
    ring: list[int | None] = list(range(len(players)))
    if len(ring) % 2:
        ring.append(None)  # whoever meets it sits out the round
    for _ in range(len(ring) - 1):
        for a, b in zip(ring[: len(ring) // 2], reversed(ring), strict=False):
            if a is not None and b is not None:
                yield players[a], players[b]
        ring = [ring[0], ring[-1], *ring[1:-1]]


def _shuffled(items: Sequence[T], rng: np.random.Generator) -> list[T]:
    return [items[k] for k in rng.permutation(len(items)).tolist()]
