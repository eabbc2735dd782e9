"""The picture of the mechanism, on a study made by hand."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import cv2
import pytest
import yaml

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("draw_mechanism")


def run(study, variant, seed, regularizer, head="arcface", ratios=(), angles=()):
    directory = study / "runs" / variant / f"seed_{seed}"
    directory.mkdir(parents=True)
    term = {"layers": "classifier", **regularizer}
    config = {"run": {"seed": seed, "name": variant}, "head": {"name": head}, "regularizer": term}
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    lines = []
    for number, angle in enumerate(angles):
        line = {"step": 50 * (number + 1), "mean_min_angle_deg": angle}
        if ratios:
            line["regularizer_gradient_ratio"] = ratios[number]
        lines.append(line)
    (directory / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return directory


NONE = {"name": "none", "weight": 0.0}


def study(folder):
    run(folder, "arcface", 0, NONE, angles=[70.0, 60.0])
    run(folder, "cosface", 0, NONE, head="cosface", angles=[10.0, 10.0])
    run(folder, "mhe", 0, {"name": "mhe", "weight": 1.0}, ratios=[0.5, 0.5], angles=[9.0, 9.0])
    hidden = {"name": "mma", "weight": 7.0, "layers": "hidden"}
    run(folder, "hidden", 0, hidden, ratios=[0.5, 0.5], angles=[9.0, 9.0])
    for seed, shift in ((0, 0.0), (1, 0.02), (2, 0.01)):
        strong = {"name": "mma", "weight": 3.0}
        run(folder, "any name", seed, strong, ratios=[0.1, 0.2 + shift], angles=[70.0, 65.0])
    weak = {"name": "mma", "weight": 0.03}
    return run(folder, "mma_0.03", 0, weak, ratios=[0.001, 0.002], angles=[70.0, 60.5])


def test_runs_are_sorted_by_their_configs(tool, tmp_path):
    study(tmp_path)
    found = tool.arms(tmp_path)
    names = {weight: [run.parent.name for run in runs] for weight, runs in found.items()}
    assert names == {0.0: ["arcface"], 0.03: ["mma_0.03"], 3.0: ["any name"] * 3}


def test_the_later_of_two_lines_of_a_step_counts_and_a_half_study_can_be_drawn(tool, tmp_path):
    resumed = study(tmp_path / "one")
    with (resumed / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 100, "regularizer_gradient_ratio": 0.004}) + "\n")
    run(tmp_path / "two", "mma", 0, {"name": "mma", "weight": 0.3}, ratios=[0.01], angles=[50.0])
    out = tmp_path / "out.png"
    drawn = tool.draw([tmp_path / "one", tmp_path / "two"], out)
    assert drawn["one"][0.03] == {50: [0.001], 100: [0.004]}
    assert sorted(drawn["one"][3.0][100]) == pytest.approx([0.2, 0.21, 0.22])
    assert drawn["two"] == {0.3: {50: [0.01]}}
    picture = cv2.imread(str(out))
    assert picture.shape[1] > 900
    assert picture.std() > 10


def test_a_study_without_mma_is_refused_in_one_line(tool, tmp_path, capsys):
    run(tmp_path, "arcface", 0, NONE, angles=[70.0])
    assert tool.main([str(tmp_path), "--out", str(tmp_path / "out.png")]) == 2
    error = capsys.readouterr().err
    assert str(tmp_path) in error
    assert error.count("\n") == 1
