"""A run directory has one run at a time, and a killed run leaves no lock."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from processes import prepared_processes

from arcface_plus.run_directory.lock import locked
from data_prep.errors import UserError


@contextmanager
def holder(folder: Path) -> Iterator[BaseProcess]:
    """Another process, which holds the lock of `folder`; killed at the end."""
    context = prepared_processes()
    held = context.Event()
    process = context.Process(target=_hold, args=(folder, held))
    process.start()
    try:
        assert held.wait(60)
        yield process
    finally:
        process.kill()
        process.join()


def _hold(folder: Path, held: Event) -> None:
    with locked(folder):
        held.set()
        time.sleep(600)


def test_the_second_is_refused_by_name_until_the_first_is_killed(tmp_path):
    with holder(tmp_path) as first:
        said = f"another run is using it \\(process {first.pid} on {socket.gethostname()}\\)"
        with pytest.raises(UserError, match=said), locked(tmp_path):
            pass
    assert (tmp_path / ".lock").is_file()
    with locked(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_it_is_let_go_after_an_error(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path), pytest.raises(UserError), locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_unlinked_meanwhile_does_not_count(tmp_path, monkeypatch):
    """The first unlinks its file when it ends, maybe after the second has opened it."""
    real, calls = fcntl.flock, []

    def flock(file, how):
        real(file, how)
        if not calls:
            (tmp_path / ".lock").unlink()
        calls.append(how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path):
        assert len(calls) == 2
        assert (tmp_path / ".lock").is_file()


def test_where_there_are_no_locks_the_run_warns_and_goes_on(tmp_path, monkeypatch, capsys):
    def flock(file, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path):
        pass
    assert "cannot be locked here (No locks available)" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("restarts", ["0", "1"])
def test_a_restarted_run_waits_for_one_that_is_still_ending(tmp_path, monkeypatch, restarts):
    """torchrun may start a group again while a process of the killed one still holds the lock."""
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", restarts)
    with holder(tmp_path) as first:
        ending = threading.Timer(1.0, first.kill)
        ending.start()
        try:
            if restarts == "0":
                with pytest.raises(UserError, match="another run is using it"), locked(tmp_path):
                    pass
            else:
                with locked(tmp_path):
                    first.join(10)
                    assert first.exitcode == -signal.SIGKILL
        finally:
            ending.join()
