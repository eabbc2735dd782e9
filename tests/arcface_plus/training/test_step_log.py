"""The metrics of a logged step, and the summary of an interrupted run."""

from __future__ import annotations

import json
import math

import pytest
from updates import batch, updater

from arcface_plus.training.step_log import StepLog


class Steps:
    def epoch(self, step: int) -> float:
        return step / 2


class Kept:
    def __init__(self) -> None:
        self.logged: list[dict] = []
        self.angles: list = []

    def log(self, values, angles) -> None:
        self.logged.append(dict(values))
        self.angles.append(angles)

    def warn(self, line: str) -> None: ...


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
