"""Curves of a run: steps that come twice, values that are none, files that are missing."""

from __future__ import annotations

import json
import shutil

import pytest

from data_prep.errors import DataError
from eval.runs import read_run
from eval.series import Series, accuracies, environment, metrics


def test_metrics_over_steps(seeded_run):
    run = seeded_run("a", 0, {"lfw": (3, 1)})
    lines = [
        {"step": 10, "loss": 3.0, "lr": 0.1, "note": "x", "warm": True},
        {"step": 20, "loss": 2.5, "lr": 0.1},
        {"step": 30, "loss": float("nan"), "lr": 0.1},
        {"event": "resumed"},
        {"step": 20, "loss": 2.4, "lr": 0.1},
    ]
    text = "\n".join(map(json.dumps, lines))
    (run / "metrics.jsonl").write_text(text + '\n{"step": 40, "lo')
    assert metrics(read_run(run)) == {
        "loss": Series((10, 20), (3.0, 2.4)),
        "lr": Series((10, 20, 30), (0.1, 0.1, 0.1)),
    }
    (run / "metrics.jsonl").write_text('{"step": 1\n{"step": 2}\n')
    with pytest.raises(DataError, match=r"metrics.jsonl: line 1: not JSON"):
        metrics(read_run(run))


def test_accuracies_over_steps(seeded_run):
    run = seeded_run("a", 0, {"lfw": (3, 1), "cfp_fp": (2, 2)})
    shutil.copy(run / "eval" / "step_00000100.json", run / "eval" / "step_00000050.json")
    found = accuracies(read_run(run))
    assert found.keys() == {"lfw", "cfp_fp"}
    assert found["lfw"].steps == (50, 100)
    assert found["lfw"].values[1] == read_run(run).results.targets["lfw"].accuracy.mean


def test_what_is_missing_is_empty(seeded_run, tmp_path):
    run = seeded_run("a", 0, {"lfw": (3, 1)})
    shutil.copy(run / "eval" / "step_00000100.json", tmp_path / "alone.json")
    for path in (run, tmp_path / "alone.json"):
        assert metrics(read_run(path)) == environment(read_run(path)) == {}
    assert accuracies(read_run(tmp_path / "alone.json")) == {}
    (run / "environment.json").write_text('{"device": "cpu"}')
    assert environment(read_run(run)) == {"device": "cpu"}
    (run / "environment.json").write_text("[]")
    with pytest.raises(DataError, match="holds no keys"):
        environment(read_run(run))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"step": 1}\n' + b"\0" * 50 + b'{"step": 2}\n', "line 2: not JSON"),
        (b'{"step": 1}\n\xff\n', "line 2: not UTF-8"),
        (b'{"step": 1}\n' + b"[" * 5000 + b"]" * 5000 + b"\n", "line 2: nested too deeply"),
        (b"[]\n", "line 1: is not a JSON object"),
        (b"\0" * (2**20 + 5), "line 1: has 1048576 bytes or more"),
    ],
)
def test_a_damaged_line_is_named_with_what_to_do(seeded_run, content, words):
    run = seeded_run("a", 0, {"lfw": (3, 1)})
    (run / "metrics.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=rf"metrics.jsonl: {words}.*; remove the line") as caught:
        metrics(read_run(run))
    assert "\n" not in str(caught.value)


def test_a_hole_at_the_end_and_numbers_beyond_floats_are_left_out(seeded_run):
    run = seeded_run("a", 0, {"lfw": (3, 1)})
    huge = (
        json.dumps({"step": 10**400, "loss": 1.0}) + "\n" + json.dumps({"step": 2, "loss": 10**400})
    )
    (run / "metrics.jsonl").write_bytes(
        b'{"step": 1, "loss": 2.0}\n' + huge.encode() + b"\n" + b"\0" * 500
    )
    assert metrics(read_run(run)) == {"loss": Series((1,), (2.0,))}


@pytest.mark.parametrize("content", [b'{"a": "\xff"}', b"[" * 100_000, b"", b'{"a": 1'])
def test_a_broken_environment_is_named(seeded_run, content):
    run = seeded_run("a", 0, {"lfw": (3, 1)})
    (run / "environment.json").write_bytes(content)
    with pytest.raises(DataError, match=r"environment.json: (not UTF-8|not JSON|nested)"):
        environment(read_run(run))
