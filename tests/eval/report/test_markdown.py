"""Markdown and LaTeX: the table that papers want, whatever runs are called."""

from __future__ import annotations

import re

from verification_files import ARCFACE, BASE, BETTER, PLUS, target

from eval.compare import compare
from eval.report.markdown import comparison_to_markdown, run_to_markdown
from eval.runs import read_run


def test_the_first_table_has_the_verdicts(make_run):
    a = make_run("a_1", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("b|c", {"lfw": target(BETTER)}, config=PLUS)
    text = comparison_to_markdown(compare([a, b]))
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    assert lines[first] == (
        "| target | a_1, % | b\\|c, % | difference, points | 95% interval | p | verdict |"
    )
    row = "| lfw | 95.53 | 96.22 | +0.68 | +0.58 to +0.79 | &lt; 0.001 | b\\|c better |"
    assert lines[first + 2] == row
    assert all(line.endswith("|") for line in lines if line.startswith("|"))
    assert "| lfw | 95.53 ± 0.61 [95.33, 95.73] | 96.22 ± 0.69 [96.02, 96.42] |" in text
    assert "cannot tell" in text


def test_the_same_table_is_there_for_latex(make_run):
    a = make_run("a_1", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("50%&$#{~^\\", {"lfw": target(BETTER)}, config=PLUS)
    text = comparison_to_markdown(compare([b, a]))
    code = re.search("```latex\n(.*?)\n```", text, re.DOTALL)[1]
    assert code.startswith("\\begin{tabular}{lrrrrrr}\n\\toprule\ntarget & 50\\%\\&\\$\\#\\{")
    assert code.endswith("\\bottomrule\n\\end{tabular}")
    row = code.splitlines()[4]
    assert row.startswith("lfw & 96.22 & 95.53 & $-$0.68 & $-$0.79 to $-$0.58 & $<$ 0.001 & 50")
    assert row.count(" & ") == 6
    assert row.endswith(" better \\\\")
    assert code.isascii()


def test_names_are_no_markup(seeded_run):
    names = ["\x1b[31mred", "<script>alert(1)</script>", "a\\[b](http://c)`d`"]
    runs = [
        seeded_run(f"run{i}", 0, dict.fromkeys(names, (3, i + 1)), pairs=40, note=names)
        for i in range(2)
    ]
    text = comparison_to_markdown(compare(groups={names[0]: [runs[0]], names[1]: [runs[1]]}))
    outside = re.sub("```latex.*?\n```", "", text, flags=re.DOTALL)
    assert "<script" not in outside
    assert "&lt;script&gt;" in outside
    assert "\x1b" not in text
    assert "\\x1b" in outside
    assert "](http" not in outside.replace("\\](http", "")
    assert "`" not in outside.replace("\\`", "")
    assert text.count("`") - outside.count("`") == 6  # the fence alone: none can close it early


def test_one_run_is_a_table_too(make_run):
    run = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    text = run_to_markdown(read_run(run))
    assert "| lfw | 95.53 ± 0.61 | 95.33 to 95.73 | 6000 | 99.80 | 1.00 | 99.90 | 98.00 |" in text
    assert "$\\pm$" in text
