"""What is read of a run, and everything that can be wrong with its files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from verification_files import ARCFACE, BASE, BETTER, PLUS, target, verification

from data_prep.errors import DataError
from eval.classification import classify
from eval.compare import compare
from eval.runs import read_results, read_run, read_unverified_run, read_verification


def test_the_last_step_is_used_and_plain_files_are_taken(make_run, tmp_path):
    make_run("a", {"lfw": target(ARCFACE)}, step=20_000_000, config=BASE)
    make_run("a", {"lfw": target(BETTER)}, step=100_000_000, config=BASE)
    a = make_run("a", {"lfw": target(ARCFACE)}, step=10, config=BASE)
    plain = tmp_path / "other.json"
    plain.write_text(json.dumps(verification({"lfw": target(ARCFACE)})))
    comparison = compare([a, plain, a / "eval" / "step_00000010.json"])
    assert [run.name for run in comparison.runs] == ["a", "other", "step_00000010"]
    assert [run.step for run in comparison.runs] == [100_000_000, None, 10]
    assert comparison.targets[0].results[0].accuracy.folds[0] == BETTER[0] / 600
    assert "other: no config.yaml" in comparison.warnings[0]
    assert comparison.runs[2].config is not None


def test_runs_of_one_name_are_told_apart(make_run):
    a = make_run("x/run", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("y/run", {"lfw": target(BETTER)}, config=PLUS)
    assert [run.name for run in compare([a, b]).runs] == [str(a), str(b)]
    itself = compare([a, a])
    assert len({run.name for run in itself.runs}) == 2
    assert "a verification file is compared with itself" in itself.warnings


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
DEEP = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.yaml", BOMB.encode(), "more than .* values"),
        ("config.yaml", b"a: " + b"[" * 10_000 + b"]" * 10_000, "nested"),
        ("config.yaml", b"a: \xff", "not UTF-8"),
        ("config.yaml", b"a: [1\nb: 2", "line 2"),
        ("config.yaml", b"- 1", "expected a mapping"),
        ("summary.json", DEEP, "nested too deeply"),
        ("summary.json", b'{"a": "\xff"}', "not UTF-8"),
        ("summary.json", b"", "not JSON"),
        ("summary.json", b"[]", "holds no keys and values"),
        ("eval/step_00000100.json", DEEP, "nested too deeply"),
        ("eval/step_00000100.json", b"\xff", "not UTF-8"),
        ("eval/step_00000100.json", b"", "not JSON"),
        ("eval/step_00000100.npz", b"", "not a readable .npz"),
    ],
)
def test_a_broken_file_of_a_run_is_one_line_that_names_it(make_run, name, content, words):
    run = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    (run / name).write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_run(run)
    assert str(caught.value).startswith(str(run / name))
    assert "\n" not in str(caught.value)


def test_counts_beyond_reason_are_refused(make_run):
    run = make_run("a", {"lfw": target(ARCFACE) | {"pairs": 10**400}}, config=BASE)
    with pytest.raises(DataError, match=r"targets\.lfw\.pairs: "):
        read_run(run)


def test_a_run_without_verification_has_no_targets(make_run):
    run = make_run("a", {"lfw": target(ARCFACE)}, config=BASE, summary={"loss": 1.0})
    assert read_unverified_run(run) == read_run(run)
    (run / "eval" / "step_00000100.json").unlink()
    with pytest.raises(DataError, match="a: not a run directory"):
        read_unverified_run(run)
    (run / "metrics.jsonl").write_text("")
    found = read_unverified_run(run)
    assert (found.results.targets, found.scores, found.step) == ({}, {}, None)
    assert (found.seed, found.summary) == (0, {"loss": 1.0})


def test_a_classification_is_one_target(tmp_path):
    file = tmp_path / "step_00000004.json"
    result = classify(np.eye(10)[[0, 1, 2, 3]], [0, 1, 2, 4]).to_json()
    file.write_text(json.dumps(result | {"checkpoint": "step_00000004"}))
    found = read_results(file)
    assert found.checkpoint == "step_00000004"
    assert found.verified == {}
    test = found.targets["test"]
    assert (test.headline, test.trials, test.counts) == (0.75, 4, (4, 10))
    assert test.ci95 == tuple(result["top1_ci95"])
    file.write_text(json.dumps(result | {"top1": 2}))
    with pytest.raises(DataError, match=r"not written by `eval classify --json`: top1: expected"):
        read_results(file)
    with pytest.raises(DataError, match=r"not written by `eval verify --json`"):
        read_verification(file)
