"""Runs of a study as an array of Slurm jobs, submitted through submitit.

Each job trains one run in its own process. Before its time limit, or when it is preempted, Slurm
signals the job; submitit then puts it into the queue again, and the run resumes from its last
checkpoint.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arcface_plus.config.tree import load
from arcface_plus.studies.job import Job
from arcface_plus.training.run import execute
from data_prep.errors import UserError, first_line
from data_prep.yaml_file import parse_yaml

INSTALL = "--launcher slurm needs `pip install arcface-plus[slurm]`"


class TrainRun:
    """What a job calls; submitit pickles it, and it again when the job must be repeated."""

    def __call__(self, config_file: str, run: str) -> None:
        execute(load(config_file), run)

    def checkpoint(self, config_file: str, run: str) -> Any:
        """The same call once more: the run directory has the checkpoints."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, config_file, run)


def slurm_parameters(options: Sequence[str]) -> dict[str, Any]:
    """`partition=gpu` … → submitit's parameters for Slurm; UserError for another form."""
    found = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not (key and equals):
            raise UserError(f"--slurm {option}: give KEY=VALUE, like partition=gpu or time=720")
        with contextlib.suppress(ValueError):
            found[key] = parse_yaml(value)
        found.setdefault(key, value)
    return found


def check_installed() -> None:
    if importlib.util.find_spec("submitit") is None:
        raise UserError(INSTALL)


def submit(
    jobs: Sequence[Job],
    folder: Path,
    parameters: Mapping[str, Any],
    at_once: int | None,
    cluster: str = "slurm",
) -> list[str]:
    """Submit all jobs as one array; their ids. Logs go to `folder`/slurm.

    Args:
        parameters: submitit's for Slurm, without the prefix: partition, time (minutes), mem,
            gpus_per_node, cpus_per_task, account, qos, constraint, setup, …
        at_once: how many of them may run at a time; None: as many as the cluster allows.
        cluster: "slurm"; "local" starts processes on this machine instead.
    """
    check_installed()
    import submitit

    if at_once is not None:
        parameters = {"array_parallelism": at_once, **parameters}
    for job in jobs:
        job.prepare()
    try:
        executor = submitit.AutoExecutor(folder / "slurm" / "%j", cluster=cluster)
        executor.update_parameters(
            name=folder.resolve().name, **{f"slurm_{key}": v for key, v in parameters.items()}
        )
        submitted = executor.map_array(
            TrainRun(), [str(job.config_file) for job in jobs], [str(job.run) for job in jobs]
        )
    except (NameError, RuntimeError, TypeError, submitit.core.utils.FailedJobError) as error:
        raise UserError(f"submitit: {first_line(error)}") from None
    return [job.job_id for job in submitted]
