"""Weights & Biases: offline in RUN/wandb, for `wandb sync`, unless WANDB_MODE says otherwise."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping

from arcface_plus.run_directory.sinks.sink import RunFacts, Sink
from arcface_plus.run_directory.sinks.tracked_id import remember_id, tracked_id

FOLDER = "wandb"


class WeightsAndBiases(Sink):
    """Every part of a resumed run is a folder of its own, all with the id of one run.

    W&B cannot delete a figure, so steps are logged again only beyond the last that is there.
    """

    needs = ("wandb",)

    def __init__(self, facts: RunFacts) -> None:
        # Seconds until a figure is in the file: what comes later is lost when the run is killed.
        os.environ.setdefault("WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL", "1")
        import wandb

        known = tracked_id(facts.run, "wandb")
        tracked = known or uuid.uuid4().hex
        remember_id(facts.run, "wandb", tracked)
        self._logged_before = facts.last_logged if known else 0
        self._exit_code = 1
        self._run = wandb.init(
            mode=os.environ.get("WANDB_MODE", "offline"),
            project=os.environ.get("WANDB_PROJECT", "arcface-plus"),
            dir=str(facts.run),
            id=tracked,
            name=facts.name,
            resume="allow",
            settings=wandb.Settings(silent=True, console="off", disable_git=True),
        )
        # W&B's own step would hold figures back until the next step has some.
        for group in ("train", "eval"):
            self._run.define_metric(f"{group}/*", step_metric="step")
        config = {**facts.config, "environment": dict(facts.environment)}
        self._run.config.update(config, allow_val_change=True)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if step > self._logged_before:
            self._log_group("train", step, values)

    def log_verification(self, step: int, accuracies: Mapping[str, float]) -> None:
        self._log_group("eval", step, accuracies)

    def finish(self, accuracies: Mapping[str, float]) -> None:
        self._exit_code = 0
        self._run.summary.update({f"final/{target}": a for target, a in accuracies.items()})

    def close(self) -> None:
        self._run.finish(exit_code=self._exit_code)

    def _log_group(self, group: str, step: int, values: Mapping[str, float]) -> None:
        figures = {f"{group}/{name}": value for name, value in values.items() if name != "step"}
        self._run.log({"step": step, **figures})
