"""How SIGINT and SIGTERM end the program where no training waits for them.

Both have handlers from the first line on: as process 1 of a container, a program is not ended by a
signal that it does not handle.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

STOPPING = (signal.SIGINT, signal.SIGTERM)
IMPORT = "<frozen importlib._bootstrap>"


class Stopped(BaseException):
    """A signal came before training began, or in another command.

    No KeyboardInterrupt: Typer makes that an exit status of 130, whatever the signal was.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


def leave(number: int, _: FrameType | None = None) -> NoReturn:
    """Handler for a time at which there is nothing to tidy up: end at once."""
    os.write(2, f"arcface-plus: {Stopped(number)}\n".encode())
    os._exit(128 + number)


def stop(number: int, frame: FrameType | None) -> NoReturn:
    """Handler that raises Stopped, so that files are closed and half-written ones removed.

    Never in an import: NumPy's and torch's are C code that loses the exception, or crashes.
    """
    while frame is not None:
        if frame.f_code.co_filename == IMPORT:
            leave(number)
        frame = frame.f_back
    raise Stopped(number)


@contextmanager
def stop_at_signals() -> Iterator[None]:
    """SIGINT and SIGTERM raise Stopped; without effect outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.signal(number, stop) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
