"""What users name is shown as it is: no markup, no emoji, no control characters sent."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from arcface_plus import console
from arcface_plus.console import new_bar, output, progress_bar, say

NAMES = ["x[/bold]y", "a[/b]", "[red]b[/q]", ":smile:", "[link=http://x]y", "p\\[q]"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_no_markup(name, capfd):
    say(name)
    output(name)
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == (f"{name}\n", f"{name}\n")


def test_control_characters_are_shown_not_sent(capfd):
    hostile = "a\x1b[31mb\rc\nd\u202ee\udcff"
    say(hostile)
    output(hostile)
    shown = capfd.readouterr()
    assert shown.out == shown.err == "a\\x1b[31mb\\rc\\nd\\u202ee\\xff\n"


def test_long_lines_are_not_broken(capfd):
    say("word " * 100)
    assert capfd.readouterr().err.count("\n") == 1


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    shown = io.StringIO()
    made = Console(file=shown, force_terminal=True, width=100, markup=False, emoji=False)
    monkeypatch.setattr(console, "console", made)
    return shown


@pytest.mark.parametrize("name", NAMES)
def test_a_bars_description_is_no_markup(name, terminal):
    with progress_bar(name) as progress:
        progress(3, 7)
    assert "3/7" in terminal.getvalue()
    assert name[:3] in terminal.getvalue()


def test_without_a_terminal_no_bar_is_drawn(capfd):
    with progress_bar("decoding") as progress:
        progress(1, 2)
    with new_bar() as bar:
        bar.add_task("x", total=3)
    assert capfd.readouterr().err.strip() == ""
