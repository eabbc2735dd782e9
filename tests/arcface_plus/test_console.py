"""Lines and bars: names cannot control the terminal; one bar at a time."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from rich.console import Console

from arcface_plus import console
from arcface_plus.console import bars_in_turn, new_bar, output, progress_bar, say

HOSTILE = "a[/b] :smile: \x1b[31mred\rback"
SHOWN = r"a[/b] :smile: \x1b[31mred\rback"


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    """The output to a terminal of 100 columns."""
    screen = io.StringIO()
    real = Console(
        file=screen, force_terminal=True, width=100, markup=False, emoji=False, highlight=False
    )
    monkeypatch.setattr(console, "console", real)
    return screen


def test_lines_escape_control_characters(capsys):
    say(HOSTILE)
    output(HOSTILE)
    captured = capsys.readouterr()
    assert captured.err.splitlines() == captured.out.splitlines() == [SHOWN]


def test_a_bar_shows_its_name_as_written(terminal):
    with progress_bar("lfw[/q]\x07") as progress:
        progress(3, 5)
        progress(5, 5)
    drawn = terminal.getvalue()
    assert r"lfw[/q]\x07" in drawn
    assert "5/5" in drawn
    assert "\x07" not in drawn


def test_bars_appear_one_after_the_other(terminal):
    """Rich before 14.1 does not support a second live bar."""
    with bars_in_turn() as bar:
        first, second = bar("gallery"), bar("distractors")
        assert terminal.getvalue() == ""  # a step that never begins has no bar
        first(1, 2)
        first(2, 2)
        second(7, 7)
    drawn = terminal.getvalue()
    assert drawn.index("2/2") < drawn.index("distractors")
    assert "7/7" in drawn


def test_output_is_flushed_without_a_terminal():
    """A line must not stay in a buffer until the next one, which may be an hour later."""
    code = "from arcface_plus.console import output; output('one'); import os; os._exit(0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"one\n"


def test_long_lines_are_not_broken(capfd):
    say("word " * 100)
    assert capfd.readouterr().err.count("\n") == 1


def test_without_a_terminal_no_bar_is_drawn(capfd):
    with progress_bar("decoding") as progress:
        progress(1, 2)
    with new_bar() as bar:
        bar.add_task("x", total=3)
    assert capfd.readouterr().err.strip() == ""
