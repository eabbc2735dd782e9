"""The list of nearest classes: which pairs, in what order, whatever their names are."""

import csv
import math
from pathlib import Path

import torch

from arcface_plus.models.regularizers import nearest_angles
from arcface_plus.run_directory.nearest_classes import HEADER, write_nearest_classes


def at(degrees: float) -> list[float]:
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


# 0 and 3 are 1° apart, 1 and 2 are 2°; 4 is 10° from 1, whose nearest is 2; 5 has no direction.
WEIGHT = torch.tensor([at(0), at(90), at(88), at(1), at(100), [0.0, 0.0]], dtype=torch.float64)


def written(tmp_path: Path, **arguments: object) -> list[list[str]]:
    file = tmp_path / "nearest_classes.csv"
    write_nearest_classes(file, nearest_angles(WEIGHT), **arguments)  # type: ignore[arg-type]
    with open(file, newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines))


def test_each_pair_once_nearest_first(tmp_path: Path) -> None:
    assert written(tmp_path) == [
        list(HEADER),
        ["0", "3", "1.000", "yes", "", ""],
        ["1", "2", "2.000", "yes", "", ""],
        ["1", "4", "10.000", "no", "", ""],
    ]


def test_the_limit_counts_pairs(tmp_path: Path) -> None:
    assert [row[:2] for row in written(tmp_path, limit=2)[1:]] == [["0", "3"], ["1", "2"]]


def test_names_may_hold_anything(tmp_path: Path) -> None:
    names = {0: 'Ann, "the\nfirst"', 3: "Ånn"}
    rows = written(tmp_path, names=names)
    assert rows[1][4:] == ['Ann, "the\\nfirst"', "Ånn"]
    assert rows[2][4:] == ["", ""]


def test_a_diverged_row_is_left_out(tmp_path: Path) -> None:
    weight = WEIGHT.clone()
    weight[4] = math.nan
    write_nearest_classes(tmp_path / "x.csv", nearest_angles(weight))
    assert "nan" not in (tmp_path / "x.csv").read_text()


def test_unprintable_names_and_formulas_are_escaped(tmp_path):
    names = {0: b"caf\xe9".decode("utf-8", "surrogateescape"), 1: "=HYPERLINK(1)"}
    weight = torch.eye(2)
    write_nearest_classes(tmp_path / "n.csv", nearest_angles(weight), names=names)
    assert (tmp_path / "n.csv").read_text().splitlines()[1].endswith("caf\\xe9,'=HYPERLINK(1)")
