"""Groups of runs: seeds that pair them, and pairs that keep them apart."""

from __future__ import annotations

from verification_files import ARCFACE, BASE, BETTER, target

from eval.compare import compare
from eval.groups import Group, obstacle
from eval.metric import ACCURACY
from eval.runs import read_run


def test_accuracies_by_seed_need_every_seed_once(seeded_run, make_run):
    runs = [read_run(seeded_run(f"a{seed}", seed, {"lfw": (3, seed + 1)})) for seed in (3, 1)]
    found = Group("a", tuple(runs)).values_by_seed("lfw", ACCURACY)
    assert found == {str(r.seed): r.results.targets["lfw"].accuracy.mean for r in runs}
    again = read_run(seeded_run("again", 3, {"lfw": (3, 9)}))
    assert Group("a", (*runs, again)).values_by_seed("lfw", ACCURACY) is None
    unknown = read_run(make_run("plain", {"lfw": target(ARCFACE)}))
    assert Group("a", (runs[0], unknown)).values_by_seed("lfw", ACCURACY) is None


def test_what_stands_between_two_groups_is_said(make_run):
    a, b, c = (
        Group(name, (read_run(make_run(name, targets, config=BASE)),))
        for name, targets in {
            "a": {"lfw": target(ARCFACE)},
            "b": {"lfw": target(BETTER), "x": target(BETTER)},
            "c": {"lfw": target(BETTER, 601)},
        }.items()
    )
    assert obstacle("lfw", a, b) is None
    assert obstacle("x", a, b) == "a has no result on it"
    assert obstacle("lfw", a, c).startswith("different pairs (a: 6000 pairs, 3000 same, ")


def test_equal_counts_are_the_same_pairs_unless_the_digests_differ(seeded_run):
    runs = [
        seeded_run(name, 0, {"lfw": (3, 1), "x": (3, i)}, digest=digest * 64)
        for i, (name, digest) in enumerate((("a", "0"), ("b", "0"), ("c", "1")))
    ]
    same = compare(runs[:2]).groups
    assert obstacle("lfw", *same) is None
    other = Group("c", (read_run(runs[2]),))
    assert "images or labels of a and c differ" in obstacle("lfw", same[0], other)
