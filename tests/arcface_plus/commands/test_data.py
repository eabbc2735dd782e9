"""`data`: its list of commands, the hints of its messages, and `data synth`."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from command_line import arcface_plus

from arcface_plus.cli import app
from data_prep.pairs import read_pairs

ROOT = Path(__file__).parents[3]
OF_OTHER_PROGRAMS = {
    "--always",
    "--dirty",
    "--abbrev",
    "--show-toplevel",
    "--query-gpu",
    "--format",
}


def test_help_names_every_tool(capsys):
    shown = arcface_plus(capsys, "data", "--help").out
    for name in ("align", "pack", "pairs", "inspect", "check", "extract", "synth"):
        assert re.search(rf"^[│\s]*{name}\b", shown, re.MULTILINE), name
    rows = [line for line in shown.partition("Commands")[2].splitlines() if "│" in line]
    assert len(rows) == 7  # each says what it does in one short line


def test_synth_draws_a_set(tmp_path, capsys):
    words = ("data", "synth", tmp_path / "set", "--identities", 2, "--images", 1, "--pairs", 20)
    done = arcface_plus(capsys, *words)
    assert done.status == 0
    assert "2 images of 2 people, 20 pairs per file" in done.err
    for name in ("synth_frontal", "synth_pose", "synth_age"):
        assert len(read_pairs(tmp_path / "set" / f"{name}.bin")[1]) == 20
    arcface_plus(capsys, *words[:-1], 30).assert_one_line("pairs: 30", "a multiple of 20")


@pytest.mark.parametrize(
    "words",
    [
        ("align", "SRC", "FILE/out", "--landmarks", "LIST"), ("pack", "SRC", "FILE/out"),
        ("pairs", "LIST", "SRC", "FILE/out/x.bin"), ("extract", "SRC", "FILE/out"),
        ("check", "SRC", "--csv", "FILE/x.csv"), ("check", "SRC", "--repair", "FILE/out"),
        ("inspect", "SRC", "--sheet", "FILE/x.png"), ("synth", "FILE/out"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_outputs_are_checked_before_the_work(words, tmp_path, capsys, monkeypatch):
    """SRC does not even exist: what is said first is that nothing could be written."""
    monkeypatch.chdir(tmp_path)
    Path("FILE").touch()
    said = arcface_plus(capsys, "data", *words)
    said.assert_one_line("FILE")
    assert "is a file" in said.err or "directory" in said.err


def options(command: Any) -> set[str]:
    found = {name for parameter in command.params for name in parameter.opts}
    found |= {name for parameter in command.params for name in parameter.secondary_opts}
    if hasattr(command, "commands"):
        for below in command.commands.values():
            found |= options(below)
    return found


def hints(source: Path) -> set[str]:
    """Options that the file's texts name."""
    tree = ast.parse(source.read_text("utf-8"))
    texts = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return {hint for text in texts for hint in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text.value)}


def test_hints_name_options_that_exist():
    known = options(typer.main.get_command(app)) | {"--help"} | OF_OTHER_PROGRAMS
    for package in ("data_prep", "eval", "arcface_plus"):
        for source in sorted((ROOT / package).rglob("*.py")):
            assert hints(source) <= known, source
