"""`arcface-plus study`: variants × seeds of a recipe, then the comparison and one report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.commands.model_options import SettingsOption
from arcface_plus.console import output, say
from data_prep.files import check_folder_writable

if TYPE_CHECKING:
    from arcface_plus.studies.plan import Plan
    from arcface_plus.studies.scheduler import Failure


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
        int, typer.Option("--jobs", min=1, help="Runs at a time; they share the cores and GPUs.")
    ] = 1,
    only: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Run only VARIANT/seed_N that match, e.g. 'mma/*'."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="List the runs, their state and their data; write nothing."),
    ] = False,
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
    if dry_run:
        for line in _listed(plan, folder, only):
            output(line)
        return
    check_folder_writable(folder)
    failures = [] if report else run_study(plan, folder, only, jobs)
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
        lines.append(f"{run.name:{width}}  {run.config.optimizer.steps} steps  {told}")
    return [*lines, *map(str, needs(runs))]


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
