"""Handlers for SIGINT, SIGTERM and SIGUSR1: end the program, or stop training once it can save.

They have handlers from the start: as process 1 of a container, a program is not ended by a signal
that it does not handle. Under torchrun a process may get a signal twice, from a scheduler that
signals all processes and from torchrun, which forwards its own: there only the first counts.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, NoReturn

from arcface_plus import torchrun
from arcface_plus.watchdog import GRACE_BEFORE_TRAINING, STOPPING, Watchdog

IMPORT = "<frozen importlib._bootstrap>"


class Stopped(BaseException):
    """A signal arrived before training began, or in another command.

    Not a KeyboardInterrupt: Typer turns that into exit status 130, whatever the signal was.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


def leave(number: int, _: FrameType | None = None) -> NoReturn:
    """Handler for when there is nothing to clean up: end at once. torchrun says it for several."""
    if not torchrun.several():
        os.write(2, f"arcface-plus: {Stopped(number)}\n".encode())
    os._exit(128 + number)


def _in_import(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == IMPORT:
            return True
        frame = frame.f_back
    return False


@contextmanager
def stop_at_signals() -> Iterator[list[Stopped]]:
    """The signals raise Stopped, so that files are closed and partial ones removed.

    During an import the program ends at once instead: the C code of NumPy and torch loses the
    exception, or crashes. Yields a list of the raised exceptions, since libraries may replace them
    on the way up. No effect outside the main thread.
    """
    raised: list[Stopped] = []
    watchdog = Watchdog(GRACE_BEFORE_TRAINING)

    def stop(number: int, frame: FrameType | None) -> None:
        watchdog.settle()
        if _in_import(frame):
            leave(number)
        if raised and torchrun.started():
            return
        raised.append(Stopped(number))
        raise raised[-1]

    if threading.current_thread() is not threading.main_thread():
        yield raised
        return
    former = {number: signal.signal(number, stop) for number in STOPPING}
    with ExitStack() as watched:
        if torchrun.several():
            watched.enter_context(watchdog)
        try:
            yield raised
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


class Interrupts:
    """Remembers a signal until the training loop can stop.

    A second signal of the same kind has its previous effect, for users who do not want to wait.
    Under torchrun it has none. With `several` processes `watchdog` ends one whose loop does not
    stop.
    """

    def __init__(self, several: bool = False) -> None:
        self.received: int | None = None
        self.watchdog = Watchdog()
        self._several = several
        self._former: dict[int, Any] = {}

    def arrived(self) -> bool:
        """Whether this process was sent a signal."""
        return self.received is not None

    def _note(self, number: int, _: FrameType | None) -> None:
        self.received = self.received or number
        if not torchrun.started():
            signal.signal(number, self._former[number])

    def __enter__(self) -> Interrupts:
        for number in STOPPING:
            former = signal.getsignal(number)
            self._former[number] = signal.SIG_DFL if former is None else former
            signal.signal(number, self._note)
        if self._several:
            self.watchdog.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._several:
            self.watchdog.__exit__()
        for number, handler in self._former.items():
            signal.signal(number, handler)
