"""`arcface-plus bench …` hands its options on and writes what comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from arcface_plus.bench import (
    alignment,
    checkpoint,
    data,
    data_tools,
    evaluation,
    mma,
    sharded_mma,
    step,
    step_profile,
)
from arcface_plus.commands.bench import bench

ROW = {"name": "ours ArcFace+", "milliseconds": 12.5, "note": None}
TABLE = {"title": "a table", "rows": [ROW]}


@pytest.fixture
def calls(monkeypatch):
    """The benches replaced by what notes its arguments and returns a table."""
    seen: list[tuple] = []

    def replaced(name, result):
        def run(*arguments, **named):
            seen.append((name, *arguments, *named.values()))
            return result

        return run

    monkeypatch.setattr(step, "run", replaced("step", TABLE))
    monkeypatch.setattr(step_profile, "run", replaced("profile", [TABLE, TABLE]))
    monkeypatch.setattr(mma, "run", replaced("mma", [TABLE]))
    monkeypatch.setattr(sharded_mma, "run", replaced("sharded_mma", TABLE))
    monkeypatch.setattr(data, "run", replaced("data", TABLE))
    monkeypatch.setattr(checkpoint, "run", replaced("checkpoint", TABLE))
    for other in (data_tools, alignment):
        monkeypatch.setattr(other, "run", replaced("other", TABLE))
    return seen


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(bench, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_step_takes_the_devices_sizes_but_for_what_is_said(calls, tmp_path):
    invoke("step", "--device", "cpu")
    invoke("step", "--device", "cpu", "--backbone", "r50", "--batch", "8", "--classes", "93",
           "--micro-batch", "4")  # fmt: skip
    assert [call[2] for call in calls] == [step.Sizes("r18", 16), step.Sizes("r50", 8, 93, 4)]


def test_step_profiles_and_publishes_all_tables(calls, tmp_path):
    figures = tmp_path / "step.json"
    output = invoke("step", "--device", "cpu", "--profile", str(tmp_path), "--json", str(figures))
    assert calls[1][3:] == (tmp_path, {"ours ArcFace+": 12.5})
    written = json.loads(figures.read_text())
    assert written["results"] == [TABLE] * 3
    assert written["machine"]["cores"] >= 1
    assert output.count("a table") == 3
    assert "12.5" in output


def test_checkpoint_takes_the_disk_to_measure(calls, tmp_path):
    new = tmp_path / "new"
    invoke("checkpoint", "--device", "cpu", "--classes", "93", "--folder", str(new))
    assert calls == [("checkpoint", torch.device("cpu"), "r50", 93, new)]
    assert new.is_dir()


@pytest.mark.parametrize("name", ["step", "mma", "eval", "data", "checkpoint"])
def test_the_json_file_is_checked_before_any_work(calls, monkeypatch, tmp_path, name):
    def too_late(*_, **__):
        raise AssertionError("the work was begun")

    monkeypatch.setattr(evaluation, "run", too_late)
    words = [name] if name == "data" else [name, "--device", "cpu"]
    done = CliRunner().invoke(bench, [*words, "--json", str(tmp_path)])
    assert "is a directory; name a file" in str(done.exception)
    done = CliRunner().invoke(bench, [*words, "--json", "/nowhere/at/all.json"])
    assert "its directory does not exist" in str(done.exception)
    assert calls == []


def test_the_profiles_folder_is_checked_before_any_work(calls, tmp_path):
    (tmp_path / "file").touch()
    words = ["step", "--device", "cpu", "--profile", str(tmp_path / "file")]
    assert "is a file, not a directory" in str(CliRunner().invoke(bench, words).exception)
    assert calls == []


def test_json_to_standard_output_is_alone_there(calls):
    done = CliRunner().invoke(bench, ["mma", "--device", "cpu", "--json", "-"])
    assert json.loads(done.stdout)["results"] == [TABLE]
    assert "a table" in done.stderr


def test_mma_and_data_take_sizes_and_sets(calls):
    invoke("mma", "--device", "cpu", "--rows", "50", "--rows", "70")
    invoke("mma", "--device", "cpu", "--regularizer", "mhe")
    assert calls == [("mma", "cpu", [(50, 512), (70, 512)], "mma"), ("mma", "cpu", None, "mhe")]
    calls.clear()
    invoke("data", "--train", "set/train.rec")
    assert calls[0] == ("data", Path("set/train.rec"))


def test_mma_over_processes_is_a_benchmark_of_its_own(calls):
    invoke("mma", "--processes", "2", "--rows", "50")
    assert calls == [("sharded_mma", 2, [(50, 512)])]
    refused = CliRunner().invoke(bench, ["mma", "--processes", "2", "--device", "cuda"]).exception
    assert "--processes times MMA on the CPU" in str(refused)


def test_names_in_a_table_are_no_markup(calls, monkeypatch):
    row = {"name": "x[/bold]y", "milliseconds": 1.0}
    monkeypatch.setattr(mma, "run", lambda *_, **__: [{"title": "on [/q]", "rows": [row]}])
    shown = invoke("mma", "--device", "cpu")
    assert "x[/bold]y" in shown
    assert "on [/q]" in shown
