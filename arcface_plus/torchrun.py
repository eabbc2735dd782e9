"""What a process knows as one of several that torchrun has started, and how they speak as one.

torchrun hosts a key-value store that all its processes reach, also before they form a process group
and after one of them has ended. Through it they agree who says why the command ends, so that the
user reads one line and not one a process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed import Store

ANSWER = timedelta(seconds=10)
"""How long the store may take to answer, or another process to say its line."""
ROLL_CALL = 1.0  # seconds in which processes that are well notice that another one is lost
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
_NO_STORE = (OSError, RuntimeError, ValueError, KeyError)
_LOST = ("gloo", "Connection closed by peer", "Connection reset by peer", "Broken pipe")


def count() -> int:
    """The number of processes, on all nodes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    return int(os.environ.get("RANK", "0"))


def several() -> bool:
    return count() > 1


def restarts() -> int:
    """How often torchrun has started the processes again after one was lost."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def started() -> bool:
    """Whether torchrun has started this process, also if it is the only one."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def end_with_launcher() -> None:
    """Get SIGTERM when torchrun itself is killed; else its processes would go on without it."""
    if started():
        with contextlib.suppress(OSError, AttributeError):  # not Linux
            ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, int(signal.SIGTERM))


def announce(line: str, say: Callable[[str], None]) -> None:
    """`say(line)`, the reason why the command ends, unless another process has said its own.

    Returns when the line of one of them is out, so that torchrun, which ends all processes after
    the first, cannot cut it off. An empty line leaves it to the others.
    """
    try:
        store = _store()
        if line and store.compare_set("speaker", "", str(rank())) == str(rank()).encode():
            say(line)
            store.set("said", line)
        else:
            store.wait(["said"], ANSWER)
    except _NO_STORE:  # torchrun is gone, or the speaker was killed
        if line:
            say(line)


def is_lost_connection(error: BaseException) -> bool:
    """Whether a collective call failed because another process ended or did not answer in time."""
    if type(error).__name__ in ("DistBackendError", "DistNetworkError", "DistStoreError"):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _LOST)


def lost_processes() -> str:
    """The lost processes in words; to be called by all others when they lose the connection."""
    missing: list[int] = []
    with contextlib.suppress(*_NO_STORE):
        store = _store()
        store.set(f"well/{rank()}", "")
        time.sleep(ROLL_CALL)
        missing = [other for other in range(count()) if not store.check([f"well/{other}"])]
    if not missing:
        return "another process has"
    numbers = ", ".join(map(str, missing))
    return f"process {numbers} has" if len(missing) == 1 else f"processes {numbers} have"


def _store() -> Store:
    """A connection of its own: the main thread may wait in a call on another one."""
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    # Where nothing listens any more, TCPStore tries for long and prints stacks of C++.
    socket.create_connection((host, port), ANSWER.total_seconds()).close()
    from torch.distributed import PrefixStore, TCPStore

    store = TCPStore(host, port, is_master=False, timeout=ANSWER)
    return PrefixStore(f"arcface_plus/{restarts()}", store)
