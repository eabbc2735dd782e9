"""Drawn pairs: balanced folds of different people, no pair twice, nobody dominates."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import comb

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from data_prep.draw_pairs import DrawnPair, draw_pairs, in_turn, tournament
from data_prep.errors import DataError, UserError


def of(*images: int) -> dict[str, list[str]]:
    """People with these numbers of images."""
    return {f"p{k}": [f"p{k}/{i}.jpg" for i in range(n)] for k, n in enumerate(images)}


def who(name: str) -> str:
    return name.split("/")[0]


def folds(pairs: list[DrawnPair]) -> list[list[DrawnPair]]:
    size = len(pairs) // 10
    return [pairs[k : k + size] for k in range(0, len(pairs), size)]


PEOPLE = st.lists(st.integers(1, 9) | st.just(40), min_size=20, max_size=70).map(
    lambda counts: of(*counts)
)


@settings(max_examples=60, deadline=None)
@given(PEOPLE, st.none() | st.integers(1, 30).map(lambda n: 20 * n), st.integers(0, 5))
def test_any_draw_is_balanced_and_its_folds_share_nobody(people, wanted, seed):
    assume(sum(len(images) > 1 for images in people.values()) >= 10)
    try:
        pairs = draw_pairs(people, wanted, seed)
    except UserError:  # the next test says when
        assert wanted is not None
        return
    assert len(pairs) == wanted or (wanted is None and 20 <= len(pairs) <= 6000)
    assert len({frozenset((a, b)) for a, b, _ in pairs}) == len(pairs)
    seen: set[str] = set()
    for fold in folds(pairs):
        assert [pair.same for pair in fold] == sorted((pair.same for pair in fold), reverse=True)
        assert sum(pair.same for pair in fold) * 2 == len(fold)
        of_fold = {who(name) for pair in fold for name in (pair.a, pair.b)}
        assert not of_fold & seen
        seen |= of_fold
    for a, b, same in pairs:
        assert a != b
        assert (who(a) == who(b)) == same
        assert {a, b} <= set(people[who(a)] + people[who(b)])


@settings(max_examples=30, deadline=None)
@given(PEOPLE, st.integers(0, 5))
def test_the_number_that_the_message_allows_is_the_greatest_for_every_seed(people, seed):
    assume(sum(len(images) > 1 for images in people.values()) >= 10)
    with pytest.raises(UserError) as refused:
        draw_pairs(people, 10_000_000)
    allowed = int(str(refused.value).split()[-1])
    assert len(draw_pairs(people, allowed, seed)) == allowed
    with pytest.raises(UserError, match=f"allow {allowed}$"):
        draw_pairs(people, allowed + 20, seed)


def test_a_seed_draws_the_same_pairs_and_another_seed_others():
    people = of(*[5] * 40)
    assert draw_pairs(people, 200, 3) == draw_pairs(dict(people), 200, 3)
    assert draw_pairs(people, 200, 3) != draw_pairs(people, 200, 4)
    assert draw_pairs(people) == draw_pairs(people, None, 0)


def test_a_draw_stays_what_it_is():
    """Lists that people publish say how they were drawn: this must not change by accident."""
    first_fold = [(pair.a, pair.b) for pair in draw_pairs(of(*[3] * 20), 40, seed=7)[:4]]
    assert first_fold == [
        ("p0/2.jpg", "p0/1.jpg"),
        ("p3/1.jpg", "p3/0.jpg"),
        ("p0/1.jpg", "p3/0.jpg"),
        ("p0/0.jpg", "p3/2.jpg"),
    ]


@pytest.mark.parametrize("wanted", [None, 200, 600])
def test_people_give_pairs_in_turn(wanted):
    """Ten people have 100 images, ninety have 4: all give as many pairs, while they have any."""
    people = of(*[100] * 10, *[4] * 90)
    pairs = draw_pairs(people, wanted)
    for fold in folds(pairs):
        same = Counter(who(pair.a) for pair in fold if pair.same)
        most = max(same.values())
        for person in {who(name) for pair in fold for name in (pair.a, pair.b)}:
            assert same[person] >= min(most - 1, comb(len(people[person]), 2))
        different = Counter(
            who(name) for pair in fold if not pair.same for name in (pair.a, pair.b)
        )
        assert len(different) == 10
        assert max(different.values()) - min(different.values()) <= 2
        images = Counter(name for pair in fold if pair.same for name in (pair.a, pair.b))
        for person in same:
            counts = [images[name] for name in people[person]]
            assert max(counts) - min(counts) <= 1


def test_the_people_of_a_small_draw_are_chosen_by_chance():
    """Not by their number of images, nor by their names."""
    people = of(*[100] * 10, *[4] * 190)
    chosen = Counter(
        who(pair.a) for seed in range(100) for pair in draw_pairs(people, 20, seed) if pair.same
    )
    rich = sum(chosen[f"p{k}"] for k in range(10))
    assert 20 <= rich <= 80  # 50 of 1,000 on average
    assert len(chosen) > 150


def test_without_a_number_a_person_gives_ten_same_pairs_at_most():
    pairs = draw_pairs(of(*[30] * 40))
    assert len(pairs) == 2 * 10 * 40
    assert set(Counter(who(pair.a) for pair in pairs if pair.same).values()) == {10}
    assert len(draw_pairs(of(*[30] * 40), 6000)) == 6000


def test_without_a_number_there_are_6000_pairs_at_most():
    assert len(draw_pairs(of(*[6] * 400))) == 6000


def test_people_with_one_image_appear_in_different_pairs():
    pairs = draw_pairs(of(*[2] * 10, *[1] * 20))
    assert len(pairs) == 20
    assert {who(name) for a, b, same in pairs if same for name in (a, b)} == {
        f"p{k}" for k in range(10)
    }
    singles = {who(name) for pair in pairs for name in (pair.a, pair.b)} - {
        f"p{k}" for k in range(10)
    }
    assert singles


@pytest.mark.parametrize("wanted", [0, -20, 10, 30])
def test_a_number_that_makes_no_folds_is_refused(wanted):
    with pytest.raises(UserError, match=f"--pairs {wanted} does not make ten folds"):
        draw_pairs(of(*[5] * 40), wanted)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([5] * 19, "need 20 people, 10 of them with .*; there are 19 people, 19 of them"),
        ([5] * 9 + [1] * 50, "there are 59 people, 9 of them with two or more"),
        ([], "there are 0 people"),
    ],
)
def test_too_few_people_are_refused(counts, message):
    with pytest.raises(DataError, match=message):
        draw_pairs(of(*counts))


def test_too_many_pairs_name_what_is_short():
    with pytest.raises(
        UserError,
        match=r"--pairs 420 is too many: 20 people with two or more images, .* allow 400$",
    ):
        draw_pairs(of(*[5] * 20, *[1] * 100), 420)
    with pytest.raises(UserError, match=r"--pairs 420 is too many: 20 people, .* allow 180$"):
        draw_pairs(of(*[9] * 10, *[1] * 10), 420)


def test_the_folds_share_the_images_evenly():
    """The poorest fold can give nearly as many pairs as an average one."""
    counts = range(2, 42)
    average = sum(comb(n, 2) for n in counts) // 10
    wanted = 20 * (average * 95 // 100)
    assert len(draw_pairs(of(*counts), wanted)) == wanted


@pytest.mark.parametrize("players", range(9))
def test_a_tournament_is_every_pair_once_each_round_with_everybody(players):
    played = list(tournament(range(players)))
    assert sorted(map(sorted, played)) == [list(pair) for pair in combinations(range(players), 2)]
    for start in range(0, len(played), max(players // 2, 1)):
        a_round = [player for pair in played[start : start + players // 2] for player in pair]
        assert len(set(a_round)) == len(a_round)


def test_in_turn_looks_at_no_source_before_its_turn():
    def sources():
        yield iter("ab")
        yield iter("")
        yield iter("cde")
        looked.append(True)
        yield iter("f")

    looked: list[bool] = []
    items = in_turn(sources())
    assert [next(items), next(items)] == ["a", "c"]
    assert not looked
    assert "".join(items) == "fbde"
