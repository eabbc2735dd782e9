"""Starts a command in several processes as torchrun does, without the seconds that torchrun takes.

`launch` forks the processes from its own, which has imported everything, gives them torchrun's
environment and a store, forwards signals, ends all when one fails, and starts them again.
`tests/reliability/test_several_processes.py` also uses torchrun itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

from processes import prepared_processes

SHUTDOWN = 30.0  # seconds from SIGTERM to SIGKILL, torchrun's default
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def launch(words: Sequence[str], count: int, folder: Path, max_restarts: int = 0) -> int:
    """The command line in `count` processes; 0, or 1 if one failed or a signal came.

    To be called in a process with one thread. What process r says is in folder/said.r, its number
    and status in folder/pids.json and folder/statuses.json, by rank.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store, port = _fork_store()
    came: list[int] = []
    pids: dict[int, int] = {}

    def forward(number: int, _: object) -> None:
        came.append(number)
        _send(pids, number)

    for number in FORWARDED:
        signal.signal(number, forward)
    try:
        for attempt in range(max_restarts + 1):
            pids.update({r: _fork_worker(words, r, count, port, attempt, folder)
                         for r in range(count)})  # fmt: skip
            _write(folder / "pids.json", pids)
            statuses = _watched(pids)
            _write(folder / "statuses.json", statuses)
            if came or not any(statuses.values()):
                break
        return 1 if came or any(statuses.values()) else 0
    finally:
        os.kill(store, signal.SIGKILL)
        os.waitpid(store, 0)


def _watched(pids: dict[int, int]) -> dict[int, int]:
    """The processes' statuses by rank (minus the signal); `pids` is emptied as they end."""
    statuses: dict[int, int] = {}
    killed_at = None
    while pids:
        for rank, pid in list(pids.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del pids[rank]
                statuses[rank] = os.waitstatus_to_exitcode(status)
        if killed_at is None and any(statuses.values()):
            _send(pids, signal.SIGTERM)
            killed_at = time.monotonic() + SHUTDOWN
        if killed_at is not None and time.monotonic() > killed_at:
            _send(pids, signal.SIGKILL)
        time.sleep(0.02)
    return statuses


def _send(pids: dict[int, int], number: int) -> None:
    for pid in list(pids.values()):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _write(file: Path, content: object) -> None:
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(content))
    os.replace(partial, file)


def _fork_store() -> tuple[int, int]:
    """The process that hosts the store, and its port: the store has threads, a fork has one."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        from torch.distributed import TCPStore

        launcher = os.getppid()
        store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        os.write(theirs, f"{store.port}\n".encode())
        while os.getppid() == launcher:
            time.sleep(0.1)
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as told:
        return child, int(told.readline())


def _fork_worker(
    words: Sequence[str], rank: int, count: int, port: int, attempt: int, folder: Path
) -> int:
    child = os.fork()
    if child:
        return child
    status = 99
    try:
        os.environ |= {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test",
            "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": str(attempt),
        }  # fmt: skip
        said = os.open(folder / f"said.{rank}", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        os.dup2(said, 1)
        os.dup2(said, 2)
        from arcface_plus import torchrun
        from arcface_plus.cli import main

        torchrun.end_with_launcher()
        try:
            main(words)
        except SystemExit as left:
            status = int(left.code or 0)
    finally:
        sys.stderr.flush()
        os._exit(status)


class Launched:
    """A command in several processes, from a test's point of view."""

    def __init__(self, process: BaseProcess, count: int, folder: Path) -> None:
        self._process, self._count, self._folder = process, count, folder

    def pid(self, rank: int) -> int:
        return int(self._content("pids.json")[str(rank)])

    def kill(self, rank: int, number: int) -> None:
        """A signal to one process."""
        os.kill(self.pid(rank), number)

    def signal(self, number: int) -> None:
        """A signal to the launcher, which forwards it."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def statuses(self, limit: float = 120.0) -> list[int]:
        """Wait for the end; the exit statuses by rank."""
        self._process.join(limit)
        assert not self._process.is_alive(), f"runs after {limit:g} s: {self.said()}"
        found = self._content("statuses.json")
        return [found[str(rank)] for rank in range(self._count)]

    def said(self) -> str:
        """What all processes said on stdout and stderr, one process after the other."""
        files = (self._folder / f"said.{rank}" for rank in range(self._count))
        return "".join(file.read_text() for file in files if file.is_file())

    def verdict(self) -> str:
        """The one line that says why the command ended; AssertionError for another number."""
        lines = [line for line in self.said().splitlines() if line.startswith("arcface-plus: ")]
        assert len(lines) == 1, self.said()
        assert "Traceback" not in self.said()
        return lines[0].removeprefix("arcface-plus: ")

    def _content(self, name: str) -> dict[str, int]:
        content: dict[str, int] = json.loads((self._folder / name).read_text())
        return content


def _launch(words: Sequence[str], count: int, folder: Path, max_restarts: int) -> None:
    import torch

    torch.set_num_threads(1)
    launch(words, count, folder, max_restarts)


@contextmanager
def launched(
    words: Sequence[str], count: int, folder: Path, max_restarts: int = 0
) -> Iterator[Launched]:
    """The command line in `count` processes, which are killed at the end if they still run."""
    process = prepared_processes().Process(
        target=_launch, args=(list(words), count, folder, max_restarts)
    )
    process.start()
    found = Launched(process, count, folder)
    try:
        yield found
    finally:
        if process.is_alive():
            for rank in range(count):
                with suppress(OSError):
                    found.kill(rank, signal.SIGKILL)
            process.kill()
        process.join()
