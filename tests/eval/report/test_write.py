"""A comparison on the terminal, as Markdown and as JSON."""

from __future__ import annotations

import io
import json

from rich.console import Console
from verification_files import ARCFACE, BASE, BETTER, PLUS, target

from eval.compare import compare
from eval.report import write as report


def printed(comparison, width=200):
    console = Console(file=io.StringIO(), width=width)
    report.to_terminal(comparison, console)
    return console.file.getvalue()


def test_a_missing_target_is_said(make_run):
    a = make_run("a", {"lfw": target(ARCFACE), "cfp_fp": target(ARCFACE, 700)}, config=BASE)
    b = make_run("b", {"lfw": target(BETTER), "agedb_30": target(BETTER)}, config=PLUS)
    comparison = compare([a, b])
    assert [t.name for t in comparison.targets] == ["lfw", "cfp_fp", "agedb_30"]
    assert "cfp_fp: not compared: b has no result for it" in comparison.warnings
    assert "agedb_30: not compared: a has no result for it" in comparison.warnings
    for text in (printed(comparison), report.to_markdown(comparison)):
        assert "cfp_fp: not compared: b has no result" in text


def test_terminal_markdown_and_json(make_run, tmp_path):
    a = make_run("a[red]", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("b|c", {"lfw": target(BETTER)}, config=PLUS)
    comparison = compare([a, b])
    text = printed(comparison)
    header = next(line for line in text.splitlines() if line.split()[:1] == ["target"])
    assert header.split() == ["target", "a[red]", "b|c"]
    assert "95.53 ± 0.61 [95.33, 95.73]" in text
    assert "regularizer.weight" in text
    assert "TAR at FAR 1e-1" in text
    assert "1e-3" not in text  # null in all runs: no row
    written = report.write(comparison, tmp_path / "out" / "deep")
    assert [path.name for path in written] == ["compare.json", "compare.md", "compare.html"]
    assert sorted(path.name for path in (tmp_path / "out" / "deep").iterdir()) == [
        "compare.html",
        "compare.json",
        "compare.md",
    ]
    markdown = written[1].read_text(encoding="utf-8")
    assert "| lfw | 95.53 ± 0.61 [95.33, 95.73] | 96.22 ± 0.69 [96.02, 96.42] |" in markdown
    assert "## Accuracy of b\\|c − a[red], in points" in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert all(row.endswith("|") for row in rows)
    content = json.loads(written[0].read_text(encoding="utf-8"))
    assert content["reference"] == "a[red]"
    assert content["targets"]["lfw"]["differences"][0]["shown"] is True
    assert content["targets"]["lfw"]["results"]["b|c"]["accuracy"]["folds"][0] == BETTER[0] / 600
    assert content["config_differences"]["regularizer.weight"] == {"a[red]": 0.0, "b|c": 0.03}


def test_reports_of_groups(groups, tmp_path):
    comparison = compare(groups=groups)
    console = Console(file=io.StringIO(), width=80)
    report.to_terminal(comparison, console)
    shown = console.file.getvalue()
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "arcface (4 runs)" in shown
    assert "Welch's t over" in shown
    written = report.write(comparison, tmp_path / "out")
    content = json.loads(written[0].read_text(encoding="utf-8"))
    assert content["reference"] == "arcface"
    assert content["groups"]["plus"] == [f"plus_{i}" for i in range(4)]
    difference = content["targets"]["lfw"]["differences"][0]
    assert difference["verdict"]["test"] == "Welch's t"
    assert difference["shown"] is True
    assert content["targets"]["lfw"]["accuracies"]["plus"]["runs"] == 4
    markdown = written[1].read_text(encoding="utf-8")
    assert "seeds for 0.1" in markdown
    assert "| run.seed | 0, 1, 2, 3 | 0, 1, 2, 3 |" in markdown


NAMES = [
    "x[/bold]y",
    "\x1b[31mred",
    "<script>alert(1)</script>",
    ":warning:",
    "a\\[b](http://c)`d`",
]


def test_names_are_neither_markup_nor_control_characters(seeded_run, tmp_path):
    runs = [
        seeded_run(f"run{i}", 0, dict.fromkeys(NAMES, (3, i + 1)), pairs=40, note=NAMES)
        for i in range(2)
    ]
    groups = {NAMES[0] + NAMES[1]: [runs[0]], NAMES[2] + NAMES[3]: [runs[1]]}
    comparison = compare(groups=groups)
    console = Console(file=io.StringIO(), width=400, force_terminal=True, color_system=None)
    report.to_terminal(comparison, console)
    shown = console.file.getvalue()
    for name in ("x[/bold]y", "\\x1b[31mred", "<script>alert(1)</script>", ":warning:"):
        assert name in shown
    assert "\x1b[31m" not in shown
    _, markdown, page = (p.read_text("utf-8") for p in report.write(comparison, tmp_path / "out"))
    for text in (markdown, page):
        assert "<script" not in text
        assert "\x1b" not in text
        assert "\\x1b" in text
    assert "&lt;script&gt;" in markdown
    assert "](http" not in markdown.replace("\\](http", "")
    assert "`" not in markdown.replace("\\`", "")


def test_a_name_that_is_not_utf_8_does_not_stop_the_report(seeded_run, tmp_path):
    runs = [seeded_run(name, 0, {"lfw": (3, 1)}, pairs=40) for name in "ab"]
    odd = runs[0].rename(tmp_path / "odd\udcff")
    written = report.write(compare([odd, runs[1]]), tmp_path / "out")
    assert json.loads(written[0].read_text("utf-8"))["reference"] == "odd\udcff"
    for file in written[1:]:
        assert "odd" in file.read_text("utf-8")
