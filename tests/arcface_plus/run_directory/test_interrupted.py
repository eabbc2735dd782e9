"""The marker of a run that a signal has stopped."""

from __future__ import annotations

import json
import signal
from datetime import datetime

from arcface_plus.run_directory.entries import ENTRIES
from arcface_plus.run_directory.interrupted import MARKER, mark_interrupted, unmark_interrupted


def test_it_says_which_signal_came_when_and_is_gone_when_the_run_goes_on(tmp_path):
    mark_interrupted(tmp_path, signal.SIGUSR1, 7)
    marker = json.loads((tmp_path / "interrupted.json").read_text())
    assert datetime.fromisoformat(marker.pop("time")).tzinfo is not None
    assert marker == {"schema": 1, "signal": "SIGUSR1", "step": 7}
    unmark_interrupted(tmp_path)
    assert list(tmp_path.iterdir()) == []
    unmark_interrupted(tmp_path)  # a run that was never stopped


def test_a_fresh_run_discards_it():
    assert MARKER in ENTRIES
