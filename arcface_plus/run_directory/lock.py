"""One run at a time in a run directory.

The kernel holds the lock, on RUN/.lock, and lets go of it when the process ends, however it ends;
a file that a killed run leaves behind locks nothing. The file says who holds the lock. On NFS the
lock holds between machines too (Linux turns it into one of the server's), unless the share is
mounted with `nolock` or `local_lock`, and a machine that died holds it until the server gives up
on it (90 s by default). Processes that torchrun starts again wait a
little for one that is still ending. Where the file system has no locks the run says so and goes on.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from arcface_plus import torchrun
from arcface_plus.console import say
from arcface_plus.run_directory.entries import LOCK_FILE
from data_prep.errors import DataError, UserError
from data_prep.json_file import parse_json

RESTART_WAIT = 15.0
"""Seconds for which a process of a restarted group waits for the lock."""


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the lock of a run directory; UserError, naming who holds it, if another process does."""
    path = run / LOCK_FILE
    file = _acquired(path)
    try:
        _write(file, path)
        yield
    finally:
        with contextlib.suppress(OSError):
            if _is_at(path, file):
                path.unlink()
        file.close()


def _acquired(path: Path) -> IO[bytes]:
    """The lock file, locked. It may have been unlinked by its holder just before we got it."""
    waited_until = time.monotonic() + (RESTART_WAIT if torchrun.restarts() else 0)
    while True:
        file = open(path, "ab+", buffering=0)  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                if time.monotonic() < waited_until:
                    time.sleep(0.1)
                    continue
                raise UserError(
                    f"{path.parent}: another run is using it ({_holder(file, path)}); wait until "
                    "it ends, stop it, or use another --out"
                ) from None
        except OSError as error:
            say(
                f"{path}: cannot be locked here ({error.strerror}); make sure that no other run "
                "uses this directory",
                style="yellow",
            )
            return file
        if _is_at(path, file):
            return file
        file.close()


def _write(file: IO[bytes], path: Path) -> None:
    who = {"pid": os.getpid(), "host": socket.gethostname()}
    try:
        file.truncate(0)
        file.write(json.dumps(who).encode())
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from None


def _holder(file: IO[bytes], path: Path) -> str:
    file.seek(0)
    try:
        who = parse_json(file.read(4096), str(path))
    except DataError:  # it has the lock and has not written yet
        who = None
    if not isinstance(who, dict):
        return "it has just begun"
    return f"process {who.get('pid')} on {who.get('host')}"


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
