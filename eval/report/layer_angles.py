"""The angles between the filters of each layer: of the last checkpoint, and over the training.

As figure 1 of the supplement to "MMA Regularization" (NeurIPS 2020): layers from left to right, a
line a group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from eval.groups import Group
from eval.report.charts import Chart, Line
from eval.report.class_angles import ClassAngles
from eval.report.courses import Logged, course, kinds_of_line, of
from eval.report.sections import Drawn, Section, members, missing, section
from eval.report.tables import Table
from eval.report.values import NOTHING

CLASSIFIER = "classifier"
MOST_COURSES = 6
"""Layers whose angles are drawn over the training."""

NOT_LOGGED = "only the layers that a regularizer acts on are logged"
_LOGGED = "min_angle_deg."


@dataclass(frozen=True)
class Layer:
    """A layer of a checkpoint: the smallest and the mean angle of a filter to its nearest other."""

    name: str
    smallest_deg: float
    mean_deg: float


Layers = Mapping[str, Sequence[Layer]]
"""Name of a run → its layers, from the input on."""


def layer_angle_section(
    groups: Sequence[Group], logged: Logged, layers: Layers, classes: ClassAngles
) -> Section | None:
    """None where no run has the angles of a layer besides the classifier.

    Args:
        logged: every run's metrics, by name.
        classes: the angles of the class weights, which are drawn as the last layer.
    """
    names = list(dict.fromkeys(layer.name for found in layers.values() for layer in found))
    courses = _courses(groups, logged)
    if not names and not courses:
        return None
    of_group = _of_groups(groups, layers, classes)
    if any(CLASSIFIER in found for found in of_group):
        names.append(CLASSIFIER)
    without = [run.name for *_, run in members(groups) if not layers.get(run.name)]
    drawn = [
        _by_layer(groups, "Smallest angle of each layer, last checkpoint", names, of_group, 0),
        _by_layer(groups, "Mean angle of each layer, last checkpoint", names, of_group, 1),
    ]
    sentence = missing("Angles of layers", without, "no checkpoint was handed in")
    about = (
        "The angle of each filter to the nearest other filter of its layer; layers are numbered "
        "from the input, and the table names them. In the last checkpoint, of several runs, the "
        f"figures are means over the runs. {kinds_of_line(groups) if courses else ''}"
    ).strip()
    found = section("Angles between filters", [*drawn, (None, sentence), *courses], about)
    table = _table(groups, names, of_group)
    return Section(found.title, found.stacks, found.remarks, (table,) if names else ())


Figures = Mapping[str, tuple[float, float]]
"""Name of a layer → its smallest and mean angle, each the mean over the runs of a group."""


def _of_groups(groups: Sequence[Group], layers: Layers, classes: ClassAngles) -> list[Figures]:
    found: list[Figures] = []
    for group in groups:
        runs: dict[str, list[tuple[float, float]]] = {}
        for run in group.runs:
            for layer in layers.get(run.name, ()):
                runs.setdefault(layer.name, []).append((layer.smallest_deg, layer.mean_deg))
            if layers.get(run.name) and run.name in classes:
                angles = np.asarray(classes[run.name], dtype=np.float64)
                runs.setdefault(CLASSIFIER, []).append((float(angles.min()), float(angles.mean())))
        found.append({name: _means(each) for name, each in runs.items()})
    return found


def _means(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    smallest, mean = zip(*pairs, strict=True)
    return fmean(smallest), fmean(mean)


def _by_layer(
    groups: Sequence[Group],
    title: str,
    names: Sequence[str],
    of_group: Sequence[Figures],
    figure: int,
) -> Drawn:
    lines = []
    for number, (group, found) in enumerate(zip(groups, of_group, strict=True)):
        places = [k for k, name in enumerate(names, 1) if name in found]
        values = [found[names[k - 1]][figure] for k in places]
        if places:
            lines.append(Line(group.name, number, places, values, dots=True))
    if not lines:
        return None, []
    return Chart(title, "layer", "degrees", lines, x_range=(1, len(names)), whole_x=True), []


def _courses(groups: Sequence[Group], logged: Logged) -> list[Drawn]:
    """The smallest angle of some layers over the training, evenly from the first to the last."""
    of_run = {run: [k for k in found if k.startswith(_LOGGED)] for run, found in logged.items()}
    keys = list(dict.fromkeys(key for found in of_run.values() for key in found))
    if not keys:
        return []
    count = min(len(keys), MOST_COURSES)
    chosen = [keys[k * (len(keys) - 1) // max(count - 1, 1)] for k in range(count)]
    charts: list[Drawn] = [
        (course(groups, f"Smallest angle of {key.removeprefix(_LOGGED)}", "degrees",
                of(logged, key), NOT_LOGGED)[0], [])
        for key in chosen
    ]  # fmt: skip
    without = [run for run, found in of_run.items() if not found]
    remarks = missing("Angles of layers over the training", without, NOT_LOGGED)
    if len(keys) > count:
        remarks.append(f"Over the training {count} of {len(keys)} layers are drawn.")
    return [*charts, (None, remarks)]


def _table(groups: Sequence[Group], names: Sequence[str], of_group: Sequence[Figures]) -> Table:
    rows = [
        (
            f"{k} {name}",
            *(
                f"{found[name][0]:.1f} / {found[name][1]:.1f}" if name in found else NOTHING
                for found in of_group
            ),
        )
        for k, name in enumerate(names, 1)
    ]
    columns = ("layer", *(group.name for group in groups))
    return Table("Smallest / mean angle of each layer, degrees", columns, tuple(rows))
