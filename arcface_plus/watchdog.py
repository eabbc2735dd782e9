"""Ends a process that does not act upon a signal, as it waits for a process that is gone."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from arcface_plus import torchrun

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Signals that end a program; schedulers send SIGUSR1 before they take a machine away."""
GRACE = 10.0  # seconds
GRACE_BEFORE_TRAINING = 3.0
"""There is nothing to save yet."""
_TICK = 0.1


def _end(number: int) -> None:
    """Say why and exit at once: the main thread cannot."""
    torchrun.announce(
        f"stopped by {signal.Signals(number).name} without saving, since another process does not "
        "answer; the last checkpoint stays",
        lambda line: print(f"arcface-plus: {line}", file=sys.stderr, flush=True),
    )
    os._exit(128 + number)


class Watchdog:
    """Calls `end(number)` where signal `number` is not settled within `grace` seconds.

    Python runs no signal handler while the main thread is in a collective call, which lasts until
    the others join it. The operating system tells this object's thread all the same. The grace
    grows by twice the longest step so far, so that slow steps are not cut off. To be used as a
    context manager in the main thread; may be nested.
    """

    def __init__(self, grace: float = GRACE, end: Callable[[int], None] = _end) -> None:
        self._grace, self._end = grace, end
        self._longest, self._stepped = 0.0, time.monotonic()
        self._settled, self._at_ease = threading.Event(), 0
        self._told, self._signals = socket.socketpair()
        self._told.setblocking(False)
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._former = signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._former)
        self.settle()
        self._told.close()
        self._thread.join()
        self._signals.close()

    def settle(self) -> None:
        """The program acts upon the signal."""
        self._settled.set()

    def step(self) -> None:
        """A step ends and the next begins."""
        now = time.monotonic()
        self._longest = max(self._longest, now - self._stepped)
        self._stepped = now

    @contextmanager
    def at_ease(self) -> Iterator[None]:
        """While one process does what takes long and the others wait for it, grace does not run."""
        begun = time.monotonic()
        self._at_ease += 1
        try:
            yield
        finally:
            self._at_ease -= 1
            self._stepped += time.monotonic() - begun

    def _watch(self) -> None:
        while told := self._signals.recv(1):  # empty: closed
            if told[0] in STOPPING and not self._is_settled_in_time():
                self._end(told[0])

    def _is_settled_in_time(self) -> bool:
        left = self._grace + 2 * self._longest
        while left > 0:
            if self._settled.wait(_TICK):
                return True
            if not self._at_ease:
                left -= _TICK
        return False
