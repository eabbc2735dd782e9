"""Counts a process's changes to the files under one folder and breaks the one that is wanted.

Python's own ways to change files are wrapped, in this process alone (trials are forked). A write
counts when bytes leave Python for the kernel, which is when a real disk would fail.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

_CHANGES = ("mkdir", "rmdir", "unlink", "remove", "rename", "replace", "link", "fsync", "truncate")
_RENAMING = ("rename", "replace", "link")
_DATA = ("open", "write", "mkdir", "link", "fsync")  # what needs space, or reports that it lacked


class Operation(NamedTuple):
    """One change: what was done, and to which file, relative to the watched folder."""

    name: str
    file: str


class Kill(NamedTuple):
    """The process ends by SIGKILL before the operation; of a write half is done."""


Break = Callable[[int, Operation], int | Kill | None]
"""(number from 0, operation) → how it breaks: an errno or Kill; None: it does not."""


def kill_at(number: int) -> Break:
    return lambda at, _: Kill() if at == number else None


def fail_at(number: int, code: int, lasting: bool) -> Break:
    """Errno `code` at operation `number`; `lasting`: at every later one that needs space, too."""

    def decide(at: int, operation: Operation) -> int | None:
        lasts = lasting and at > number and operation.name in _DATA
        return code if at == number or lasts else None

    return decide


def no_break(number: int, operation: Operation) -> None:
    """Only count."""


FULL_DISK, BAD_DISK = errno.ENOSPC, errno.EIO


class Watcher:
    """Installs itself in `os`, `io` and `builtins`; `seen` lists what was done, in order."""

    def __init__(self, folder: Path, decide: Break = no_break) -> None:
        self._folder, self._decide = str(folder.resolve()), decide
        self._lock = threading.Lock()
        self._paths: dict[int, str] = {}  # by descriptor, for fsync
        self.seen: list[Operation] = []
        self.details: list[Any] = []  # mode, (offset, bytes) or new name, of the operations `seen`

    def install(self) -> None:
        for name in _CHANGES:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        real_open = builtins.open
        os_open = os.open

        def opening(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
            inside = self._inside(file)
            if inside is None or not set(mode) & set("wax+"):
                return real_open(file, mode, *rest, **options)
            self._note("open", inside, file, detail=mode)
            return self._counted_file(file, inside, mode, *rest, **options)

        def opening_descriptor(path: Any, *rest: Any, **options: Any) -> int:
            descriptor = os_open(path, *rest, **options)
            self._paths[descriptor] = self._of(path, options.get("dir_fd")) or ""
            return descriptor

        builtins.open = io.open = opening
        os.open = opening_descriptor

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(first: Any, *rest: Any, **options: Any) -> Any:
            inside = self._of(first, options.get("dir_fd"))
            if inside:
                target = self._inside(rest[0]) if name in _RENAMING else None
                self._note(name, inside, None if isinstance(first, int) else first, detail=target)
            return real(first, *rest, **options)

        return call

    def _of(self, first: Any, dir_fd: int | None) -> str | None:
        if isinstance(first, int):
            return self._paths.get(first)
        if dir_fd is not None:
            return f"{self._paths.get(dir_fd) or '?'}/{os.fsdecode(first)}"
        return self._inside(first)

    def _inside(self, path: Any) -> str | None:
        if isinstance(path, int):
            return None
        whole = os.path.abspath(os.fsdecode(path))
        return os.path.relpath(whole, self._folder) if whole.startswith(self._folder) else None

    def _note(
        self,
        name: str,
        file: str,
        path: Any = None,
        halfway: Callable[[], Any] | None = None,
        detail: Any = None,
    ) -> None:
        """Count an operation and break it if it is due; `path` as the system would name it."""
        operation = Operation(name, file)
        with self._lock:  # checkpoints are written by another thread
            number = len(self.seen)
            self.seen.append(operation)
            self.details.append(detail)
        broken = self._decide(number, operation)
        if broken is None:
            return
        if halfway is not None:
            halfway()
        if isinstance(broken, Kill):
            os.kill(os.getpid(), signal.SIGKILL)
        named = () if path is None else (os.fspath(path),)
        raise OSError(broken, os.strerror(broken), *named)

    def _counted_file(
        self,
        file: Any,
        inside: str,
        mode: str,
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        watcher = self

        class Raw(io.FileIO):
            def write(self, data: Any, /) -> int:
                half = memoryview(data)[: len(data) // 2]
                write = super().write
                detail = (self.tell(), bytes(data))
                watcher._note("write", inside, halfway=lambda: write(half), detail=detail)
                return write(data)

        raw = Raw(file, mode.replace("b", "").replace("t", ""))
        self._paths[raw.fileno()] = inside
        if buffering == 0:
            return raw
        binary = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return binary if "b" in mode else io.TextIOWrapper(binary, encoding, errors, newline)
