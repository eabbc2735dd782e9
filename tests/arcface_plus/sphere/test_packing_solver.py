"""From a start to the best packing: known optima are reached to rounding."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.sphere import packing_solver
from arcface_plus.sphere.packing_solver import best_packing, improved
from arcface_plus.sphere.packings import best_known_deg
from arcface_plus.sphere.tammes import smallest_angle_deg


def start(dimension: int, points: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(points, dimension, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("dimension", "points"), [(3, 6), (3, 12), (4, 8)])
def test_known_optima_are_reached(dimension: int, points: int) -> None:
    found = [improved(start(dimension, points, seed)) for seed in range(3)]
    best = max(map(smallest_angle_deg, found))
    assert best == pytest.approx(best_known_deg(dimension, points), abs=1e-4)


def test_a_packing_never_gets_worse() -> None:
    rows = start(4, 12)
    rows[3] = rows[7]  # identical rows are parted
    assert smallest_angle_deg(improved(rows)) > 60.0
    snub = improved(start(3, 24, seed=1))
    again = improved(snub)
    assert smallest_angle_deg(again) >= smallest_angle_deg(snub)
    torch.testing.assert_close(again.norm(dim=1), torch.ones(24, dtype=torch.float64))


def test_the_simplex_is_exact_whatever_the_start() -> None:
    rows = best_packing(start(5, 6), 0)
    assert smallest_angle_deg(rows) == pytest.approx(best_known_deg(5, 6), abs=1e-10)


def test_other_starts_are_tried_for_few_points() -> None:
    calls: list[tuple[int, int]] = []
    rows = best_packing(start(3, 7), 0, lambda done, total: calls.append((done, total)))
    assert smallest_angle_deg(rows) == pytest.approx(77.8695, abs=1e-3)  # Schütte, van der Waerden
    assert calls[-1] == (30, 30)  # 15 starts, all of them finished


def test_of_many_starts_the_best_are_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    spread: list[torch.Tensor] = []
    finished: list[torch.Tensor] = []

    def unchanged(rows: torch.Tensor, to: list[torch.Tensor]) -> torch.Tensor:
        to.append(torch.nn.functional.normalize(rows))
        return to[-1]

    monkeypatch.setattr(packing_solver, "_spread", lambda rows: unchanged(rows, spread))
    monkeypatch.setattr(packing_solver, "_finished", lambda rows: unchanged(rows, finished))
    best = best_packing(start(5, 130), 0)
    angles = sorted(map(smallest_angle_deg, spread), reverse=True)
    assert (len(spread), len(finished)) == (41, 7)
    assert list(map(smallest_angle_deg, finished)) == pytest.approx(angles[:7])
    assert smallest_angle_deg(best) == pytest.approx(angles[0])
