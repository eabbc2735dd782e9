"""metrics.jsonl: one JSON object a logged step."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

from arcface_plus.run_directory.sinks.sink import RunFacts, Sink
from data_prep.files import sync_folder, write_text

METRICS_FILE = "metrics.jsonl"


class JsonLines(Sink):
    """Appends to RUN/metrics.jsonl, without the lines after the checkpoint."""

    file = METRICS_FILE

    def __init__(self, facts: RunFacts) -> None:
        path = facts.run / METRICS_FILE
        _drop_lines_after(path, facts.first_step)
        self._lines = open(path, "a", encoding="utf-8")  # noqa: SIM115
        sync_folder(facts.run)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._lines.write(json.dumps(plain(values)) + "\n")
        self._lines.flush()

    def sync(self) -> None:
        os.fsync(self._lines.fileno())

    def close(self) -> None:
        self._lines.close()


def plain(values: Mapping[str, float]) -> dict[str, float | None]:
    """As metrics.jsonl holds them: seven digits, and null for NaN and infinity (JSON has none)."""
    return {name: _plain(value) for name, value in values.items()}


def last_logged(run: Path) -> dict[str, float | None]:
    """The last whole line of RUN/metrics.jsonl; empty if there is none."""
    lines = _lines(run / METRICS_FILE)
    return json.loads(lines[-1]) if lines else {}


def _plain(value: float) -> float | None:
    if isinstance(value, int):
        return value
    return float(f"{value:.7g}") if math.isfinite(value) else None


def _lines(path: Path) -> list[str]:
    """The lines that are whole: a killed process may leave half a line."""
    if not path.is_file():
        return []
    whole = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            int(json.loads(line)["step"])
            whole.append(line + "\n")
    return whole


def _drop_lines_after(path: Path, step: int) -> None:
    """After a crash the file may be ahead of the checkpoint: those steps will be run again."""
    kept = [line for line in _lines(path) if json.loads(line)["step"] <= step]
    if path.is_file() and "".join(kept).encode() != path.read_bytes():
        write_text(path, "".join(kept))
