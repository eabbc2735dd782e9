"""What the documentation shows is run: Python examples as they stand, commands by their options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from arcface_plus.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "docker/README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def python_blocks(page: Path) -> list[tuple[int, str]]:
    """Line and code of each ```python block."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, match.start(2)), match[2])
        for match in _BLOCK.finditer(text)
        if match[1] == "python"
    ]


@pytest.mark.parametrize("page", [p for p in PAGES if python_blocks(p)], ids=lambda p: p.name)
def test_the_examples_of_a_page_run_one_after_the_other(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "example"}
    for line, code in python_blocks(page):
        exec(compile("\n" * line + code, str(page), "exec"), names)


def commands(page: Path) -> list[str]:
    """Every whole command line of a page that calls arcface-plus, continuation lines joined."""
    found = []
    for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        text = re.sub(r"\\\n\s*", " ", match[2])
        for shown in text.splitlines():
            line = shown.removeprefix("$ ").split("  #")[0].strip()
            if line.startswith("arcface-plus ") and not re.search(r"[…·\[|]", line):
                found.append(line)
    return found


COMMANDS = sorted({line for page in PAGES for line in commands(page)})


def test_commands_are_found():
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_has_only_options_that_exist(line):
    words = shlex.split(line)[1:]
    command, given = get_command(app), words
    context = command.make_context("arcface-plus", list(given), resilient_parsing=False)
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        _, command, given = command.resolve_command(context, rest)
        context = command.make_context(command.name, list(given), parent=context)
