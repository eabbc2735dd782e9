"""What all pages share: the environment table and the escaping of names."""

from __future__ import annotations

import json

from eval.report.page import environment_rows, render
from eval.runs import read_run


def test_what_runs_share_is_said_once(seeded_run, tmp_path):
    runs = [seeded_run(name, 0, {"lfw": (3, 1)}, pairs=40) for name in "abc"]
    for run in runs[:2]:
        content = {"torch": "2.12", "command": ["train", run.name], "gpus": {"n": 1}}
        (run / "environment.json").write_text(json.dumps(content))
    rows, remarks = environment_rows([read_run(run) for run in runs])
    assert {row.key: row.values for row in rows} == {
        "torch": (("", "2.12"),),
        "command": (("a", "train a"), ("b", "train b")),
        "gpus": (("", '{"n": 1}'),),
    }
    assert remarks == ["Environment: nothing from c (no environment.json)."]


def test_names_are_shown_and_not_obeyed():
    page = render("base.html.jinja", title="<b>\x1b[31m</b>")
    assert "<title>&lt;b&gt;\\x1b[31m&lt;/b&gt;</title>" in page
    assert "prefers-color-scheme: dark" in page
