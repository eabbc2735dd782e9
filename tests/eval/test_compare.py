"""Runs on disk → comparison: which runs, in which groups, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from verification_files import ARCFACE, BASE, BETTER, target, verification

from data_prep.errors import DataError, UserError
from eval.compare import compare
from eval.verification import verify


def test_three_runs_are_compared_with_the_first(make_run):
    runs = [
        make_run(n, {"lfw": target(f)}, config=BASE)
        for n, f in [("a", ARCFACE), ("b", BETTER), ("c", ARCFACE[::-1])]
    ]
    comparison = compare(runs)
    assert [d.name for d in comparison.targets[0].differences] == ["b", "c"]
    assert any("corrected for 2 verdicts" in caveat for caveat in comparison.caveats)


def test_what_verify_writes_can_be_compared(tmp_path):
    rng = np.random.default_rng(0)
    files = []
    for name, noise in (("a", 1.0), ("b", 1.6)):
        a = rng.normal(size=(1000, 16))
        same = np.arange(1000) % 2 == 0
        b = np.where(same[:, None], a, rng.normal(size=a.shape)) + noise * rng.normal(size=a.shape)
        result = verify(a, b, same).to_json(
            images=2000, unique_images=2000, embedding_norm_mean=1.0
        )
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(verification({"lfw": result})))
    difference = compare(files).targets[0].differences[0]
    assert difference.shown
    assert "b is worse than a" in difference.sentence


def test_mistakes_are_named(make_run, tmp_path):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    with pytest.raises(UserError, match="at least two runs"):
        compare([a])
    with pytest.raises(DataError, match="nowhere: no such run"):
        compare([a, tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no verification results.*eval verify"):
        compare([a, tmp_path / "empty"])
    broken = tmp_path / "broken.json"
    for text, words in {
        "{": "not JSON",
        "{}": "missing key schema",
        '{"schema": 2, "targets": {}}': "schema: expected 1, got 2",
        json.dumps(verification({})): "targets: ",
        json.dumps(verification({"lfw": target([700] * 10)})): r"targets.lfw.accuracy.mean: ",
        json.dumps(verification({"lfw": {}})): "missing key targets.lfw.pairs",
    }.items():
        broken.write_text(text)
        with pytest.raises(DataError, match=rf"broken\.json: .*{words}") as caught:
            compare([a, broken])
        assert "\n" not in str(caught.value)


def test_a_run_is_in_one_group_once(groups):
    everything = [*groups["arcface"], *groups["plus"]]
    with pytest.raises(UserError, match="plus_0: is in groups arcface and plus"):
        compare(groups={"arcface": everything, "plus": groups["plus"]})
    twice = [groups["plus"][0], *groups["plus"]]
    with pytest.raises(UserError, match="plus_0: is in group plus twice"):
        compare(groups={"arcface": groups["arcface"], "plus": twice})
    with pytest.raises(UserError, match="at least two runs or groups"):
        compare(groups={"arcface": groups["arcface"]})
    with pytest.raises(UserError, match="group a: has no runs"):
        compare(groups={"a": [], "plus": groups["plus"]})
    with pytest.raises(UserError, match="group plus_0: a run has the same name"):
        compare([groups["plus"][0]], {"plus_0": groups["arcface"]})
