"""RUN/interrupted.json: a signal has stopped the run, and everything is saved.

Schedulers and scripts tell from it that the same command continues the run. It is there until the
run goes on.
"""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from pathlib import Path

from data_prep.files import write_text

MARKER = "interrupted.json"


def mark_interrupted(run: Path, number: int, step: int) -> None:
    """Signal `number` stopped the run after `step` updates, and a checkpoint of it is there."""
    facts = {
        "schema": 1,
        "signal": signal.Signals(number).name,
        "step": step,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_text(run / MARKER, json.dumps(facts, indent=2) + "\n")


def unmark_interrupted(run: Path) -> None:
    """The run goes on, or is finished."""
    (run / MARKER).unlink(missing_ok=True)
