"""What is there of each run of a study, and whether its data are; writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from arcface_plus.config.faces import FaceConfig
from arcface_plus.run_directory.checkpoint import Checkpoints, step_of
from arcface_plus.run_directory.entries import METRICS_FILE
from arcface_plus.run_directory.finished import is_finished
from arcface_plus.run_directory.prepare import check_usable
from arcface_plus.studies.plan import PlannedRun
from arcface_plus.studies.starts import located
from arcface_plus.training.groundwork import pair_folder
from data_prep.errors import UserError

REMEDY = "delete it, or give the study another --out"
TAIL = 1 << 14
"""Bytes of metrics.jsonl in which its last whole line is looked for."""


@dataclass(frozen=True)
class State:
    """`step`: that of the last checkpoint. `complaint`: why the study must not touch the run."""

    kind: Literal["finished", "partly", "new", "refused"]
    step: int = 0
    complaint: str = ""

    def __str__(self) -> str:
        return f"partly, step {self.step}" if self.kind == "partly" else self.kind


def state_of(folder: Path, planned: PlannedRun) -> State:
    """The state of one run in the study's folder."""
    run, config = folder / planned.folder, located(folder, planned)
    try:
        check_usable(run, config, fresh=False, remedy=REMEDY)
    except UserError as error:
        return State("refused", complaint=str(error))
    last = Checkpoints(run, keep=1).last()
    step = (step_of(last) or 0) if last else 0
    if step > config.optimizer.steps:
        return State(
            "refused", step,
            f"{run}: is at step {step}, beyond the study's {config.optimizer.steps}; {REMEDY}",
        )  # fmt: skip
    if is_finished(run, config.optimizer.steps, config.eval.names):
        return State("finished", config.optimizer.steps)
    return State("partly" if step else "new", step)


def logged_step(run: Path) -> int:
    """The last step in the run's metrics.jsonl; 0 if there is none."""
    try:
        with open(run / METRICS_FILE, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL))
            lines = file.read().splitlines(keepends=True)
    except OSError:
        return 0
    for line in reversed(lines):
        if line.endswith(b"\n"):
            try:
                return int(json.loads(line)["step"])
            except (ValueError, KeyError, TypeError):
                continue
    return 0


@dataclass(frozen=True)
class Need:
    """A file or folder that runs read: what it is, where, and whether it is there."""

    what: str
    place: str
    there: bool

    def __str__(self) -> str:
        return f"{self.what}: {self.place}" + ("" if self.there else " (missing)")


def needs(runs: Iterable[PlannedRun]) -> list[Need]:
    """The data of these runs, each once."""
    found: dict[Need, None] = {}
    for planned in runs:
        train = planned.config.data.train
        if train is None:
            found[Need("training data", "not given, use --set data.train=PATH", False)] = None
        else:
            found[Need("training data", train, Path(train).exists())] = None
        if isinstance(planned.config, FaceConfig):
            found |= dict.fromkeys(_pair_files(planned.config))
        if start := planned.config.initial_weights:
            found[Need("initial weights", start, Path(start).exists())] = None
    return list(found)


def _pair_files(config: FaceConfig) -> list[Need]:
    train, targets = config.data.train, config.eval.targets
    if config.eval.data is None and not (train and Path(train).exists()):
        beside = "beside the training data, or --set eval.data=FOLDER"
        return [Need("pairs", f"{target}.bin {beside}", False) for target in targets]
    files = [pair_folder(config) / f"{t.removesuffix('.bin')}.bin" for t in targets]
    return [Need("pairs", str(file), file.is_file()) for file in files]


def check_needs(runs: Sequence[PlannedRun], where_from: str = "") -> None:
    """One UserError with everything that is missing, and where to get it."""
    missing = [str(need) for need in needs(runs) if not need.there]
    if missing:
        told = [*missing, where_from] if where_from else missing
        raise UserError(f"the study lacks data: {'; '.join(told)}")
