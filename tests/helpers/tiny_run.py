"""The words of a command that trains next to nothing, and waiting for its steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

TINY = (
    "data.batch_size=8", "data.threads=1", "data.cache=none",
    "model.backbone={name: tiny, width: 0.25}", "model.embedding_dim=8", "model.dropout=0.2",
    "optimizer.lr=0.01", "optimizer.steps=100000", "runtime.precision=fp32",
    "runtime.device=cpu", "eval.targets=[synth_frontal]", "eval.every=100000",
    "checkpoint.every=4", "checkpoint.keep=100", "logging.every=1",
)  # fmt: skip
"""A run that does not end by itself, unless `optimizer.steps` is set again."""


def set_words(*settings: str) -> list[str]:
    """`--set` for each of TINY and `settings`."""
    return [word for setting in (*TINY, *settings) for word in ("--set", setting)]


def wait_for_step(run: Path, step: int, limit: float = 120.0) -> None:
    """Until the run has logged a step; the test fails after `limit` seconds."""
    wait_until(lambda: f'"step": {step},' in _text(run / "metrics.jsonl"), f"step {step}", limit)


def wait_until(
    happened: Callable[[], bool], what: str, limit: float = 120.0, every: float = 0.02
) -> None:
    """Until something has happened, looking `every` few seconds."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        if happened():
            return
        time.sleep(every)
    pytest.fail(f"no {what} after {limit:g} s")


def _text(file: Path) -> str:
    return file.read_text() if file.is_file() else ""
