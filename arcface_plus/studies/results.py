"""The finished runs of a study, read and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from arcface_plus.evaluation.comparison_parts import class_angles, layer_angles
from arcface_plus.run_directory.finished import verification_file
from arcface_plus.studies.plan import Plan, PlannedRun, start_of
from arcface_plus.studies.scheduler import Failure
from arcface_plus.studies.state import State, state_of
from eval.compare import comparison_of
from eval.groups import Group
from eval.metric import METRICS
from eval.report.write import write_study
from eval.runs import Run, read_run
from eval.secondary import secondary
from eval.single_classes import with_single_classes
from eval.study import Arm, Study, Unfinished, judged


def collect(plan: Plan, folder: Path, failures: Sequence[Failure] = ()) -> Study:
    """What the finished runs in the study's folder show.

    `failures`: of this call's runs, for the list of runs without a result.
    """
    states = {planned.name: state_of(folder, planned) for planned in plan.runs}
    finished = [planned for planned in plan.runs if states[planned.name].kind == "finished"]
    groups = {
        name: Group(name, _runs(name, finished, folder, plan.targets))
        for name in plan.study.variants
    }
    arms = tuple(
        Arm(
            name,
            groups[name],
            plan.study.seed_list,
            {target: figure / 100 for target, figure in variant.paper.items()},
            plan.changes[name],
        )
        for name, variant in plan.study.variants.items()
    )
    changed = {key for changes in plan.changes.values() for key in changes}
    changed |= {f"{key.rsplit('.', 1)[0]}" for key in changed if key.endswith(".name")}
    metric = METRICS[plan.study.metric]
    pairs, resolve = plan.study.comparisons, plan.study.resolve / 100
    return Study(
        name=plan.study.name,
        targets=plan.targets,
        arms=arms,
        overall=comparison_of(list(groups.values()), plan.targets, [], changed, metric),
        comparisons=judged(arms, pairs, plan.targets, resolve, changed, metric),
        unfinished=_unfinished(plan.runs, states, failures),
        secondary=tuple(
            secondary(METRICS[name], target, groups, pairs)
            for name in plan.study.secondary
            for target in plan.targets
        ),
        paper=plan.study.paper,
        needs=plan.study.needs,
        hypothesis=plan.study.hypothesis,
        plan=plan.study.plan,
    )


def write_results(study: Study, folder: Path) -> list[Path]:
    """Write study.json, report.md and report.html; their paths."""
    runs = study.overall.runs
    return write_study(study, folder, class_angles(runs), layer_angles(runs))


def _runs(
    variant: str, finished: Sequence[PlannedRun], folder: Path, targets: Sequence[str]
) -> tuple[Run, ...]:
    """The runs of a variant, each with the evaluation of its last checkpoint."""
    runs = []
    for planned in finished:
        if planned.variant == variant:
            run = folder / planned.folder
            read = read_run(verification_file(run, planned.config.optimizer.steps))
            config = _without_place(read.config, planned)
            results = with_single_classes(read.results, targets)
            named = replace(read, name=planned.name, path=planned.folder)
            runs.append(replace(named, config=config, results=results))
    return tuple(runs)


def _without_place(config: dict[str, Any] | None, planned: PlannedRun) -> dict[str, Any] | None:
    """The config with what a run starts from as the study says it: the same for all seeds."""
    if config is None or planned.start is None:
        return config
    return {**config, "model.init": start_of(planned.start.variant)}


def _unfinished(
    runs: Sequence[PlannedRun], states: Mapping[str, State], failures: Sequence[Failure]
) -> tuple[Unfinished, ...]:
    reasons = {failure.name: f"failed: {failure.reason}" for failure in failures}
    return tuple(
        Unfinished(run.name, reasons.get(run.name) or _why(states[run.name]))
        for run in runs
        if states[run.name].kind != "finished"
    )


def _why(state: State) -> str:
    if state.kind == "refused":
        return state.complaint
    return f"stopped at step {state.step}" if state.kind == "partly" else "not begun"
