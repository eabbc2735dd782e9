"""What the seeds of a Tammes problem reached: the best points, and the lines on the terminal."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.sphere.packings import simplex
from arcface_plus.sphere.results import Packings


def test_what_a_result_says() -> None:
    good, bad = simplex(3, 4), torch.eye(4, 3, dtype=torch.float64) + 0.1
    found = Packings(3, 4, "mma", "descent", 10).with_next(bad).with_next(good).with_next(bad)
    assert found.best is good
    assert found.best_deg == pytest.approx(109.4712, abs=1e-4)
    assert found.angles[0] == found.angles[2] < found.angles[1]
    first, second = found.lines()
    assert first.startswith("4 points in 3 dimensions, mma, descent: smallest angle 109.471°, ")
    assert first.endswith("° to 109.471° over 3 seeds")
    assert "best known 109.471°" in second
    assert "upper bound 109.471°" in second


def test_a_single_seed_of_an_unknown_problem() -> None:
    rows = torch.randn(15, 7, dtype=torch.float64)
    unknown = Packings(7, 15, "mma", "descent", 10).with_next(rows)
    assert "no best known packing here" in unknown.lines()[1]
    assert "seeds" not in unknown.lines()[0]
