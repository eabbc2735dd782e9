"""MLflow: a run in an SQLite file beside the run directory, or where MLFLOW_TRACKING_URI says."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcface_plus.run_directory.sinks.sink import RunFacts, Sink
from arcface_plus.run_directory.sinks.tracked_id import remember_id, tracked_id

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

DATABASE = "mlflow.db"
_EXPERIMENT = "arcface-plus"
_LONGEST = 5000  # characters of a tag or parameter; MLflow's limits are 8000 and 6000
_TOGETHER = 100  # parameters or tags that MLflow takes at once


class MLflow(Sink):
    """Parameters are the config, tags the environment; several runs share one file to compare them.

    MLflow can neither delete a figure nor change a parameter. So a resumed run logs steps again
    only beyond the last that is there, and settings that changed become tags.
    """

    needs = ("mlflow", "sqlalchemy", "alembic")

    def __init__(self, facts: RunFacts) -> None:
        # Local means local; and a server that does not answer must not hold up training for long.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        from mlflow.tracking import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        beside = facts.run.resolve().parent
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:
            _make_database(beside / DATABASE)
        self._client = MlflowClient(uri or f"sqlite:///{beside / DATABASE}")
        self._finished = False
        known = tracked_id(facts.run, "mlflow")
        if known is not None and self._continued(known):
            self._id, self._logged_before = known, facts.last_logged
        else:
            experiment = _experiment(self._client, None if uri else str(beside / "mlartifacts"))
            self._id = self._client.create_run(experiment, run_name=facts.name).info.run_id
            self._logged_before = 0
            remember_id(facts.run, "mlflow", self._id)
        self._record(facts)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if step > self._logged_before:
            self._log_group("train", step, values)

    def log_verification(self, step: int, accuracies: Mapping[str, float]) -> None:
        self._log_group("eval", step, accuracies)

    def finish(self, accuracies: Mapping[str, float]) -> None:
        self._finished = True
        for target, accuracy in accuracies.items():
            self._client.set_tag(self._id, f"final.{target}", f"{accuracy:.4f}")

    def close(self) -> None:
        self._client.set_terminated(self._id, "FINISHED" if self._finished else "KILLED")

    def _continued(self, known: str) -> bool:
        """Whether the run is still there; if so it is running again."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_run(known)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        if found.info.lifecycle_stage != "active":
            return False
        self._client.update_run(known, status="RUNNING")
        return True

    def _record(self, facts: RunFacts) -> None:
        """The config, and the environment that this part of the run has."""
        from mlflow.entities import Param, RunTag

        there = self._client.get_run(self._id).data.params
        config = {key: _text(value) for key, value in facts.config.items()}
        changed = {k: v for k, v in config.items() if there.get(k, v) != v}
        tags = {key: _text(value) for key, value in facts.environment.items()} | changed
        new = [Param(key, value) for key, value in config.items() if key not in there]
        for some in _in_parts(new):
            self._client.log_batch(self._id, params=some)
        for some in _in_parts([RunTag(key, value) for key, value in tags.items()]):
            self._client.log_batch(self._id, tags=some)

    def _log_group(self, group: str, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        figures = [
            Metric(f"{group}/{name}", float(value), now, step)
            for name, value in values.items()
            if name != "step"
        ]
        self._client.log_batch(self._id, metrics=figures)


def _make_database(path: Path) -> None:
    """An empty one, whole or not at all; nothing if it is there.

    MLflow makes its tables one by one. A run that is killed meanwhile, or two that begin together,
    would leave a file that no run can use.
    """
    from mlflow.tracking import MlflowClient

    if path.exists():
        return
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as private:
        made = Path(private) / path.name
        MlflowClient(f"sqlite:///{made}")
        with contextlib.suppress(FileExistsError):  # another run was faster
            os.link(made, path)


def _experiment(client: MlflowClient, artifacts: str | None) -> str:
    """The id of ours, made if need be. MLflow would keep artifacts in the working directory."""
    found = client.get_experiment_by_name(_EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(_EXPERIMENT, artifact_location=artifacts))


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _in_parts(items: list[Any]) -> list[list[Any]]:
    return [items[i : i + _TOGETHER] for i in range(0, len(items), _TOGETHER)]
