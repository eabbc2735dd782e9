"""Runs that start with the weights of another run of the same study."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from arcface_plus.config.tree import RunConfig
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.entries import CONFIG_FILE
from arcface_plus.studies.plan import PlannedRun
from data_prep.errors import UserError
from data_prep.yaml_file import read_yaml


def located(folder: Path, planned: PlannedRun) -> RunConfig:
    """The config of a run in the study's folder, with the place of the run that it starts from.

    A run that has a checkpoint keeps the place that it was started with: it is not read again, and
    the study may have been moved since.
    """
    if planned.start is None:
        return planned.config
    place = str(folder / planned.start.folder)
    run = folder / planned.folder
    if Checkpoints(run, keep=1).last() is not None:
        before = _initial(run)
        if before and Path(before).parts[-3:] == planned.start.folder.parts:
            place = before
    model = planned.config.model.model_copy(update={"init": place})
    return planned.config.model_copy(update={"model": model})


def check_starts(new: Sequence[PlannedRun], available: Collection[str]) -> None:
    """One UserError with every new run whose start is not available.

    available: names of the runs that are finished, or to be done before.
    """
    lacking = [
        f"{run.name} starts from {run.start.name}"
        for run in new
        if run.start is not None and run.start.name not in available
    ]
    if lacking:
        raise UserError(
            f"{'; '.join(lacking)}: not finished, and not chosen by --only; choose both"
        )


def _initial(run: Path) -> str | None:
    """`model.init` in the run's config.yaml, if that can be read."""
    try:
        model = read_yaml(run / CONFIG_FILE).get("model")
    except UserError:
        return None
    found = model.get("init") if isinstance(model, dict) else None
    return found if isinstance(found, str) else None
