"""A study on a terminal: its verdicts, one table for each reference."""

from __future__ import annotations

from rich.console import Console

from eval.report.study_tables import left_out, progress
from eval.report.terminal import print_table, text
from eval.study import Study


def study_to_terminal(study: Study, console: Console) -> None:
    """Print what is missing, the verdicts and the warnings."""
    if study.unfinished:
        console.print(text(progress(study), "yellow"))
    for comparison in study.comparisons:
        print_table(comparison, console)
    for warning in (*study.warnings, *left_out(study)):
        console.print(text(f"Warning: {warning}", "yellow"))
