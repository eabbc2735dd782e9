"""SIGINT and SIGTERM end the program at any moment of its start-up, as process 1 too."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from arcface_plus.config.tree import shipped
from arcface_plus.signals import Stopped, stop_at_signals

ROOT = Path(__file__).parents[2]
AS_PROCESS_1 = ["unshare", "--pid", "--fork", "--kill-child", "--map-root-user"]


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
            try:
                time.sleep(60)
            except BaseException as error:  # what C code makes of it
                raise ImportError("lost in an import") from error

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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_outside_an_import_files_can_be_closed(number):
    before = signal.getsignal(number)
    with pytest.raises(Stopped, match=f"stopped by {number.name}") as stopped, stop_at_signals():
        os.kill(os.getpid(), number)
    assert stopped.value.number == number
    assert signal.getsignal(number) is before
