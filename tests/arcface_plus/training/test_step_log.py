"""The metrics of a logged step, and the summary of an interrupted run."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from updates import batch, updater

from arcface_plus.models.regularization import Regularization, TermPlan
from arcface_plus.models.regularizers import MHE, MMA
from arcface_plus.training.step_log import StepLog


class Steps:
    def epoch(self, step: int) -> float:
        return step / 2


class Kept:
    def __init__(self) -> None:
        self.logged: list[dict] = []
        self.angles: list = []
        self.warned: list[str] = []

    def log(self, values, angles) -> None:
        self.logged.append(dict(values))
        self.angles.append(angles)

    def warn(self, line: str) -> None:
        self.warned.append(line)


def test_the_log_holds_the_updates_results(tmp_path):
    made, kept = updater(), Kept()
    log = StepLog(made, Steps(), kept, "advice")  # type: ignore[arg-type]
    log.begin_window()
    for step in (1, 2, 3):
        update = made.make(batch(), step - 1, measure=step == 3)
        log.count(batch())
    log.log(3, update)
    (values,) = kept.logged
    assert values == log.last
    assert (values["step"], values["epoch"], values["lr"]) == (3, 1.5, made.schedule.at(2))
    assert values["loss"] == pytest.approx(values["loss_margin"] + 0.1 * values["loss_regularizer"])
    assert math.radians(values["mean_min_angle_deg"]) == pytest.approx(-values["loss_regularizer"])
    percentiles = [values[f"min_angle_deg{p}"] for p in ("", "_p01", "_p10", "_p50")]
    assert percentiles == sorted(percentiles)
    (angles,) = kept.angles
    assert len(angles) == len(made.recognizer.classifier.weight)
    assert angles.min() == pytest.approx(values["min_angle_deg"])
    assert angles.mean() == pytest.approx(values["mean_min_angle_deg"])
    summary = log.summary(tmp_path, 3)
    assert summary["loss"] == pytest.approx(values["loss"], rel=1e-6)
    assert summary["images_per_second"] == pytest.approx(values["images_per_second"], abs=0.01)


def test_a_run_without_further_steps_takes_its_summary_from_its_metrics(tmp_path):
    line = {"step": 4, "loss": 1.5, "loss_margin": 1.25, "images_per_second": 99.0,
            "peak_memory_mb": 7.0, "min_angle_deg": 3.0}  # fmt: skip
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    log = StepLog(updater(), Steps(), None, "advice")  # type: ignore[arg-type]
    summary = log.summary(tmp_path, 4)
    assert (summary["loss"], summary["images_per_second"], summary["peak_memory_mb"]) == (
        1.5,
        99,
        7,
    )
    stale = log.summary(tmp_path, 5)  # the disk was full when step 5 was logged
    assert (stale["loss"], stale["images_per_second"]) == (None, None)


def logged(made, every: int, steps: int) -> Kept:
    kept = Kept()
    log = StepLog(made, Steps(), kept, "advice")  # type: ignore[arg-type]
    log.begin_window()
    for step in range(1, steps + 1):
        update = made.make(batch(), step - 1, measure=step % every == 0)
        log.count(batch())
        if step % every == 0:
            log.log(step, update)
        log.begin_window()  # as after a checkpoint
    return kept


def test_what_the_regularizer_does_beside_the_data_loss():
    made, other = updater(), updater()
    last = logged(made, every=3, steps=6).logged[-1]
    for step in range(5):
        other.make(batch(), step, measure=False)
    recognizer = other.recognizer
    weight = recognizer.classifier.weight
    data = recognizer.classifier(recognizer.backbone(batch().images), batch().labels).loss
    (of_data,) = torch.autograd.grad(data, weight)
    (of_term,) = torch.autograd.grad(0.1 * MMA()(weight), weight)
    rates = sum(other.schedule.at(step) for step in (3, 4, 5))
    length = float(weight.detach().norm())
    ratio = float(of_term.norm() / of_data.norm())
    assert last["regularizer_gradient_ratio"] == pytest.approx(ratio, rel=1e-5)
    (images, classes) = (len(batch().labels), len(weight))
    share = ratio * max(1.0, classes / images) ** 0.5
    assert last["regularizer_share"] == pytest.approx(share, rel=1e-5)
    assert last["regularizer_moved"] == pytest.approx(rates * float(of_term.norm()) / length)
    assert last["data_moved"] == pytest.approx(rates * float(of_data.norm()) / length, rel=1e-5)
    assert "min_angle_deg.1" not in last


def test_without_a_regularizer_nothing_is_said_about_one():
    made = updater()
    made.recognizer.regularizer.terms[0].acts = False
    (line,) = logged(made, every=2, steps=2).logged
    assert line["loss_regularizer"] == 0.0
    assert not any("moved" in name or "ratio" in name for name in line)


def terms(*plans: TermPlan):
    made = updater()
    recognizer = made.recognizer
    recognizer.regularizer = Regularization(plans, recognizer.backbone, recognizer.classifier)
    return made


def test_several_terms_and_the_angles_of_their_layers():
    plans = (TermPlan("mma", 0.1, MMA, "all"), TermPlan("mhe", 0.2, MHE))
    made = terms(*plans)
    made.settings = replace(made.settings, layer_angles_every=4)
    lines = logged(made, every=1, steps=9).logged
    for line in lines:
        assert "loss_regularizer" not in line
        values = [line[f"loss_regularizer.{name}"] for name in ("mma", "mhe")]
        weighted = 0.1 * values[0] + 0.2 * values[1]
        assert line["loss_regularizers_weighted"] == pytest.approx(weighted, rel=1e-5)
        total = line["loss_margin"] + weighted
        assert line["loss"] == pytest.approx(total, rel=1e-5)
        assert {f"regularizer_gradient_ratio.{name}" for name in ("mma", "mhe")} <= line.keys()
        assert "regularizer_share.mhe" in line
        assert "regularizer_share.mma" not in line  # acts on hidden layers, too
    measured = [line["step"] for line in lines if "min_angle_deg.1" in line]
    assert measured == [1, 4, 8]  # the first, and then the first after every four steps
    assert 0 < lines[0]["min_angle_deg.1"] <= lines[0]["mean_min_angle_deg.1"] < 180


def test_a_weak_regularizer_is_reported_once():
    kept = logged(terms(TermPlan("mma", 1e-9, MMA)), every=1, steps=8)
    (line,) = [line for line in kept.warned if "mma" in line]
    assert "hardly changes them" in line
    strong = logged(terms(TermPlan("mma", 100.0, MMA)), every=1, steps=8)
    assert not any("mma" in line for line in strong.warned)
