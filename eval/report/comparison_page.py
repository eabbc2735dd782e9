"""A comparison → one HTML page, the table that people paste into their papers first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.compare import Comparison
from eval.report.class_angles import ClassAngles
from eval.report.dots import dots
from eval.report.headline import headline
from eval.report.layer_angles import Layers
from eval.report.markdown import verdicts
from eval.report.page import environment_rows, render
from eval.report.pair_scores import score_sections
from eval.report.pairs import worst_pairs
from eval.report.sections import missing
from eval.report.tables import CONFIG_DIFFERENCES, tables
from eval.report.training import training_sections
from eval.wording import listed


def comparison_to_html(
    comparison: Comparison,
    class_angles: ClassAngles,
    layers: Layers,
    pair_images: Mapping[str, Sequence[bytes]],
) -> str:
    """The whole page.

    Args:
        class_angles: name of a run → the angle in degrees of each class to its nearest other.
        layers: name of a run → the angles of its layers.
        pair_images: target → the 2·P encoded images of its pair file.

    Raises:
        DataError: a file of a run is broken; what is missing is said in the page instead.
    """
    groups, targets = comparison.groups, [target.name for target in comparison.targets]
    every = tables(comparison)
    environment, environment_remarks = environment_rows(comparison.runs)
    return render(
        "compare.html.jinja",
        title=f"Comparison of {listed([group.name for group in groups])}",
        groups=[(group.name, len(group.runs)) for group in groups],
        headline=headline(comparison),
        verdicts=verdicts(comparison),
        warnings=comparison.warnings,
        dots=[found for target in targets if (found := dots(groups, target)) is not None],
        tables=[table for table in every if table.title != CONFIG_DIFFERENCES],
        sections=[
            *score_sections(groups, targets),
            *training_sections(groups, targets, class_angles, layers),
        ],
        worst_pairs=worst_pairs(groups, targets, pair_images),
        config_remarks=_config_remarks(comparison),
        config_tables=[table for table in every if table.title == CONFIG_DIFFERENCES],
        environment_remarks=environment_remarks,
        environment_rows=environment,
        caveats=comparison.caveats,
        compared=[f"{run.name}: {run.results_file}" for run in comparison.runs],
    )


def _config_remarks(comparison: Comparison) -> list[str]:
    without = [run.name for run in comparison.runs if run.config is None]
    remarks = missing("Settings", without, "no config.yaml")
    if not comparison.config_differences and len(without) < len(comparison.runs):
        remarks.insert(0, "The configs at hand do not differ.")
    return remarks
