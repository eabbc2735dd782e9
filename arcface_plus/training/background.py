"""One action at a time in a thread of its own, whose error is not lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for

from arcface_plus import torchrun
from arcface_plus.console import say
from data_prep.errors import first_line


class Background:
    """Runs the action that `start` is given while the caller continues.

    What an action raises is raised by the next `wait`, or told by `close`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._running: Future[object] | None = None

    @property
    def failed(self) -> bool:
        """Whether the action has ended with an error, which `wait` will raise."""
        running = self._running
        return running is not None and running.done() and running.exception() is not None

    def start(self, action: Callable[[], object]) -> None:
        """Begin an action, once the one before it has ended; raises what that one raised."""
        self.wait()
        self._running = self._executor.submit(action)

    def wait(self) -> None:
        """Wait for the action to end; raises what it raised."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def settle(self) -> None:
        """Wait for the action to end; its error stays for `wait`."""
        if self._running is not None:
            wait_for([self._running])

    def close(self, limit: float | None = None) -> None:
        """Wait for the action; its error, if nobody waited for it, becomes one line.

        After `limit` seconds it is left alone: it may wait for a process that is gone. That such a
        one is gone is no news here.
        """
        if self._running is not None and wait_for([self._running], limit).not_done:
            self._executor.shutdown(wait=False)
            return
        try:
            self.wait()
        except Exception as error:
            if not torchrun.is_lost_connection(error):
                say(f"{self._name}: {first_line(error)}", style="yellow")
        self._executor.shutdown()
