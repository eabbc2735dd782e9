"""Advice for runs whose trainer waits for images, given their settings."""

from __future__ import annotations

import os

_TOO_LONG = 0.01  # of the time


class Waiting:
    """Reports once per run that the trainer waits; skips the first window, a cold start."""

    def __init__(self, advice: str) -> None:
        self._advice, self._windows, self._said = advice, 0, False

    def after(self, fraction: float) -> str | None:
        """The line to show after a window in which this share of the time was spent waiting."""
        self._windows += 1
        if self._said or self._windows == 1 or fraction < _TOO_LONG:
            return None
        self._said = True
        return f"the trainer waited {100 * fraction:.1f}% of the time for images: {self._advice}"


def data_advice(cache: str, threads: int, on_gpu: bool) -> str:
    """What to change, as the end of the line that says how long the trainer waited.

    `cache`, `threads`: the config's `data.cache` and `data.threads`.
    """
    better = {
        "none": ["disk (decoded once, stored next to the data)", "memory"],
        "disk": ["memory"],
        "memory": [],
        "device": [],
    }[cache]
    if on_gpu and cache != "device":
        better = [*better, "device"]
    advice = [f"set data.cache to {' or '.join(better)}"] if better else []
    if cache != "device" and 0 < threads < (os.cpu_count() or 1):
        advice.append(f"use more data.threads than {threads} (0: one per core)")
    if not advice:
        return "no setting can improve this; check whether other programs load this machine"
    return ", or ".join(advice)
