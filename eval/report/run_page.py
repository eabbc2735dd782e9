"""One run → one HTML page: accuracies, scores, curves, angles, config, environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.conditions import all_settings, training
from eval.groups import Group
from eval.report.class_angles import ClassAngles
from eval.report.layer_angles import Layers
from eval.report.page import environment_rows, render
from eval.report.pair_scores import score_sections
from eval.report.pairs import worst_pairs
from eval.report.run_table import run_table
from eval.report.tables import Table
from eval.report.training import training_sections
from eval.report.values import value_rows
from eval.runs import Run


def run_to_html(
    run: Run,
    class_angles: ClassAngles,
    layers: Layers,
    pair_images: Mapping[str, Sequence[bytes]],
) -> str:
    """The whole page; the arguments are those of `comparison_to_html`.

    Raises:
        DataError: a file of the run is broken; what is missing is said in the page instead.
    """
    groups, targets = (Group(run.name, (run,)),), list(run.results.targets)
    environment, environment_remarks = environment_rows([run])
    figures = Table(
        "Training figures", ("", run.name), value_rows(groups, training([run], targets))
    )
    settings = Table("Settings", ("key", "value"), value_rows(groups, all_settings([run])))
    return render(
        "run.html.jinja",
        title=run.name,
        about=_about(run),
        run=run,
        found=run_table(run),
        sections=[
            *(score_sections(groups, targets) if targets else ()),
            *training_sections(groups, targets, class_angles, layers),
        ],
        worst_pairs=worst_pairs(groups, targets, pair_images) if targets else None,
        figures=figures,
        settings=settings,
        environment_remarks=environment_remarks,
        environment_rows=environment,
    )


def _about(run: Run) -> str:
    """Which run this is, and how it was verified."""
    facts = [
        f"step {run.step}" if run.step is not None else "",
        f"seed {run.seed}" if run.seed is not None else "",
        run.results.protocol,
        ""
        if run.results.flip is None
        else f"with{'' if run.results.flip else 'out'} mirror images",
    ]
    return ", ".join(fact for fact in facts if fact)
