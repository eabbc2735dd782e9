"""What `arcface-plus tammes --out` leaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from arcface_plus.sphere.packings import simplex
from arcface_plus.sphere.results import Packings
from arcface_plus.sphere.tammes_files import continued, write
from data_prep.errors import UserError


@pytest.mark.parametrize(("dimension", "points"), [(3, 4), (5, 6), (7, 5)])
def test_files(dimension: int, points: int, tmp_path: Path) -> None:
    best = simplex(dimension, points)
    worse = torch.nn.functional.normalize(best + 0.1)
    planned = Packings(dimension, points, "mma", "best", 7)
    write(tmp_path / "out", planned.with_next(worse).with_next(best))
    content = json.loads((tmp_path / "out" / "tammes.json").read_text())
    assert list(content) == [
        "schema", "dimension", "points", "regularizer", "solver", "steps", "seeds",
        "smallest_angle_deg", "best_deg", "best_known_deg", "upper_bound_deg",
    ]  # fmt: skip
    assert content["seeds"] == [0, 1]
    assert content["best_deg"] == max(content["smallest_angle_deg"])
    assert content["best_deg"] == pytest.approx(content["upper_bound_deg"], abs=1e-6)
    assert np.array_equal(np.load(tmp_path / "out" / "points.npy"), best.numpy())
    assert (tmp_path / "out" / "points.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_is_continued(tmp_path: Path) -> None:
    planned = Packings(3, 4, "mma", "descent", 7)
    assert continued(tmp_path, planned) is planned
    first = planned.with_next(simplex(3, 4))
    write(tmp_path, first)
    there = continued(tmp_path, planned)
    assert there.angles == first.angles
    assert torch.equal(there.best, first.best)  # type: ignore[arg-type]
    assert len(there.with_next(simplex(3, 4) + 0.1).angles) == 2


@pytest.mark.parametrize("key", ["dimension", "points", "regularizer", "solver", "steps"])
def test_a_folder_of_another_problem_is_refused(key: str, tmp_path: Path) -> None:
    write(tmp_path, Packings(3, 4, "mma", "descent", 7).with_next(simplex(3, 4)))
    other = {"dimension": 3, "points": 4, "regularizer": "mma", "solver": "descent", "steps": 7}
    other[key] = other[key] * 2  # type: ignore[operator]
    with pytest.raises(UserError, match=f"tammes.json: {key} is .*; give another folder"):
        continued(tmp_path, Packings(**other))  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["angles", "missing", "broken", "shape", "dtype", "pickle"])
def test_damaged_files_are_refused(damage: str, tmp_path: Path) -> None:
    planned = Packings(3, 4, "mma", "descent", 7)
    write(tmp_path, planned.with_next(simplex(3, 4)))
    points, described = tmp_path / "points.npy", tmp_path / "tammes.json"
    if damage == "angles":
        described.write_text(
            json.dumps({**json.loads(described.read_text()), "smallest_angle_deg": ["1"]})
        )
    elif damage == "missing":
        points.unlink()
    elif damage == "broken":
        points.write_bytes(points.read_bytes()[:50])
    elif damage == "shape":
        np.save(points, np.zeros((5, 3)))
    elif damage == "dtype":
        np.save(points, np.zeros((4, 3), np.float32))
    else:
        np.save(points, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="remove the folder"):
        continued(tmp_path, planned)
