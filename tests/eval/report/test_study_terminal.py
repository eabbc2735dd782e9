"""A study on a terminal: what is missing first, then a table for each reference."""

from __future__ import annotations

import io

import pytest
from judged_studies import arms, study
from rich.console import Console

from eval.report.study_terminal import study_to_terminal
from eval.study import Unfinished


@pytest.fixture
def three(seeded_run):
    return arms(seeded_run)


def test_verdicts_and_what_is_missing(three):
    stream = io.StringIO()
    found = study(
        three, [("plain", "mma <b>"), ("half", "mma <b>")], (Unfinished("half/seed_3", "no"),)
    )
    study_to_terminal(found, Console(file=stream, width=100))
    text = stream.getvalue()
    assert text.startswith("This study is incomplete: 8 of 9 runs")
    assert "mma <b> against plain (3 and 3 runs)" in text
    assert "mma <b> against half (3 and 3 runs)" in text
    assert text.count("corrected for 2 verdicts") == 2
