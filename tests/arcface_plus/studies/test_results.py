"""Finished runs → study.json with figures computed by hand; unfinished ones are named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats
from studies import finish, planned

from arcface_plus.studies.results import collect, write_results
from arcface_plus.studies.scheduler import Failure
from eval.classification import classify
from eval.metric import ACCURACY

PLAIN, MMA = [0.80, 0.82, 0.81], [0.83, 0.84, 0.82]


@pytest.fixture
def three(tmp_path):
    plan = planned(tmp_path, seeds=3, needs="Generated faces")
    for run in plan.runs:
        finish(tmp_path, run, (PLAIN if run.variant == "plain" else MMA)[run.seed])
    return plan


def test_the_keys_that_others_rely_on(tmp_path, three):
    paths = write_results(collect(three, tmp_path), tmp_path)
    assert [path.name for path in paths] == ["study.json", "report.md", "report.html"]
    found = json.loads((tmp_path / "study.json").read_text())
    assert found["complete"] is True
    assert found["needs"] == "Generated faces"
    plain, mma = found["variants"]["plain"], found["variants"]["mma"]
    assert [run["seed"] for run in mma["runs"]] == [0, 1, 2]
    assert [run["run"] for run in mma["runs"]] == [f"runs/mma/seed_{k}" for k in range(3)]
    assert [run["values"]["synth_frontal"] for run in plain["runs"]] == PLAIN
    assert plain["mean"]["synth_frontal"] == pytest.approx(0.81)
    assert plain["std"]["synth_frontal"] == pytest.approx(0.01)
    assert (plain["paper"], mma["paper"]) == ({"synth_frontal": 0.9}, {"synth_frontal": 0.905})

    (comparison,) = found["comparisons"]
    differences = np.array(MMA) - np.array(PLAIN)  # 0.03, 0.02, 0.01
    error = 0.01 / np.sqrt(3)
    reach = stats.t.ppf(0.975, 2) * error
    assert (comparison["reference"], comparison["variant"]) == ("plain", "mma")
    assert comparison["difference"] == pytest.approx(differences.mean())
    assert comparison["interval"] == pytest.approx([0.02 - reach, 0.02 + reach])
    assert comparison["p"] == pytest.approx(2 * stats.t.sf(0.02 / error, 2))
    assert comparison["verdict"] == "no difference shown"
    assert comparison["test"] == "paired t by seed"


def test_the_last_checkpoint_counts_and_no_other(tmp_path, three):
    run = tmp_path / three.runs[0].folder
    better = json.loads((run / "eval" / "step_00000020.json").read_text())
    better["targets"]["synth_frontal"]["accuracy"]["mean"] = 0.99
    (run / "eval" / "step_00000010.json").write_text(json.dumps(better))
    (run / "eval" / "step_00000030.json").write_text(json.dumps(better))
    plain = collect(three, tmp_path).arms[0]
    assert plain.figure("synth_frontal", ACCURACY).mean == pytest.approx(0.81)


def test_what_is_missing_is_named_with_its_reason(tmp_path):
    plan = planned(tmp_path, seeds=3, needs="Generated faces")
    for run in plan.runs[:3]:
        finish(tmp_path, run, 0.8 + run.seed / 100)
    (tmp_path / plan.runs[5].folder / "checkpoints" / "step_00000010").mkdir(parents=True)
    (tmp_path / plan.runs[5].folder / "config.yaml").write_text(plan.runs[5].config.to_yaml())
    found = collect(plan, tmp_path, [Failure("mma/seed_1", 3, "the loss is NaN")])
    assert [(each.name, each.why) for each in found.unfinished] == [
        ("mma/seed_1", "failed: the loss is NaN"),
        ("plain/seed_2", "not begun"),
        ("mma/seed_2", "stopped at step 10"),
    ]
    write_results(found, tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "incomplete: 3 of 6 runs are finished" in text
    assert "- mma/seed\\_1: failed" in text or "- mma/seed_1: failed" in text
    assert "leaves out seed 1" in text


def test_a_study_without_any_run_still_gives_a_report(tmp_path):
    write_results(collect(planned(tmp_path), tmp_path), tmp_path)
    found = json.loads((tmp_path / "study.json").read_text())
    assert found["comparisons"][0]["verdict"] == "not run yet"
    assert found["variants"]["mma"]["mean"] == {}
    assert "0 of 4 runs" in (tmp_path / "report.html").read_text()


def test_changes_of_the_study_are_no_warning_and_others_are(tmp_path):
    variants = {"plain": {}, "hot": {"set": {"optimizer.lr": 0.2}}}
    plan = planned(tmp_path, variants=variants)
    for run in plan.runs:
        finish(tmp_path, run, 0.8 + run.seed / 100 + (run.variant == "hot") * 0.01 * run.seed)
    assert collect(plan, tmp_path).warnings == ()
    for seed in (0, 1):
        config = tmp_path / "runs" / "hot" / f"seed_{seed}" / "config.yaml"
        config.write_text(config.read_text().replace("train: DATA", "train: OTHER"))
    assert any("data.train" in warning for warning in collect(plan, tmp_path).warnings)


def test_where_runs_start_is_no_difference_between_seeds(tmp_path):
    variants = {"plain": {}, "tuned": {"start_from": "plain", "set": {"optimizer.lr": 0.01}}}
    plan = planned(tmp_path, variants=variants, seeds=3)
    for run in plan.runs:
        finish(tmp_path, run, PLAIN[run.seed] + 0.01 * (run.variant == "tuned"))
    write_results(collect(plan, tmp_path), tmp_path)
    assert "its runs differ in more than the seed" not in (tmp_path / "report.md").read_text()
    assert "the configs differ in more than" not in (tmp_path / "report.md").read_text()


def test_a_class_of_the_test_split_is_judged_beside_the_whole(tmp_path):
    plan = planned(
        tmp_path, base="cifar10_cnn9", metric="top1_error", targets=["test", "class_0"],
        variants={
            "plain": {"paper": {"class_0": 30.4}}, "wide": {"set": {"model.backbone.width": 9}},
        },
    )  # fmt: skip
    labels = np.repeat(np.arange(10), 10)
    for run in plan.runs:
        wrong = 3 if run.variant == "plain" else 1 + run.seed  # of class 0
        answers = labels.copy()
        answers[:wrong] = 9
        finish(tmp_path, run, 0.5)
        file = tmp_path / run.folder / "eval" / f"step_{run.config.optimizer.steps:08d}.json"
        file.write_text(json.dumps(classify(np.eye(10)[answers], labels).to_json()))
    write_results(collect(plan, tmp_path), tmp_path)
    found = json.loads((tmp_path / "study.json").read_text())
    assert found["variants"]["plain"]["mean"] == {
        "test": pytest.approx(0.03), "class_0": pytest.approx(0.3),
    }  # fmt: skip
    assert found["variants"]["plain"]["paper"] == {"class_0": pytest.approx(0.304)}
    both = {each["target"]: each["difference"] for each in found["comparisons"]}
    assert both == {"test": pytest.approx(-0.015), "class_0": pytest.approx(-0.15)}
    assert "class_0" in (tmp_path / "report.md").read_text().replace("\\_", "_")
