"""Several processes speak as one, and a lost one is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta

import pytest
import torch.distributed as dist
from processes import in_processes

from arcface_plus import torchrun


def _in_a_group(rank: int, count: int, port: int) -> None:
    os.environ |= {
        "RANK": str(rank), "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip


@pytest.fixture
def port() -> int:
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    yield store.port
    del store


def _announced(rank: int, port: int, lines: list[str]) -> list[str]:
    _in_a_group(rank, len(lines), port)
    said: list[str] = []
    torchrun.announce(lines[rank], said.append)
    return said


def test_one_of_several_says_the_line(port):
    assert sorted(in_processes(3, _announced, port, ["same"] * 3)) == [[], [], ["same"]]


def test_who_has_nothing_to_say_leaves_it_to_the_others(port):
    assert in_processes(2, _announced, port, ["", "record 7 cannot be decoded"]) == [
        [], ["record 7 cannot be decoded"]
    ]  # fmt: skip


def test_without_torchrun_a_process_speaks_for_itself(monkeypatch):
    said: list[str] = []
    for port in (None, "1"):  # not set; nothing listens
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        if port:
            monkeypatch.setenv("MASTER_PORT", port)
        else:
            monkeypatch.delenv("MASTER_PORT", raising=False)
        torchrun.announce("line", said.append)
        torchrun.announce("", said.append)
    assert said == ["line", "line"]


def test_a_speaker_that_is_killed_is_not_waited_for(port, monkeypatch):
    monkeypatch.setattr(torchrun, "ANSWER", timedelta(seconds=0.5))
    _set(monkeypatch, port, count=2)
    torchrun._store().set("speaker", "1")
    said: list[str] = []
    torchrun.announce("line", said.append)
    assert said == ["line"]


def _set(monkeypatch: pytest.MonkeyPatch, port: int, count: int) -> None:
    values = {"RANK": "0", "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1"}
    for name, value in (values | {"MASTER_PORT": str(port)}).items():
        monkeypatch.setenv(name, value)


def test_lost_processes_are_named(port, monkeypatch):
    monkeypatch.setattr(torchrun, "ROLL_CALL", 0.0)
    _set(monkeypatch, port, count=4)
    assert torchrun.lost_processes() == "processes 1, 2, 3 have"
    for well in (1, 3):
        torchrun._store().set(f"well/{well}", "")
    assert torchrun.lost_processes() == "process 2 has"
    torchrun._store().set("well/2", "")
    assert torchrun.lost_processes() == "another process has"


def test_a_restarted_group_speaks_again(port, monkeypatch):
    _set(monkeypatch, port, count=2)
    said: list[str] = []
    for rank, restarts in enumerate(("0", "0", "1")):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", restarts)
        torchrun.announce(f"after {restarts}", said.append)
    assert said == ["after 0", "after 1"]


def _alone(rank: int, number: int) -> str | None:
    """What a collective call raises where the other process does not join it."""
    group = dist.new_group(timeout=timedelta(seconds=1))
    if rank:
        return None
    try:
        dist.barrier(group)
    except RuntimeError as error:
        return str(error) if torchrun.is_lost_connection(error) else f"other: {error}"
    return "passed"


def test_a_collective_call_that_is_not_joined_counts_as_a_lost_connection():
    said, _ = in_processes(2, _alone, 0)
    assert said is not None
    assert not said.startswith(("other", "passed")), said
    assert not torchrun.is_lost_connection(RuntimeError("shapes do not fit"))
    assert not torchrun.is_lost_connection(ValueError("gloo"))


ORPHAN = """
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", '''
import os, signal, time
from arcface_plus import torchrun
torchrun.end_with_launcher()
print(os.getpid(), flush=True)
time.sleep(600)
'''], env=os.environ | {"TORCHELASTIC_RUN_ID": "test"})
import time
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_process_ends_with_torchrun():
    launcher = subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert launcher.stdout is not None
    worker = int(launcher.stdout.readline())
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    try:
        assert launcher.stdout.read() == ""  # returns once the worker has closed its copy
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
