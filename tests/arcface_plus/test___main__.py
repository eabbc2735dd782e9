"""The first things the program does: signals end it, and `eval` is its own `eval`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from arcface_plus.config.tree import shipped

ROOT = Path(__file__).parents[2]
AS_PROCESS_1 = ["unshare", "--pid", "--fork", "--kill-child", "--map-root-user"]


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder whose packages have the names of ours, and break whoever imports them."""
    for package in ("eval", "data_prep"):
        (tmp_path / package).mkdir()
        for name in ("__init__", "verification", "errors"):
            (tmp_path / package / f"{name}.py").write_text("raise ImportError('not ours')\n")
    return tmp_path


def run_in(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """The folder comes first on sys.path twice: as the current one, and by PYTHONPATH."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=folder, env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_folder_with_an_eval_of_its_own(foreign):
    done = run_in(foreign, "-m", "arcface_plus", "eval", "compare", "one", "other")
    assert done.returncode == 2
    assert done.stderr.startswith("arcface-plus: one: "), done.stderr


def test_processes_that_are_spawned_there(foreign):
    words = ["data", "synth", "faces", "--identities", 3, "--images", 4, "--pairs", 20]
    done = run_in(foreign, "-m", "arcface_plus", *words)
    assert done.returncode == 0, done.stderr
    assert (foreign / "faces/synth_pose.bin").is_file()


def test_torchrun_there(foreign):
    done = run_in(
        foreign, "-m", "torch.distributed.run", "--nproc-per-node=1",
        "-m", "arcface_plus", "eval", "compare", "one", "other",
    )  # fmt: skip
    assert "arcface-plus: one: " in done.stderr, done.stderr


def can_be_process_1() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*AS_PROCESS_1, "true"], capture_output=True, check=False).returncode == 0


SLOW_IMPORT = """
import os, sys, time

class Slow:
    def find_spec(name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(Slow)
            print(os.readlink("/proc/self"), flush=True)  # its number outside, where /proc is from
            time.sleep(60)

sys.meta_path.insert(0, Slow)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("module", ["arcface_plus.cli", "torch"])
def test_a_signal_during_start_up_ends_process_1(tmp_path, module, number):
    """As in a container without an init: a signal that process 1 does not handle is lost."""
    if not can_be_process_1():
        pytest.skip("no right to make a PID namespace here")
    (tmp_path / "sitecustomize.py").write_text(SLOW_IMPORT.format(module=module))
    process = subprocess.Popen(
        [*AS_PROCESS_1, sys.executable, "-m", "arcface_plus", "train",
         str(shipped("demo_arcface.yaml")), "--set", "data.train=gone"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        os.kill(int(process.stdout.readline()), number)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 128 + number, errors
    assert errors == f"arcface-plus: stopped by {number.name}\n"
