"""The tables of docs/evidence.md, from the folder of a study that looks finished."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from scipy import stats
from studies import finish, planned

from arcface_plus.studies.results import collect, write_results

TOOLS = Path(__file__).resolve().parents[2] / "tools"
ACCURACIES = {"plain": [0.80, 0.82, 0.81], "mma": [0.83, 0.84, 0.86]}


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    yield importlib.import_module("evidence_tables")
    sys.modules.pop("evidence_tables", None)


@pytest.fixture
def folder(tmp_path):
    plan = planned(tmp_path, seeds=3, secondary=["eer"])
    for run in plan.runs:
        finish(tmp_path, run, ACCURACIES[run.variant][run.seed])
        angle = {"plain": 60.0, "mma": 64.0}[run.variant] + run.seed * (1 + (run.variant == "mma"))
        lines = [
            {"step": step, "min_angle_deg": 20.0 + step / 100, "mean_min_angle_deg": angle,
             "regularizer_gradient_ratio": 0.5 if step < 3 else 0.25}
            for step in (1, 2, 3, 4)
        ]  # fmt: skip
        file = tmp_path / run.folder / "metrics.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_results(collect(plan, tmp_path), tmp_path)
    return tmp_path


def test_accuracies_have_the_study_s_verdicts(tool, folder):
    study = json.loads((folder / "study.json").read_text())
    header, plain, mma = tool.accuracy_rows(study)
    assert plain[:3] == ["plain", "3", "81.00 ± 1.00"]
    assert mma[3] == "+3.33"
    assert mma[header.index("verdict")] == study["comparisons"][0]["verdict"]
    assert tool.secondary_rows(study)[0][1] == "eer synth_frontal, %"


def test_angles_are_paired_by_seed_and_the_ratio_is_the_late_one(tool, folder):
    study = json.loads((folder / "study.json").read_text())
    header, plain, mma = tool.training_rows(study, folder)
    assert plain[3] == "61.0 ± 1.0"
    low, high = stats.t.interval(0.95, 2, 5.0, stats.sem([4.0, 5.0, 6.0]))
    assert mma[4] == f"+5.0, {low:+.1f} to {high:+.1f}"
    assert mma[header.index("gradient ratio, late")] == "0.25"


def test_several_studies_together_count_alike(tool, folder):
    study = json.loads((folder / "study.json").read_text())
    other = json.loads((folder / "study.json").read_text()) | {"name": "other"}
    for run in other["variants"]["mma"]["runs"]:
        run["values"]["synth_frontal"] -= 0.02 + 0.001 * run["seed"]
    header, row = tool.together_rows([study, other])
    assert header[:3] == ["variant", "two", "other"]
    assert row[:4] == ["mma", "+3.33", "+1.23", "+2.28"]
    first, second = [3.0, 2.0, 5.0], [1.0, -0.1, 2.8]
    squares = [stats.sem(first) ** 2, stats.sem(second) ** 2]
    freedom = sum(squares) ** 2 / sum(square**2 / 2 for square in squares)
    low, high = stats.t.interval(0.95, freedom, 13.7 / 6, sum(squares) ** 0.5 / 2)
    assert row[4] == f"{low:+.2f} to {high:+.2f}".replace("-", "−")


def test_the_tables_are_markdown(tool, folder, capsys):
    tool.main([str(folder)])
    told = capsys.readouterr().out
    assert told.startswith("## two\n")
    assert all(line.count("|") == 8 for line in told.splitlines() if line.startswith("| mma | 3"))


def test_a_folder_that_is_no_study_is_one_line(tmp_path):
    command = [sys.executable, str(TOOLS / "evidence_tables.py"), str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "study.json" in done.stderr
