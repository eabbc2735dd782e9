"""A run's training as charts: losses, accuracies, learning rate, and the angles between classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from eval.groups import Group
from eval.report.charts import Chart, Line
from eval.report.sections import Drawn, Section, bins, histogram, members, missing, section
from eval.runs import Run
from eval.series import Series, accuracies, metrics

NO_METRICS = "metrics.jsonl is missing or does not hold it"
NO_VERIFICATIONS = "no run directory with eval/step_*.json"

Logged = Mapping[str, Mapping[str, Series]]
"""Name of a run → name of a figure → its course."""


def training_sections(
    groups: Sequence[Group], targets: Sequence[str], class_angles: Mapping[str, ArrayLike]
) -> list[Section]:
    """Curves over the training, and angles of the class weights.

    Args:
        class_angles: name of a run → the angle in degrees of each class to its nearest other one.

    Raises:
        DataError: a file of a run is broken.
    """
    logged = {run.name: metrics(run) for *_, run in members(groups)}
    return [_training(groups, targets, logged), _angles(groups, logged, class_angles)]


def _training(groups: Sequence[Group], targets: Sequence[str], logged: Logged) -> Section:
    verified = {run.name: accuracies(run) for *_, run in members(groups)}
    verifications = [
        _course(groups, f"Verification accuracy on {target}", "10-fold accuracy, %",
                _of(verified, target), NO_VERIFICATIONS, scale=100, dots=True)
        for target in targets
    ]  # fmt: skip
    margin = _course(groups, "Loss without the regularizer", "margin loss, nats",
                     _of(logged, "loss_margin"), NO_METRICS)  # fmt: skip
    batches = _course(groups, "Accuracy on training batches", "correctly classified, %",
                      _of(logged, "accuracy"), NO_METRICS, scale=100)  # fmt: skip
    rate = _course(groups, "Learning rate", "learning rate, log scale",
                   _of(logged, "lr"), NO_METRICS, log_y=True)  # fmt: skip
    return section("Training", [margin, *verifications, batches, rate], _thick(groups))


def _angles(
    groups: Sequence[Group], logged: Logged, class_angles: Mapping[str, ArrayLike]
) -> Section:
    drawn = [
        _angle_histogram(groups, class_angles),
        *(
            _course(groups, title, "degrees", _of(logged, key), NO_METRICS)
            for title, key in (
                ("Mean nearest-neighbour angle", "mean_min_angle_deg"),
                ("Smallest nearest-neighbour angle", "min_angle_deg"),
            )
        ),
    ]
    about = (
        "The angle between the weights of a class and those of the class nearest to it. "
        "Enlarging it is what the MMA regularizer is for. In the histogram the runs of a group are "
        "pooled."
    )
    return section("Angles between classes", drawn, f"{about} {_thick(groups)}".strip())


def _thick(groups: Sequence[Group]) -> str:
    several = any(len(group.runs) > 1 for group in groups)
    return (
        "Thin lines are runs, thick lines their mean over the runs of a group." if several else ""
    )


def _angle_histogram(groups: Sequence[Group], class_angles: Mapping[str, ArrayLike]) -> Drawn:
    title = "Nearest-neighbour angles of the class weights"
    without = [run.name for *_, run in members(groups) if run.name not in class_angles]
    sentence = missing(title, without, "no checkpoint with class weights was handed in")
    found = [
        (number, group.name, np.concatenate(angles))
        for number, group in enumerate(groups)
        if (angles := [np.asarray(class_angles[run.name], dtype=np.float64)
                       for run in group.runs if run.name in class_angles])
    ]  # fmt: skip
    if not found:
        return None, sentence
    every = np.concatenate([angles for *_, angles in found])
    # Finer with more classes, so that a bar is not one class.
    count = min(48, max(12, 2 * math.isqrt(max(len(angles) for *_, angles in found))))
    edges = bins(float(every.min()), float(every.max()), count)
    lines = [histogram(name, number, angles, edges, area=True) for number, name, angles in found]
    top = max(value for line in lines for value in line.y)
    chart = Chart(title, "angle, degrees", "share of the classes, %", lines, y_range=(0.0, top))
    return chart, sentence


def _of(found: Logged, key: str) -> Callable[[Run], Series | None]:
    return lambda run: found[run.name].get(key)


def _mean(runs: Sequence[Series]) -> tuple[list[int], list[float]]:
    """The steps that all runs have, and the mean of the runs at each."""
    values = [dict(zip(series.steps, series.values, strict=True)) for series in runs]
    steps = sorted(set.intersection(*(set(each) for each in values)))
    return steps, [sum(each[step] for each in values) / len(values) for step in steps]


def _course(
    groups: Sequence[Group],
    title: str,
    label: str,
    series_of: Callable[[Run], Series | None],
    why_missing: str,
    scale: float = 1,
    dots: bool = False,
    log_y: bool = False,
) -> Drawn:
    """One figure of each run over the steps, and its mean over the runs of a group."""
    lines, without = [], []
    for number, group in enumerate(groups):
        found = {run.name: series_of(run) for run in group.runs}
        there = [series for series in found.values() if series is not None and series.steps]
        without += [name for name, series in found.items() if series is None or not series.steps]
        faint = len(group.runs) > 1
        for series in there:
            values = [scale * value for value in series.values]
            lines.append(Line(group.name, number, series.steps, values, dots=dots, faint=faint))
        if len(there) > 1 and not dots:
            steps, means = _mean(there)
            lines.append(Line(group.name, number, steps, [scale * value for value in means]))
    drawn = Chart(title, "training step", label, lines, log_y=log_y) if lines else None
    return drawn, missing(title, without, why_missing)
