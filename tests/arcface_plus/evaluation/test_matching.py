"""Thresholds come from a verification of the very model; error rates are counted, not made up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from verifications import verification

from arcface_plus.evaluation.matching import (
    Match,
    Rule,
    explain,
    is_of,
    own_verification,
    rule_from,
)
from arcface_plus.run_directory.model_file import ModelCard, write_model
from data_prep.errors import DataError, UserError
from eval.runs import VerificationFile, read_results
from eval.statistics import binomial_interval


@pytest.fixture
def run(tmp_path):
    """A run directory as far as matching looks at it: the card of step 7."""
    run = tmp_path / "run"
    for folder in (run, run / "checkpoints" / "step_00000007"):
        folder.mkdir(parents=True, exist_ok=True)
        card = ModelCard("mobilefacenet", {}, embedding_dim=16, step=7)
        write_model(folder / "model.safetensors", {"w": torch.zeros(1)}, card)
    return run


def test_the_runs_own_verification_is_of_the_very_step(run):
    folder = run / "eval"
    folder.mkdir()
    try:
        (folder / "step_00000006.json").write_text("{}")
        assert own_verification(run) is None
        (folder / "step_00000007.json").write_text(json.dumps(verification()))
        for path in (run, run / "checkpoints" / "step_00000007"):
            assert own_verification(path) == folder / "step_00000007.json"
        assert own_verification(folder / "model.onnx") is None
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def rule(content, far=None, target=None):
    return rule_from(VerificationFile.model_validate(content), Path("v.json"), target, far)


def test_the_rule_is_what_was_measured():
    found = rule(verification())
    why = "FAR 1e-3 needs 10,000 different pairs and lfw has 3,000: FAR 1e-2 is the strictest that"
    assert found == Rule(
        1.2, "lfw", "1e-2", 3000, 1000, 0.95, 0.01, pytest.approx(0.1), f"{why} it supports."
    )
    assert explain(Match(0.5, 1.0, found))[-1] == found.why_not_default
    assert rule(verification(), "1e-2").why_not_default == ""  # it was asked for
    assert rule(verification(), "0.1").threshold == 1.5
    with pytest.raises(UserError, match=r"no threshold for --far 1e-3 on lfw \(needs 10000 diff"):
        rule(verification(), "1e-3")
    with pytest.raises(UserError, match="known: 1e-1, 1e-2"):
        rule(verification(), "1e-5")
    with pytest.raises(UserError, match="--far lots is not a rate"):
        rule(verification(), "lots")
    with pytest.raises(UserError, match="no target 'cfp'; it has lfw"):
        rule(verification(), target="cfp")


def test_of_several_targets_the_one_with_most_different_pairs():
    content = verification()
    content["targets"]["small"] = content["targets"]["lfw"] | {"pairs": 1100}
    assert rule(content).target == "lfw"
    assert rule(content, target="small").different == 100


def test_a_file_without_thresholds_at_far_gives_its_folds():
    found = rule(verification(thresholds_at_far={}, unavailable={}))
    assert (found.threshold, found.far, found.false_accepts) == (pytest.approx(1.35), "", None)
    assert explain(Match(0.5, 1.0, found)) == [
        "Same person: similarity 0.500, threshold 0.325 (best accuracy on lfw).",
        "With such thresholds 5.0% of lfw's 4,000 pairs are decided wrongly (10-fold).",
        "FAR 1e-3 needs 10,000 different pairs and lfw has 3,000: the threshold of best accuracy "
        "decides.",
    ]
    with pytest.raises(UserError, match="it has no thresholds at FARs at all"):
        rule(verification(thresholds_at_far={}, unavailable={}), "1e-2")


def test_the_default_is_1e_3_where_the_pairs_support_it():
    point = {"distance": 0.9, "cosine": 0.55, "far": 0.0008, "tar": 0.8}
    known = {"1e-2": point | {"distance": 1.2}, "1e-3": point, "1e-4": point | {"distance": 0.7}}
    found = rule(verification(pairs=101_000, thresholds_at_far=known, unavailable={}))
    assert (found.far, found.threshold, found.why_not_default) == ("1e-3", 0.9, "")
    assert explain(Match(0.4, 1.2, found)) == [
        "Different people: similarity 0.400, threshold 0.550 (FAR 1e-3 on lfw).",
        "On lfw this threshold accepts 0.080% of different pairs (95% 0.064 to 0.100) and rejects "
        "20.0% of same pairs (95% 17.6 to 22.6).",
    ]
    found = rule(verification(pairs=101_000, thresholds_at_far={"1e-2": point}, unavailable={}))
    assert found.why_not_default == (
        "The verification has no threshold at FAR 1e-3: FAR 1e-2 is the strictest that it supports."
    )


def test_error_rates_are_counted():
    """30 of 3,000 different pairs accepted, 100 of 1,000 same pairs rejected."""
    same = explain(Match(0.5, 1.0, rule(verification())))
    assert same[0] == "Same person: similarity 0.500, threshold 0.400 (FAR 1e-2 on lfw)."
    low, high = binomial_interval(30, 3000)
    assert f"accepts 1.0% of different pairs (95% {100 * low:.1f} to {100 * high:.1f})" in same[1]
    low, high = binomial_interval(100, 1000)
    assert f"rejects 10.0% of same pairs (95% {100 * low:.1f} to {100 * high:.1f})." in same[1]
    different = explain(Match(0.2, 1.6, rule(verification())))
    assert different[0].startswith("Different people: similarity 0.200, threshold 0.400 (")
    assert different[1:] == same[1:]
    only_different = Rule(1.2, "x", "1e-2", 10, 0, 0.9, 0.1, 0.0)
    assert "rejects nothing (it has no same pairs)." in explain(Match(0.5, 1.0, only_different))[1]


def test_without_a_rule_there_is_no_verdict():
    said = explain(Match(-0.25, 2.5, None))
    assert said[0] == "No verdict: similarity -0.250, but no threshold is known for this model."
    assert "`eval verify --json FILE` measures one" in said[1]


def test_similarity_and_threshold_have_the_digits_that_tell_them_apart():
    found = rule(verification())
    assert "similarity 0.40004, threshold 0.40000 (" in explain(Match(0.40004, 1.19992, found))[0]
    assert explain(Match(0.40004, 1.19992, found))[0].startswith("Same person: ")
    assert explain(Match(0.4, 1.2, found))[0].startswith("Different people: similarity 0.400000, ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("{}", "missing key schema"),
        ('{"schema": 1, "targets": {}}', "targets: "),
        ('{"schema": 1, "targets": {"a": {}}}', r"missing key targets\.a\.pairs"),
        ('{"schema": 2, "targets": {}}', "schema: expected 1, got 2"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_verification_is_named(tmp_path, text, words):
    path = tmp_path / "v.json"
    path.write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        read_results(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="no such file"):
        read_results(tmp_path / "gone.json")


def test_thresholds_that_are_not_there_or_no_rates_are_named():
    content = verification(thresholds_at_far={})
    content["targets"]["lfw"]["accuracy"].pop("thresholds")
    with pytest.raises(UserError, match="has no thresholds on lfw"):
        rule(content)
    with pytest.raises(ValueError, match="'lots' is not a rate such as 1e-3"):
        rule(verification(thresholds_at_far={"lots": None}))


def of(run: Path, checkpoint: object, file: Path, ckpt: Path) -> bool:
    found = VerificationFile.model_validate(verification() | {"checkpoint": str(checkpoint)})
    return is_of(found, file, ckpt)


def test_a_run_its_checkpoint_and_its_weights_are_one_model(run, tmp_path):
    step = run / "checkpoints" / "step_00000007"
    names = [run, step, step / "model.safetensors", run / "model.safetensors"]
    for verified in names:
        for ckpt in names:
            assert of(run, verified, tmp_path / "v.json", ckpt), (verified, ckpt)
    other = tmp_path / "other.safetensors"
    assert not of(run, other, tmp_path / "v.json", run)
    assert not of(run, run, tmp_path / "v.json", other)
    assert not of(run, tmp_path / "gone", tmp_path / "v.json", run)
    assert of(run, other, tmp_path / "v.json", other)


def test_the_runs_own_file_names_only_the_step(run, tmp_path):
    (run / "eval").mkdir()
    own = run / "eval" / "step_00000007.json"
    own.write_text("{}")
    assert of(run, "step_00000007", own, run)
    assert not of(run, "step_00000007", tmp_path / "copied.json", run)
