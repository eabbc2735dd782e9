"""What SIGTERM and SIGINT do: end the program, or be remembered until training can save.

Imports nothing that takes time, so that the handler stands before anything else is loaded: for
process 1 the system has no default action, and a signal without a handler is lost.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

_came: list[int] = []  # signals


class Terminated(SystemExit):
    """SIGTERM came where nothing waits for it: before training begins, or in another command."""


def stop_at_sigterm() -> Any:
    """Let SIGTERM raise `Terminated`, whatever the program is doing.

    Returns the former handler; None where signals are not ours to handle (in another thread).
    """
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, _stop)


def sigterm_came() -> bool:
    """Whether `Terminated` was raised. Library code it passed through may have replaced it."""
    return bool(_came)


def forget_sigterm() -> None:
    """Back to the beginning, for a program that outlives its commands."""
    _came.clear()


def _stop(number: int, _: FrameType | None) -> None:
    _came.append(number)
    raise Terminated(128 + number)


class Interrupts:
    """Remembers SIGINT/SIGTERM until the loop reaches a place where it can stop.

    A second signal of the same kind acts as before, for those who do not want to wait.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._former: dict[int, Any] = {}

    def _note(self, number: int, _: FrameType | None) -> None:
        self.received = number
        signal.signal(number, self._former[number])

    def __enter__(self) -> Interrupts:
        for number in (signal.SIGINT, signal.SIGTERM):
            former = signal.getsignal(number)
            self._former[number] = signal.SIG_DFL if former is None else former
            signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
