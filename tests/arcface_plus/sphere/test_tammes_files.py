"""What `arcface-plus tammes --out` leaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from arcface_plus.sphere.packings import simplex
from arcface_plus.sphere.tammes import Packings
from arcface_plus.sphere.tammes_files import write


@pytest.mark.parametrize(("dimension", "points"), [(3, 4), (5, 6), (7, 5)])
def test_files(dimension: int, points: int, tmp_path: Path) -> None:
    best = simplex(dimension, points)
    worse = torch.nn.functional.normalize(best + 0.1)
    write(tmp_path / "out", Packings(dimension, points, "mma", "best", (worse, best)))
    content = json.loads((tmp_path / "out" / "tammes.json").read_text())
    assert list(content) == [
        "schema", "dimension", "points", "regularizer", "solver", "seeds", "smallest_angle_deg",
        "best_deg", "best_known_deg", "upper_bound_deg",
    ]  # fmt: skip
    assert content["seeds"] == [0, 1]
    assert content["best_deg"] == max(content["smallest_angle_deg"])
    assert content["best_deg"] == pytest.approx(content["upper_bound_deg"], abs=1e-6)
    assert np.array_equal(np.load(tmp_path / "out" / "points.npy"), best.numpy())
    assert (tmp_path / "out" / "points.png").read_bytes().startswith(b"\x89PNG")
