"""`study` as a shell sees it: what it prints, writes and returns; one whole study for real."""

from __future__ import annotations

import json
import os
import re
import sys

import pytest
from command_line import arcface_plus
from studies import finish, planned, study_path

from arcface_plus.studies import execution


@pytest.fixture
def two(tmp_path, tiny_settings):
    """A study of two variants and one seed on generated faces, two steps a run."""
    pairs = dict(setting.split("=", 1) for setting in tiny_settings)
    return study_path(tmp_path, base="demo_arcface", set=None, seeds=1, variants={
        "plain": {"paper": {"synth_frontal": 90.0}},
        "mma": {"set": {"regularizer": {"name": "mma", "weight": 0.03}}},
    }), [word for key, value in pairs.items() for word in ("--set", f"{key}={value}")]  # fmt: skip


@pytest.mark.slow
def test_a_whole_study(capsys, tmp_path, two, monkeypatch):
    file, settings = two
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    out = tmp_path / "out"
    done = arcface_plus(capsys, "study", file, *settings, "--out", out, "--jobs", 2)
    assert done.status == 0, done
    assert "mma against plain" in done.out
    assert done.err.count(": finished (") == 2
    found = json.loads((out / "study.json").read_text())
    assert found["complete"]
    for name in ("plain", "mma"):
        for run in found["variants"][name]["runs"]:
            content = json.loads((out / run["run"] / "eval" / "step_00000002.json").read_text())
            value = content["targets"]["synth_frontal"]["accuracy"]["mean"]
            assert run["values"] == {"synth_frontal": value}
    assert "Mean nearest-neighbour angle" in (out / "report.html").read_text()
    again = arcface_plus(capsys, "study", file, *settings, "--out", out)
    assert again.status == 0
    assert "2 of them finished" in again.err
    assert ": starts" not in again.err


def test_a_dry_run_lists_states_and_data_and_writes_nothing(capsys, tmp_path):
    plan, out = planned(tmp_path, needs="Faces\nfrom their site\n"), tmp_path / "out"
    finish(out, plan.runs[0], 0.9)
    before = sorted(out.rglob("*"))
    done = arcface_plus(capsys, "study", plan.source, "--out", out, "--dry-run")
    assert done.status == 0
    assert done.out.splitlines() == [
        f"two: 4 runs in {out}",
        "plain/seed_0  20 steps  finished",
        "mma/seed_0    20 steps  new",
        "plain/seed_1  20 steps  new",
        "mma/seed_1    20 steps  new",
        "training data: DATA (missing)",
        "pairs: synth_frontal.bin beside the training data, or --set eval.data=FOLDER (missing)",
        "where from: Faces from their site",
    ]
    assert sorted(out.rglob("*")) == before


@pytest.mark.parametrize(("status", "expected"), [(1, 1), (2, 1), (3, 3)])
def test_failures_are_listed_and_decide_the_status(capsys, tmp_path, monkeypatch, status, expected):
    data = tmp_path / "faces"
    data.mkdir()
    (data / "synth_frontal.bin").touch()
    program = f"import sys; print('arcface-plus: it broke'); sys.exit({status})"
    command = [sys.executable, "-c", program]
    monkeypatch.setattr(execution.run_study, "__defaults__", (lambda config, run: command,))
    plan, out = planned(tmp_path, f"data.train={data}"), tmp_path / "out"
    for run in plan.runs[:2]:
        finish(out, run, 0.9)
    words = ("study", plan.source, "--set", f"data.train={data}", "--out", out)
    done = arcface_plus(capsys, *words)
    assert done.status == expected
    assert re.search(r"2 of 4 runs failed:\n  plain/seed_1: it broke\n  mma/seed_1: it", done.err)
    assert "it broke" in (out / "report.md").read_text()
    assert not json.loads((out / "study.json").read_text())["complete"]


def test_report_starts_no_run(capsys, tmp_path):
    plan, out = planned(tmp_path), tmp_path / "out"
    finish(out, plan.runs[0], 0.9)
    done = arcface_plus(capsys, "study", plan.source, "--out", out, "--report")
    assert done.status == 0
    assert "incomplete: 1 of 4 runs" in done.out
    assert "mma: no finished run" not in done.out
    assert not (out / "logs").exists()


def test_mistakes_are_one_line(capsys, tmp_path):
    file = study_path(tmp_path, sedes=3)
    arcface_plus(capsys, "study", file).assert_one_line("unknown key sedes", "seeds")
    arcface_plus(capsys, "study", "demoo").assert_one_line("did you mean demo?")
    words = ("study", study_path(tmp_path), "--out", tmp_path / "out")
    arcface_plus(capsys, *words).assert_one_line("training data: DATA (missing)")
