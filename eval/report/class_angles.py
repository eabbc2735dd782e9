"""The angles between class weights: of the last checkpoint, and over the training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.groups import Group
from eval.report.charts import Chart, Line
from eval.report.courses import NO_METRICS, Logged, course, kinds_of_line, of
from eval.report.sections import Drawn, Section, bins, histogram, members, missing, section

MOST_HISTOGRAMS = 4
"""Histograms of more groups would hide each other."""

ClassAngles = Mapping[str, ArrayLike]
"""Name of a run → the angle in degrees of each class to its nearest other one."""


def class_angle_section(groups: Sequence[Group], logged: Logged, angles: ClassAngles) -> Section:
    """The distribution of the angles in the last checkpoints, their mean and smallest over steps.

    `logged`: every run's metrics, by name.
    """
    drawn = [
        _distribution(groups, angles),
        *(
            course(groups, title, "degrees", of(logged, key), NO_METRICS)
            for title, key in (
                ("Mean nearest-neighbour angle", "mean_min_angle_deg"),
                ("Smallest nearest-neighbour angle", "min_angle_deg"),
            )
        ),
    ]
    about = (
        "The angle between the weights of a class and those of the class nearest to it. "
        "Enlarging it is what the MMA regularizer is for. In their distribution the runs of a "
        "group are pooled."
    )
    return section("Angles between classes", drawn, f"{about} {kinds_of_line(groups)}".strip())


def _distribution(groups: Sequence[Group], of_runs: ClassAngles) -> Drawn:
    """A histogram; of many groups the cumulative distribution, whose lines stay apart."""
    title = "Nearest-neighbour angles of the class weights"
    without = [run.name for *_, run in members(groups) if run.name not in of_runs]
    sentence = missing(title, without, "no checkpoint with class weights was handed in")
    found = [
        (number, group.name, np.concatenate(angles))
        for number, group in enumerate(groups)
        if (angles := [np.asarray(of_runs[run.name], dtype=np.float64)
                       for run in group.runs if run.name in of_runs])
    ]  # fmt: skip
    if not found:
        return None, sentence
    x_label = "angle, degrees"
    if len(found) > MOST_HISTOGRAMS:
        lines = [_cumulative(name, number, angles) for number, name, angles in found]
        label = "share of the classes with a smaller angle, %"
        return Chart(title, x_label, label, lines, y_range=(0.0, 100.0)), sentence
    every = np.concatenate([angles for *_, angles in found])
    # Finer with more classes, so that a bar is not one class.
    count = min(48, max(12, 2 * math.isqrt(max(len(angles) for *_, angles in found))))
    edges = bins(float(every.min()), float(every.max()), count)
    lines = [histogram(name, number, angles, edges, area=True) for number, name, angles in found]
    top = max(value for line in lines for value in line.y)
    return Chart(title, x_label, "share of the classes, %", lines, y_range=(0.0, top)), sentence


def _cumulative(name: str, colour: int, angles: NDArray[np.float64]) -> Line:
    """Steps up at each angle, in % of the classes."""
    shares = 100 * np.arange(len(angles) + 1) / len(angles)
    return Line(
        name, colour, np.repeat(np.sort(angles), 2).tolist(), np.repeat(shares, 2)[1:-1].tolist()
    )
