"""The GPU session's script, rehearsed on a CPU, and its summary page."""

from __future__ import annotations

import importlib
import json
import runpy
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from arcface_plus import cli
from arcface_plus.models.heads import HEADS
from arcface_plus.models.regularizers import REGULARIZERS

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def session(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOLS / "measure_gpu.py"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)


@pytest.mark.slow
def test_a_rehearsal_trains_and_reports(tmp_path):
    done = session("--tiny", "--stages", "environment,casia", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [stage["outcome"] for stage in results["stages"]] == ["ok", "ok"]
    assert results["machine"]["cpu"]
    assert results["runs"]["casia"]["steps"] == 4
    assert results["runs"]["casia"]["images_per_second"] > 0
    assert "| casia | 4 |" in (tmp_path / "out" / "summary.md").read_text()
    with tarfile.open(tmp_path / "out" / "logs.tar.gz") as tar:
        names = tar.getnames()
    assert {"casia.log", "runs/casia/metrics.jsonl"} <= set(names)
    assert not [name for name in names if name.endswith((".safetensors", ".pt", ".rec"))]


@pytest.mark.slow
def run_here(_: object, name: str, command: list[str], seconds: float) -> str:
    """In place of `Session.run`: the command in this process, which has imported PyTorch."""
    try:
        if command[1:3] == ["-m", "arcface_plus"]:
            cli.main(command[3:])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", command[1:])
            runpy.run_path(str(TOOLS.parent / command[1]), run_name="__main__")
    except SystemExit as left:
        return "ok" if not left.code else f"exit status {left.code}"
    return "no exit status"


def test_a_rehearsal_of_the_costs_of_every_head_and_regularizer(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    tool = importlib.import_module("measure_gpu")
    monkeypatch.setattr(tool.Session, "run", run_here)
    words = ["--tiny", "--stages", "costs,mhe,checkpoint", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["measure_gpu.py", *words])
    assert tool.main() == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())["benches"]
    heads, terms = (result["rows"] for result in found["costs"]["results"])
    assert {row["name"] for row in heads} >= {*HEADS, "arcface, sharded, bf16"}
    assert {name.split()[0].strip(",") for name in (row["name"] for row in terms)} == {
        "arcface", *REGULARIZERS
    } - {"none"}  # fmt: skip
    assert all(row["milliseconds"] > 0 for row in heads + terms)
    assert "MHE" in found["mhe"]["results"][0]["title"]
    assert any(row["name"] == "training waits" for row in found["checkpoint"]["results"][0]["rows"])


def test_stages_end_at_their_limits_and_report_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    tool = importlib.import_module("measure_gpu")
    sleep = [sys.executable, "-c", "print('begun', flush=True); import time; time.sleep(60)"]
    here = tool.Session(
        tmp_path, None, tool.TINY, tool.time.monotonic() + 60, dict(tool.os.environ)
    )
    assert here.run("long", sleep, 6) == "stopped after 6 s"
    assert "begun" in (tmp_path / "long.log").read_text()
    assert here.run("broken", [sys.executable, "-c", "raise SystemExit(7)"], 20) == "exit status 7"
    over = tool.Session(tmp_path, None, tool.TINY, tool.time.monotonic(), dict(tool.os.environ))
    assert over.run("late", sleep, 6) == "no time left"
    assert tool.cfp(here) == "no --data"


def test_the_page_shows_tables_and_the_end_of_a_failed_log(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    summary = importlib.import_module("measure_summary")
    row = {"name": "ours", "milliseconds": 123.456, "peak_mb": None, "note": "a|b"}
    bench = {"results": [{"title": "step", "rows": [row]}]}
    (tmp_path / "step.json").write_text(json.dumps(bench))
    (tmp_path / "mma.log").write_text("".join(f"line {k}\n" for k in range(40)))
    run = tmp_path / "seeds" / "arcface_s0"
    run.mkdir(parents=True)
    rates = [1.0, 2.0, 500.0, 400.0, 600.0]
    lines = [
        {"step": 50 * k, "loss": 40.0 - k, "images_per_second": rate}
        for k, rate in enumerate(rates)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    outcomes = [{"stage": "mma", "outcome": "stopped after 300 s", "seconds": 300.0}]
    summary.publish(tmp_path, tmp_path, outcomes)
    text = (tmp_path / "summary.md").read_text()
    assert "| ours | 123.5 | – | a/b |" in text
    assert "line 39" in text
    assert "line 20" not in text
    figures = json.loads((tmp_path / "results.json").read_text())["runs"]["arcface_s0"]
    assert figures["images_per_second"] == 500.0
    assert figures["hours_for_the_papers_images"] == pytest.approx(38_000 * 440 / 500 / 3600)
    assert (figures["first_loss"], figures["last_loss"]) == (40.0, 36.0)


def test_an_unknown_stage_is_refused(tmp_path):
    done = session("--stages", "stepp", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "unknown stage stepp" in done.stderr
