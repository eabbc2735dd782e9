"""RUN/nearest_classes.csv: the pairs of classes with the nearest weights, candidates for cleaning.

One person split over two labels gives two class weights that training can hardly separate, although
MMA pushes them apart. The search for MMA's neighbours has already found such pairs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import torch

from arcface_plus.models.regularizers import NearestAngles
from data_prep.csv_cells import as_cell
from data_prep.errors import printable
from data_prep.files import write_text

FILE = "nearest_classes.csv"
HEADER = ("class_a", "class_b", "angle_deg", "mutual", "name_a", "name_b")


def write_nearest_classes(
    file: Path,
    angles: NearestAngles,
    limit: int = 1000,
    names: Mapping[int, str] | None = None,
) -> None:
    """Write the `limit` nearest pairs of a class and its nearest class, nearest first, atomically.

    Columns: the two class numbers (a < b), the angle between their weights in degrees, whether
    each is the other's nearest, and their names if known. Waits for a GPU.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    names = names or {}
    for a, b, degrees, mutual in nearest_pairs(angles, limit):
        writer.writerow(
            (a, b, f"{degrees:.3f}", mutual, *(_cell(names.get(c, "")) for c in (a, b)))
        )
    write_text(file, text.getvalue())


def _cell(name: str) -> str:
    """A name as a spreadsheet cell: valid UTF-8, never evaluated as a formula."""
    return as_cell(printable(name))


def nearest_pairs(angles: NearestAngles, limit: int) -> list[tuple[int, int, float, str]]:
    """(a, b, degrees, "yes" or "no": mutual), each pair once, by angle and then by number."""
    candidates = angles.counted & ~angles.angle.isnan()
    key = torch.where(candidates, angles.angle, torch.inf)
    order = key.argsort(stable=True)[: 2 * limit]  # a mutual pair comes twice
    order = order[candidates[order]]
    first, second = order, angles.row[order]
    mutual = (angles.row[second] == first) & candidates[second]
    columns = (
        torch.minimum(first, second).tolist(),
        torch.maximum(first, second).tolist(),
        torch.rad2deg(angles.angle[order].double()).tolist(),
        mutual.tolist(),
    )
    pairs = {(a, b): (degrees, both) for a, b, degrees, both in zip(*columns, strict=True)}
    rows = [(a, b, degrees, "yes" if both else "no") for (a, b), (degrees, both) in pairs.items()]
    return sorted(rows, key=lambda row: (row[2], row[0], row[1]))[:limit]
