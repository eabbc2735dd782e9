"""What a run left behind over its steps: losses, angles, accuracies; for curves, not for verdicts.

Read when a report is drawn and not with the run, so that a comparison needs none of these files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.errors import DataError
from eval.runs import Run, read_results, step_of


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
        DataError: a line other than the last is no JSON object.
    """
    file = None if run.directory is None else run.directory / "metrics.jsonl"
    if file is None or not file.is_file():
        return {}
    lines = file.read_text(encoding="utf-8").splitlines()
    found: dict[str, dict[int, float]] = {}
    for number, line in enumerate(lines, 1):
        entry = _entry(file, line, number, last=number == len(lines))
        step = entry.pop("step", None)
        if not isinstance(step, int):
            continue
        for name, value in entry.items():
            number_like = isinstance(value, int | float) and not isinstance(value, bool)
            if number_like and value - value == 0:
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
    return _entry(file, file.read_text(encoding="utf-8"), 1, last=False)


def _entry(file: Path, text: str, number: int, last: bool) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        if last:
            return {}
        raise DataError(f"{file}: line {number}: not JSON ({error})") from None
    if not isinstance(content, dict):
        raise DataError(f"{file}: line {number}: holds no keys and values")
    return content


def _series(points: dict[int, float]) -> Series:
    steps = tuple(sorted(points))
    return Series(steps, tuple(points[step] for step in steps))
