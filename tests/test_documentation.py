"""What the documentation shows is run: Python examples as they stand, commands by their options."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from arcface_plus.cli import app, main

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


SMALL = [
    "model.backbone={name: tiny, width: 0.25}", "model.embedding_dim=16", "data.batch_size=8",
    "optimizer.steps=2", "optimizer.milestones=[]", "eval.every=2", "logging.every=1",
    "runtime.compile=false",
]  # fmt: skip


def test_the_commands_of_the_readme_run_in_their_order(tmp_path, monkeypatch, synthetic, capsys):
    """As a user types them, in a folder with InsightFace's; only the trainings are made small."""
    data = tmp_path / "faces_webface_112x112"
    data.mkdir()
    for name in ("train.rec", "train.idx", "property"):
        shutil.copy(synthetic / name, data)
    for ours, theirs in {"frontal": "lfw", "pose": "cfp_fp", "age": "agedb_30"}.items():
        shutil.copy(synthetic / f"synth_{ours}.bin", data / f"{theirs}.bin")
    monkeypatch.chdir(tmp_path)
    section = (ROOT / "README.md").read_text("utf-8").partition("## Train on CASIA-WebFace")[2]
    block = next(match[2] for match in _BLOCK.finditer(section))
    lines = [line for line in block.splitlines() if line.startswith("arcface-plus ")]
    assert len(lines) == 4
    for line in lines:
        words = shlex.split(line)[1:]
        small = [word for key in SMALL for word in ("--set", key)] if words[0] == "train" else []
        with pytest.raises(SystemExit) as left:
            main([*words, *small])
        assert not left.value.code, (line, capsys.readouterr().err)
    assert (tmp_path / "comparison/compare.html").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_have_short_lines_and_contents(page):
    """Lines of tables, code and links that cannot be broken may be longer."""
    text = page.read_text(encoding="utf-8")
    prose = _BLOCK.sub("", text)
    long = [
        line
        for line in prose.splitlines()
        if len(line) > 120 and not line.startswith(("|", "[", "!")) and "](" not in line
    ]
    assert long == []
    headings = re.findall(r"^## (.+)$", prose, re.MULTILINE)
    if page.parent.name == "docs" and len(headings) > 2:
        missing = [heading for heading in headings if f"- [{heading}](#" not in text]
        assert missing == [], "the contents list lacks them"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        if "://" in target:
            continue
        other = page.parent / file if file else page
        assert other.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {_anchor(title) for title in titles}, target


def _anchor(title: str) -> str:
    """A heading's anchor as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_the_tree_of_the_readme_shows_every_folder_and_nothing_that_is_gone():
    text = (ROOT / "README.md").read_text("utf-8").partition("## Where things are")[2]
    tree = next(match[2] for match in _BLOCK.finditer(text))
    shown = set(re.findall(r"[\w]+/|[\w]+\.py\b", tree))
    there = {
        f"{path.name}/" if path.is_dir() else path.name
        for top in ("data_prep", "eval", "arcface_plus", "tests", "docs", "tools")
        for path in [ROOT / top, *(ROOT / top).rglob("*")]
        if "__pycache__" not in path.parts
    } | {"configs/", "docker/"}
    assert shown - there == set()
    folders = {
        f"{path.parent.name}/"
        for top in ("data_prep", "eval", "arcface_plus")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert folders - shown == set()
