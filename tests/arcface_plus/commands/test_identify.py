"""`eval identify` on files: what is printed, what the JSON holds, where both go."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from arcface_plus.commands.identify import identify as command


@pytest.fixture
def run(tmp_path):
    """run(JSON) → result of identifying eight people among 1,500 strangers."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((8, 16)).astype(np.float32)
    np.savez(tmp_path / "g.npz", embeddings=rows, labels=np.arange(8))
    np.savez(tmp_path / "p.npz", embeddings=rows, labels=np.arange(8))
    np.save(tmp_path / "d.npy", rng.standard_normal((1500, 16)).astype(np.float16))
    app = typer.Typer()
    app.command()(command)
    files = (("gallery", "g.npz"), ("probes", "p.npz"), ("distractors", "d.npy"))
    words = [f"--{option}={tmp_path / file}" for option, file in files]

    def invoke(json_file):
        words_now = [*words, f"--json={json_file}", "--device=cpu"]
        return CliRunner().invoke(app, words_now)

    return invoke


def test_command_line(run, tmp_path):
    result = run(tmp_path / "out.json")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "8 probes, 8 trials (probe and mate) of 8 identities, 1,500 distractors"
    assert lines[1] == "        10 distractors: rank-1 100.00%  rank-5 100.00%  rank-10 100.00%"
    assert "TAR@FAR 1e-4: – (needs 100000 different pairs, there are 12000)" in lines
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["schema"] == 1
    assert content["protocol"] == "megaface"
    assert content["checkpoint"] is None
    assert content["counts"]["identical"] == 8
    assert content["rank"]["1500"] == {"1": 1.0, "5": 1.0, "10": 1.0}


def test_json_to_standard_output_is_alone_there(run):
    result = run("-")
    assert json.loads(result.stdout)["counts"]["identical"] == 8
    assert "8 probes, 8 trials" in result.stderr


def test_the_output_is_checked_before_the_work(run, tmp_path, monkeypatch):
    (tmp_path / "d.npy").unlink()
    (tmp_path / "folder").mkdir()
    assert "is a directory" in str(run(tmp_path / "folder").exception)
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)  # root may write
    assert "no permission to write" in str(run(tmp_path / "out.json").exception)
