"""A study → one HTML page: verdicts, the paper's table beside ours, spread over seeds, curves."""

from __future__ import annotations

from eval.report.class_angles import ClassAngles
from eval.report.dots import dots
from eval.report.headline import headline
from eval.report.layer_angles import Layers
from eval.report.page import environment_rows, render
from eval.report.study_tables import (
    LAST_CHECKPOINT,
    arms_table,
    left_out,
    paper_differences,
    paragraphs,
    progress,
    secondary_tables,
)
from eval.report.tables import CONFIG_DIFFERENCES, tables, tests_tables
from eval.report.training import training_sections
from eval.study import Study


def study_to_html(study: Study, class_angles: ClassAngles, layers: Layers) -> str:
    """The whole page.

    Args:
        class_angles: name of a run → the angle in degrees of each class to its nearest other.
        layers: name of a run → the angles of its layers.

    Raises:
        DataError: a file of a run is broken; what is missing is said in the page instead.
    """
    groups = study.overall.groups
    colours = {group.name: number for number, group in enumerate(groups)}
    figures = tables(study.overall)
    environment, environment_remarks = environment_rows(study.overall.runs)
    differences = paper_differences(study)
    return render(
        "study.html.jinja",
        study=study,
        arms=[(arm.name, len(arm.group.runs), len(arm.seeds)) for arm in study.arms],
        progress=progress(study),
        left_out=left_out(study),
        hypothesis=paragraphs(study.hypothesis),
        plan=paragraphs(study.plan),
        needs=paragraphs(study.needs),
        paper=" ".join(paragraphs(study.paper)),
        last_checkpoint=LAST_CHECKPOINT,
        headlines=[headline(comparison, colours) for comparison in study.comparisons],
        arms_table=arms_table(study),
        paper_differences=differences if differences.rows else None,
        dots=[found for t in study.targets if (found := dots(groups, t, study.metric)) is not None],
        sections=training_sections(groups, study.targets, class_angles, layers),
        tables=[
            *secondary_tables(study),
            *(table for table in figures if table.title != CONFIG_DIFFERENCES),
            *(table for comparison in study.comparisons for table in tests_tables(comparison)),
        ],
        config_tables=[table for table in figures if table.title == CONFIG_DIFFERENCES],
        environment_remarks=environment_remarks,
        environment_rows=environment,
        verdicts=[difference.sentence for difference in study.differences],
        warnings=study.warnings,
        caveats=study.caveats,
        unfinished=[f"{each.name}: {each.why}" for each in study.unfinished],
    )
