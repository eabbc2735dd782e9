"""The program works in folders with packages of the same names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder with packages of the same names as ours that fail when imported."""
    for package in ("eval", "data_prep"):
        (tmp_path / package).mkdir()
        for name in ("__init__", "verification", "errors"):
            (tmp_path / package / f"{name}.py").write_text("raise ImportError('not ours')\n")
    return tmp_path


def run_in(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """The folder is first on sys.path twice: as the current folder, and by PYTHONPATH."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=folder, env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_folder_with_its_own_eval(foreign):
    done = run_in(foreign, "-m", "arcface_plus", "eval", "compare", "one", "other")
    assert done.returncode == 2
    assert done.stderr.startswith("arcface-plus: one: "), done.stderr


def test_spawned_processes_in_such_a_folder(foreign):
    words = ["data", "synth", "faces", "--identities", 3, "--images", 4, "--pairs", 20]
    done = run_in(foreign, "-m", "arcface_plus", *words)
    assert done.returncode == 0, done.stderr
    assert (foreign / "faces/synth_pose.bin").is_file()


def test_torchrun_in_such_a_folder(foreign):
    done = run_in(
        foreign, "-m", "torch.distributed.run", "--nproc-per-node=1",
        "-m", "arcface_plus", "eval", "compare", "one", "other",
    )  # fmt: skip
    assert "arcface-plus: one: " in done.stderr, done.stderr
