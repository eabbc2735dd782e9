"""Signals end the program, also as process 1; training stops at the first one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from arcface_plus.cli import main
from arcface_plus.config.tree import shipped
from arcface_plus.signals import Interrupts, Stopped, stop_at_signals

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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_outside_an_import_files_can_be_closed(number):
    before = signal.getsignal(number)
    with pytest.raises(Stopped, match=f"stopped by {number.name}") as stopped, stop_at_signals():
        os.kill(os.getpid(), number)
    assert stopped.value.number == number
    assert signal.getsignal(number) is before


def test_other_threads_install_no_handlers():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def look() -> None:
        with stop_at_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("disguise", [None, RecursionError("too deep")])
def test_a_signal_in_a_command_gives_its_status_and_one_line(disguise, number, monkeypatch, capfd):
    """Typer turns a KeyboardInterrupt into 130, and libraries may turn it into anything."""

    def command(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), number)
        except Stopped:
            if disguise is not None:
                raise disguise from None
            raise

    monkeypatch.setattr("arcface_plus.config.tree.load", command)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as left:
        main(["train", "x.yaml"])
    assert left.value.code == 128 + number
    assert capfd.readouterr().err == f"arcface-plus: stopped by {number.name}\n"
    assert signal.getsignal(number) is before


class Former(Exception):
    pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_the_second_signal_has_its_previous_effect(number):
    """Not the system's default, which process 1 of a container lacks for SIGTERM."""

    def former(*_: object) -> None:
        raise Former

    before = signal.signal(number, former)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), number)
            assert interrupts.received == number
            with pytest.raises(Former):
                os.kill(os.getpid(), number)
        assert signal.getsignal(number) is former
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("several", [True, False])
def test_under_torchrun_the_second_signal_has_no_effect(several, monkeypatch):
    """A scheduler signals all processes, and torchrun forwards what it gets."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("had its previous effect"))
    try:
        with Interrupts(several) as interrupts:
            assert not interrupts.arrived()
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            assert interrupts.arrived()
            assert interrupts.received == signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def test_under_torchrun_the_second_signal_does_not_cut_off_closing_files(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    closed = []

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            closed.append(True)

    with pytest.raises(Stopped), stop_at_signals():
        work()
    assert closed == [True]
