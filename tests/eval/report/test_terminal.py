"""A comparison on a terminal: it fits a screen, verdicts first, and only settings that matter."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from verification_files import ARCFACE, BASE, BETTER, PLUS, target

from eval.compare import compare
from eval.report.terminal import MOST_SETTINGS, to_terminal


def printed(comparison, width=80):
    console = Console(file=io.StringIO(), width=width)
    to_terminal(comparison, console)
    return console.file.getvalue()


MMA = {"name": "mma", "weight": 0.03, "mode": "auto", "candidates": 16, "rolling_steps": 20}
TARGETS = ("synth_frontal", "synth_pose", "synth_age")


@pytest.mark.parametrize("runs", [1, 3])
def test_two_recipes_on_three_targets_fit_a_screen(seeded_run, runs):
    groups = {
        name: [
            seeded_run(f"{name}_{seed}", seed,
                       {t: (3 + k, 9 * seed + 3 * k + i) for i, t in enumerate(TARGETS)},
                       pairs=400, **config)
            for seed in range(runs)
        ]
        for k, (name, config) in enumerate(
            {"arcface": {}, "arcface_plus": {"regularizer": MMA, "logging": {"every": 9}}}.items()
        )
    }  # fmt: skip
    shown = printed(compare(groups=groups)).splitlines()
    assert len(shown) <= 22  # beside the command itself and what was written
    assert all(len(line) <= 80 for line in shown)
    assert shown[0].startswith("arcface_plus against arcface")
    rows = [line.split() for line in shown[2:5]]
    assert [row[0] for row in rows] == list(TARGETS)  # a line each, right below the header
    assert all("[" in line and ("better" in line or "shown" in line) for line in shown[2:5])


def test_only_settings_that_can_matter_are_listed(make_run):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    other = PLUS | {"regularizer": MMA, "eval": {"every": 1}, "logging": {"every": 2}}
    b = make_run("b", {"lfw": target(BETTER)}, config=other)
    shown = printed(compare([a, b]))
    assert "  regularizer.name: none | mma\n  regularizer.weight: 0 | 0.03\n" in shown
    for word in ("run.name", "logging", "eval.", "candidates", "rolling_steps"):
        assert word not in shown


def test_of_many_settings_the_first_are_listed(make_run):
    a, b = (
        make_run(
            n, {"lfw": target(ARCFACE)}, config=BASE | {"head": {f"k{i}": v for i in range(9)}}
        )
        for v, n in enumerate("ab")
    )
    shown = printed(compare([a, b]))
    assert shown.count("  head.k") == MOST_SETTINGS
    assert "and 3 more" in shown


def test_warnings_and_missing_targets_are_said(make_run):
    a = make_run("a", {"lfw": target(ARCFACE), "cfp_fp": target(ARCFACE, 700)}, config=BASE)
    b = make_run("b", {"lfw": target(BETTER), "agedb_30": target(BETTER)}, config=PLUS)
    comparison = compare([a, b])
    assert [t.name for t in comparison.targets] == ["lfw", "cfp_fp", "agedb_30"]
    shown = printed(comparison, 200)
    assert "Warning: cfp_fp: not compared: b has no result on it" in shown
    assert "Warning: agedb_30: not compared: a has no result on it" in shown
    assert shown.count("not compared") == 4


def test_several_groups_are_named_in_their_rows(make_run):
    runs = [
        make_run(n, {"lfw": target(f)}, config=BASE)
        for n, f in [("a", ARCFACE), ("b", BETTER), ("c", ARCFACE[::-1])]
    ]
    shown = printed(compare(runs)).splitlines()
    assert shown[0] == "b and c against a"
    assert [line.split()[:2] for line in shown[1:4]] == [
        ["target", "group"], ["lfw", "b"], ["lfw", "c"],
    ]  # fmt: skip


def test_names_are_neither_markup_nor_control_characters(seeded_run):
    names = ["x[/bold]y", "\x1b[31mred", "<script>", ":warning:"]
    runs = [
        seeded_run(f"run{i}", 0, dict.fromkeys(names, (3, i + 1)), pairs=40, note=names)
        for i in range(2)
    ]
    groups = {names[0] + names[1]: [runs[0]], names[2] + names[3]: [runs[1]]}
    console = Console(file=io.StringIO(), width=400, force_terminal=True, color_system=None)
    to_terminal(compare(groups=groups), console)
    shown = console.file.getvalue()
    for name in ("x[/bold]y", "\\x1b[31mred", "<script>", ":warning:"):
        assert name in shown
    assert "\x1b[31m" not in shown
