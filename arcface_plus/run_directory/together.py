"""An action that all processes do, or that has failed for all of them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TypeVar

from arcface_plus.runtime import Processes
from data_prep.errors import first_line

Result = TypeVar("Result")


def together(processes: Processes, action: Callable[[], Result]) -> list[Result]:
    """What `action` returns in each process, by rank (collective).

    If it raises in one process, its error is raised in all of them, and none waits for another; of
    several errors it is that of the lowest rank.
    """
    outcome: tuple[Result | None, Exception | None]
    try:
        outcome = action(), None
    except Exception as error:
        if processes.count == 1:
            raise
        outcome = None, _portable(error)
    outcomes = processes.gather(outcome)
    for failure in (error for _, error in outcomes if error is not None):
        raise failure
    return [result for result, _ in outcomes]


def in_first(processes: Processes, action: Callable[[], Result]) -> Result:
    """What `action` returns in the first process, which alone does it (collective)."""
    found = together(processes, lambda: action() if processes.first else None)[0]
    return found  # type: ignore[return-value]


def _portable(error: Exception) -> Exception:
    """The error, or its message if it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(first_line(error))
    return error
