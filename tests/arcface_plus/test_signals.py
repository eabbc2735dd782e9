"""SIGTERM ends the program wherever it comes, with status 143; in the loop it is remembered."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from arcface_plus import cli
from arcface_plus.signals import (
    Interrupts,
    Terminated,
    forget_sigterm,
    sigterm_came,
    stop_at_sigterm,
)


@pytest.fixture
def stopping():
    former = stop_at_sigterm()
    yield
    signal.signal(signal.SIGTERM, former)
    forget_sigterm()


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.usefixtures("stopping")
def test_it_raises_what_nobody_catches_by_mistake():
    with pytest.raises(Terminated) as left:
        send(signal.SIGTERM)
    assert left.value.code == 143
    assert sigterm_came()
    assert not isinstance(left.value, Exception | KeyboardInterrupt)


def test_other_threads_leave_signals_alone():
    before, found = signal.getsignal(signal.SIGTERM), []
    thread = threading.Thread(target=lambda: found.append(stop_at_sigterm()))
    thread.start()
    thread.join()
    assert found == [None]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.usefixtures("stopping")
@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_the_loop_is_told_once_and_the_second_signal_acts_as_before(number, error):
    """As before, not by default: process 1 has no default action."""
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        send(number)
        assert interrupts.received == number
        with pytest.raises(error):
            send(number)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("disguise", [None, RecursionError("too deep")])
def test_in_a_command_it_is_status_143_and_one_line(disguise, monkeypatch, capfd):
    """Typer makes 130 of a KeyboardInterrupt; libraries that are being imported anything at all."""

    def command(*_: object, **__: object) -> None:
        try:
            send(signal.SIGTERM)
        except Terminated:
            if disguise is not None:
                raise disguise from None
            raise

    monkeypatch.setattr("arcface_plus.config.tree.load", command)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as left:
        cli.main(["train", "x.yaml"])
    assert left.value.code == 143
    assert capfd.readouterr().err == "arcface-plus: stopped by SIGTERM\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_handler_stands_before_the_command_line_is_imported():
    code = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'arcface_plus.cli': os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from arcface_plus.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (143, "")


def unshared(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def may_unshare() -> bool:
    try:
        return subprocess.run(["unshare", "-p", "-f", "true"], check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not may_unshare(), reason="no right to make a process 1")
def test_process_1_can_be_stopped_before_training():
    """Without a handler the kernel drops it, and `docker stop` waits for its ten seconds."""
    code = (
        "import arcface_plus.config.tree as tree, time\n"
        "def load(*_):\n"
        "    print('started', flush=True)\n"
        "    time.sleep(60)\n"
        "tree.load = load\n"
        "import sys; sys.argv = ['arcface-plus', 'train', 'x.yaml']\n"
        "from arcface_plus.__main__ import main\n"
        "main()\n"
    )
    process = unshared(["-c", code])
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    with open(children, encoding="ascii") as file:
        inside = int(file.read().split()[0])
    os.kill(inside, signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (143, "arcface-plus: stopped by SIGTERM\n")
