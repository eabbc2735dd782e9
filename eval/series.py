"""What a run left behind over its steps: losses, angles, accuracies; for curves, not for verdicts.

Read when a report is drawn and not with the run, so that a comparison needs none of these files.
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
"""Bytes of a line of metrics.jsonl; a damaged file can be one line without end."""

LARGEST_VALUE = 1e300
"""What is larger, or not a number, cannot be drawn."""

REMEDY = "remove the line, or the file: only the curves are drawn from it"


@dataclass(frozen=True)
class Series:
    """One figure over steps: two equally long rows, the steps growing."""

    steps: tuple[int, ...]
    values: tuple[float, ...]


def metrics(run: Run) -> dict[str, Series]:
    """Each number of RUN/metrics.jsonl over its steps, by name; empty without the file.

    What is not finite is left out. After a resume a step can be there twice: the last one counts,
    and so does nothing that an interrupted write left unfinished at the end.

    Raises:
        DataError: a line is no JSON object; the message names it.
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
    """10-fold accuracy over the steps that were verified, by target; empty outside a run.

    Raises:
        DataError: a verification file is broken.
    """
    found: dict[str, dict[int, float]] = {}
    folder = None if run.directory is None else run.directory / "eval"
    for file in folder.glob("step_*.json") if folder else ():
        step = step_of(file)
        if step is None:
            continue
        for target, result in read_results(file).targets.items():
            found.setdefault(target, {})[step] = result.accuracy.mean
    return {target: _series(points) for target, points in found.items()}


def environment(run: Run) -> dict[str, Any]:
    """RUN/environment.json: versions, device, revision; empty where there is none.

    Raises:
        DataError: the file is no JSON object.
    """
    file = None if run.directory is None else run.directory / "environment.json"
    if file is None or not file.is_file():
        return {}
    return read_json_mapping(file)


def _entries(file: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file; a last line without its end was cut off and is left out."""
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
                raise DataError(f"{where}: holds no keys and values; {REMEDY}")
            yield content


def _series(points: dict[int, float]) -> Series:
    steps = tuple(sorted(points))
    return Series(steps, tuple(points[step] for step in steps))
