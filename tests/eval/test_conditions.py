"""What makes a comparison unfair is said: settings, steps, seeds, costs."""

from __future__ import annotations

import json

from verification_files import ARCFACE, BASE, BETTER, PLUS, target

from eval.compare import compare
from eval.conditions import matters
from eval.report.markdown import comparison_to_markdown


def test_more_than_the_regularizer_differs(make_run):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    other = PLUS | {"head": {"name": "arcface", "margin": 0.4}, "optimizer": {"lr": 0.1}}
    b = make_run("b", {"lfw": target(BETTER)}, config=other, step=200, flip=False, protocol="p")
    comparison = compare([a, b])
    text = "\n".join(comparison.warnings)
    assert "head.margin, optimizer.lr" in text
    assert "the step differs between runs (a: 100, b: 200)" in text
    assert "flip" in text
    assert "the protocol" in text
    assert "run.name" not in text
    row = next(row for row in comparison.config_differences if row.key == "optimizer.lr")
    assert row.values == (None, "0.1")


def test_summary_figures_stand_side_by_side(make_run):
    summary = {
        "schema": 1,
        "loss": 1.25,
        "wall_seconds": 3725.2,
        "images_per_second": 812.5,
        "accuracy": {"lfw": 0.9},
        "eval": {"lfw": 0.9},
        "host": "x",
        "loss_regularizer": float("nan"),
    }
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE, summary=summary)
    b = make_run("b", {"lfw": target(BETTER)}, config=PLUS)
    comparison = compare([a, b])
    keys = ["loss", "wall_seconds", "images_per_second", "loss_regularizer"]
    assert [row.key for row in comparison.training] == keys
    text = comparison_to_markdown(comparison)
    assert "| wall_seconds | 1:02:05 | — |" in text
    assert "| loss_regularizer | nan | — |" in text
    json.dumps(comparison.to_json(), allow_nan=False)


def test_a_recipe_that_varies_within_its_group_is_warned_of(groups, seeded_run):
    odd = seeded_run("odd", 9, {"lfw": (3, 9), "cfp_fp": (3, 8)}, optimizer={"lr": 0.2})
    comparison = compare(groups={**groups, "arcface": [*groups["arcface"], odd]})
    text = "\n".join(comparison.warnings)
    assert "arcface: its runs differ in more than the seed" in text
    assert "differ in more than the regularizer" in text
    assert text.count("optimizer.lr") == 2


def test_what_changes_no_result_is_no_reason_for_a_warning(make_run):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    other = PLUS | {
        "eval": {"targets": ["lfw"]}, "logging": {"every": 9}, "data": {"cache": "disk"},
    }  # fmt: skip
    b = make_run("b", {"lfw": target(ARCFACE[::-1])}, config=other)
    comparison = compare([a, b])
    assert comparison.warnings == ()
    assert {"eval.targets", "logging.every"} <= {r.key for r in comparison.config_differences}


def test_which_keys_matter():
    free = ["run.name", "logging.every", "eval.data", "checkpoint.keep", "runtime.device"]
    assert not any(map(matters, free))
    bound = ["run.seed", "data.train", "data.flip", "runtime.precision", "evaluation.x", "head"]
    assert all(map(matters, bound))


def test_the_caveat_says_the_level_of_the_intervals(groups):
    comparison = compare(groups=groups)
    level = comparison.targets[0].differences[0].verdict.level
    assert any(f"have the level {100 * level:g}%" in line for line in comparison.caveats)
