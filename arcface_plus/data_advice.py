"""What a user whose trainer waits for images should change, given what is set already."""

from __future__ import annotations

import os


def data_advice(cache: str, threads: int, on_gpu: bool) -> str:
    """The end of a sentence that begins with how long the trainer waited.

    `cache`, `threads`: the config's `data.cache` and `data.threads`.
    """
    better = {
        "none": ["disk (decoded once, kept beside the data)", "memory"],
        "disk": ["memory"],
        "memory": [],
        "device": [],
    }[cache]
    if on_gpu and cache != "device":
        better = [*better, "device"]
    advice = [f"set data.cache to {' or '.join(better)}"] if better else []
    if cache == "none" and 0 < threads < (os.cpu_count() or 1):
        advice.append(f"use more data.threads than {threads} (0: one a core)")
    if not advice:
        return "no setting is left to change; does something else keep this machine busy?"
    return ", or ".join(advice)
