"""Losses, angles and accuracies of a run over its steps; for curves, not for verdicts.

Read when a report is drawn, not with the run, so that a comparison needs none of these files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import DataError
from data_prep.json_file import parse_json, read_json_mapping
from eval.runs import Run, read_results, step_of

LONGEST_LINE = 2**20
"""Limit in bytes on a line of metrics.jsonl; a damaged file can be one endless line."""

LARGEST_VALUE = 1e300
"""Larger values, and NaN, cannot be drawn."""

REMEDY = "remove the line or the file; it is only needed for the curves"


@dataclass(frozen=True)
class Series:
    """One figure over steps: two tuples of equal length, steps increasing."""

    steps: tuple[int, ...]
    values: tuple[float, ...]


def metrics(run: Run) -> dict[str, Series]:
    """Each number in RUN/metrics.jsonl over the steps, by name; empty without the file.

    Values that are not finite are left out. After a resume a step can occur twice; the last one
    counts. An incomplete last line, from an interrupted write, is ignored.

    Raises:
        DataError: a line is not a JSON object; the message names it.
    """
    file = None if run.directory is None else run.directory / "metrics.jsonl"
    if file is None or not file.is_file():
        return {}
    found: dict[str, dict[int, float]] = {}
    for entry in _entries(file):
        step = entry.pop("step", None)
        if not isinstance(step, int) or not 0 <= step < 2**63:
            continue
        for name, value in entry.items():
            number_like = isinstance(value, int | float) and not isinstance(value, bool)
            if number_like and abs(value) <= LARGEST_VALUE:
                found.setdefault(name, {})[step] = float(value)
    return {name: _series(points) for name, points in found.items()}


def accuracies(run: Run) -> dict[str, Series]:
    """10-fold or top-1 accuracy over the evaluated steps, by target; empty outside a run directory.

    Raises:
        DataError: a verification file is damaged.
    """
    found: dict[str, dict[int, float]] = {}
    folder = None if run.directory is None else run.directory / "eval"
    for file in folder.glob("step_*.json") if folder else ():
        step = step_of(file)
        if step is None:
            continue
        for target, result in read_results(file).targets.items():
            found.setdefault(target, {})[step] = result.headline
    return {target: _series(points) for target, points in found.items()}


def environment(run: Run) -> dict[str, Any]:
    """RUN/environment.json: versions, device, revision; empty if it is missing.

    Raises:
        DataError: the file is not a JSON object.
    """
    file = None if run.directory is None else run.directory / "environment.json"
    if file is None or not file.is_file():
        return {}
    return read_json_mapping(file)


def _entries(file: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file; an incomplete last line is ignored."""
    with open(file, "rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(LONGEST_LINE), b""), 1):
            where = f"{file}: line {number}"
            if len(line) == LONGEST_LINE:
                raise DataError(f"{where}: has {LONGEST_LINE} bytes or more; {REMEDY}")
            try:
                content = parse_json(line, where)
            except DataError as error:
                if not line.endswith(b"\n"):
                    return
                raise DataError(f"{error}; {REMEDY}") from None
            if not isinstance(content, dict):
                raise DataError(f"{where}: is not a JSON object; {REMEDY}")
            yield content


def _series(points: dict[int, float]) -> Series:
    steps = tuple(sorted(points))
    return Series(steps, tuple(points[step] for step in steps))
