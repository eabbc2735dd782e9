"""What is read of a run, and everything that can be wrong with its files."""

from __future__ import annotations

import json

from verification_files import ARCFACE, BASE, BETTER, PLUS, target, verification

from eval.compare import compare


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
    assert "no config.yaml for other" in comparison.warnings[0]
    assert comparison.runs[2].config is not None


def test_runs_of_one_name_are_told_apart(make_run):
    a = make_run("x/run", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("y/run", {"lfw": target(BETTER)}, config=PLUS)
    assert [run.name for run in compare([a, b]).runs] == [str(a), str(b)]
    itself = compare([a, a])
    assert len({run.name for run in itself.runs}) == 2
    assert "one verification file is compared with itself" in itself.warnings
