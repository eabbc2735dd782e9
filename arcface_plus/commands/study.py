"""`arcface-plus study`: variants × seeds of a recipe, then the comparison and one report."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.commands.model_options import SettingsOption
from arcface_plus.console import output, say
from data_prep.errors import UserError
from data_prep.files import check_folder_writable

if TYPE_CHECKING:
    from arcface_plus.studies.plan import Plan
    from arcface_plus.studies.scheduler import Failure


class Launcher(StrEnum):
    """Where runs are trained."""

    here = "here"
    slurm = "slurm"


def study(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY", help="A YAML file or a study's name (`arcface-plus config list`)."
        ),
    ],
    settings: SettingsOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder of the study. Default: studies/<name>."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            min=1,
            help="Runs at a time; they share the cores and GPUs. Default: 1; with "
            "--launcher slurm as many as the cluster allows.",
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Run only VARIANT/seed_N that match, e.g. 'mma/*'."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="List the runs, their state and their data; write nothing."),
    ] = False,
    launcher: Annotated[
        Launcher, typer.Option(help="Train here, or submit an array of Slurm jobs (submitit).")
    ] = Launcher.here,
    slurm: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Of each job: partition=gpu, time=720 (minutes), gpus_per_node=1, …; repeatable.",
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Start no run; report on those that are finished.")
    ] = False,
) -> None:
    """Train every variant with every seed, compare them, and write one report.

    Finished runs are skipped and others resumed, so the same command continues a study.
    """
    from arcface_plus.studies.execution import run_study
    from arcface_plus.studies.plan import load_plan

    plan = load_plan(file, settings or ())
    folder = out or Path("studies") / plan.study.name
    if slurm and launcher is not Launcher.slurm:
        raise UserError("--slurm is for --launcher slurm: give that, too")
    if dry_run:
        for line in _listed(plan, folder, only):
            output(line)
        if launcher is Launcher.slurm:
            output(_array(plan, folder, only, slurm or []))
        return
    check_folder_writable(folder)
    if launcher is Launcher.slurm and not report:
        _submit(plan, folder, only, jobs, slurm or [])
        return
    failures = [] if report else run_study(plan, folder, only, jobs or 1)
    _conclude(plan, folder, failures)


def _listed(plan: Plan, folder: Path, only: str | None) -> list[str]:
    """Every run with its state, and what the runs read."""
    from arcface_plus.studies.state import needs, state_of

    runs = plan.only(only)
    width = max(len(run.name) for run in runs)
    lines = [f"{plan.study.name}: {len(runs)} runs in {folder}"]
    for run in runs:
        state = state_of(folder, run)
        told = f"refused: {state.complaint}" if state.kind == "refused" else str(state)
        after = f", starts from {run.start.name}" if run.start else ""
        lines.append(f"{run.name:{width}}  {run.config.optimizer.steps} steps  {told}{after}")
    lines += map(str, needs(runs))
    return lines + ([f"where from: {plan.where_from}"] if plan.where_from else [])


def _array(plan: Plan, folder: Path, only: str | None, options: list[str]) -> str:
    """What --launcher slurm would submit."""
    from arcface_plus.studies.execution import ready, unfinished_jobs
    from arcface_plus.studies.slurm import check_installed, slurm_parameters

    check_installed()
    todo = ready(unfinished_jobs(plan.only(only), folder)[0])
    told = ", ".join(f"{k}={v}" for k, v in slurm_parameters(options).items()) or "defaults"
    return (
        f"would submit an array of {len(todo)} Slurm jobs ({told}), logs in {folder}/slurm; each "
        f"does `arcface-plus train {folder}/configs/VARIANT/seed_N.yaml --out "
        f"{folder}/runs/VARIANT/seed_N`"
    )


def _submit(
    plan: Plan, folder: Path, only: str | None, jobs: int | None, options: list[str]
) -> None:
    """Submit what is not finished, and say how to go on."""
    from arcface_plus.studies.execution import ready, unfinished_jobs
    from arcface_plus.studies.slurm import slurm_parameters, submit
    from arcface_plus.studies.state import check_needs

    waiting, *_ = unfinished_jobs(plan.only(only), folder)
    check_needs([job.planned for job in waiting], plan.where_from)
    todo = ready(waiting)
    if todo:
        ids = submit(todo, folder, slurm_parameters(options), jobs)
        say(f"submitted {len(ids)} jobs: {ids[0]} to {ids[-1]}, logs in {folder}/slurm")
    if later := len(waiting) - len(todo):
        say(f"{later} runs start from others of these: repeat this command when they have ended")
    say(f"when they have ended: arcface-plus study {plan.source} --out {folder} --report "
        "(and the --set options of this command)")  # fmt: skip


def _conclude(plan: Plan, folder: Path, failures: list[Failure]) -> None:
    """Verdicts on the terminal, the files, the failures; exit status 1 or 3 if there are any."""
    from rich.console import Console

    from arcface_plus.studies.results import collect, write_results
    from eval.report.study_terminal import study_to_terminal

    found = collect(plan, folder, failures)
    written = write_results(found, folder)
    study_to_terminal(found, Console())
    for path in written:
        say(f"wrote {path}")
    if failures:
        say(f"{len(failures)} of {len(plan.runs)} runs failed:")
        for failure in failures:
            say(f"  {failure.name}: {failure.reason}")
        raise typer.Exit(3 if all(failure.diverged for failure in failures) else 1)
