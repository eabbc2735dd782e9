"""A plan → its runs: what is there is kept, what cannot be run is refused before the first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from arcface_plus.console import say
from arcface_plus.run_directory.lock import locked
from arcface_plus.signals import Stopped
from arcface_plus.studies.job import Command, Job, shared_out, train_command, visible_gpus
from arcface_plus.studies.plan import Plan, PlannedRun
from arcface_plus.studies.progress import StudyProgress
from arcface_plus.studies.scheduler import Failure, run_side_by_side
from arcface_plus.studies.starts import check_starts
from arcface_plus.studies.state import check_needs, state_of
from arcface_plus.training.errors import Interrupted
from data_prep.errors import UserError
from data_prep.files import make_folder


def run_study(
    plan: Plan, folder: Path, only: str | None, slots: int, command: Command = train_command
) -> list[Failure]:
    """Run what is not finished, at most `slots` runs at a time; the runs that failed.

    Raises:
        UserError: a run is another study's, or data are missing; nothing is written.
        Interrupted: a signal stopped it, and the runs have saved.
    """
    jobs, steps, finished = unfinished_jobs(plan.only(only), folder)
    count = len(jobs) + finished
    check_needs([job.planned for job in jobs], plan.where_from)
    say(f"{plan.study.name}: {count} runs in {folder}, {finished} of them finished")
    if not jobs:
        return []
    make_folder(folder)
    slots = min(slots, len(jobs))
    any_gpu = all(job.planned.config.runtime.device in ("auto", "cuda") for job in jobs)
    environment = partial(shared_out, slots, gpus=visible_gpus() if any_gpu else [])
    with locked(folder), StudyProgress(jobs, finished, steps) as progress:
        outcome = run_side_by_side(jobs, slots, environment, progress, command)
    if outcome.stopped_by is not None:
        raise Interrupted(
            outcome.stopped_by,
            f"{Stopped(outcome.stopped_by)}; the same command continues the study, and with "
            "--report it shows what is there",
        )
    return list(outcome.failures)


def unfinished_jobs(
    runs: Sequence[PlannedRun], folder: Path
) -> tuple[list[Job], dict[str, int], int]:
    """The jobs to do, the step at which each begins, and how many runs are finished.

    UserError that names every run whose directory holds something else, or every run that starts
    from one that is neither finished nor among them.
    """
    states = {run.name: state_of(folder, run) for run in runs}
    refused = [state.complaint for state in states.values() if state.kind == "refused"]
    if refused:
        raise UserError("; ".join(refused))
    waiting = [run for run in runs if states[run.name].kind != "finished"]
    new = [run for run in waiting if states[run.name].kind == "new"]
    starts = {run.start.name: run.start for run in new if run.start is not None}
    there = {name for name, run in starts.items() if state_of(folder, run).kind == "finished"}
    check_starts(new, there | {run.name for run in waiting})
    steps = {run.name: states[run.name].step for run in waiting}
    return [Job(run, folder) for run in waiting], steps, len(runs) - len(waiting)


def ready(jobs: Sequence[Job]) -> list[Job]:
    """Those that do not start from another one of them."""
    names = {job.name for job in jobs}
    return [job for job in jobs if job.follows not in names]
