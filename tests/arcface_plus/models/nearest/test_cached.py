"""Cached (and rolling) candidates against the exact search: at rest, with drift, in training."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from gpu_branches import as_on_a_gpu
from naive_angles import loss_and_gradient, naive_angles, random_rows
from processes import in_processes
from torch import Tensor
from torch.nn.functional import normalize

from arcface_plus.models.nearest import cached, watch
from arcface_plus.models.regularizers import MMA, neighbour_loss
from arcface_plus.models.shards import Shards

MODES = [{"mode": "cached"}, {"mode": "rolling"}, {"mode": "rolling", "rolling_steps": 1}]


def turned(weight: Tensor, degrees: float, seed: int = 5) -> Tensor:
    """Every row turned by this angle, each in its own direction."""
    unit = normalize(weight)
    noise = torch.randn(unit.shape, generator=torch.Generator().manual_seed(seed))
    tangent = normalize(noise.to(unit) - (noise.to(unit) * unit).sum(dim=1, keepdim=True) * unit)
    angle = math.radians(degrees)
    return weight.norm(dim=1, keepdim=True) * (math.cos(angle) * unit + math.sin(angle) * tangent)


@pytest.mark.parametrize("parameters", MODES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("n", "d"), [(2, 4), (3, 2), (50, 8), (700, 16)])
def test_the_first_step_is_exact(parameters, dtype, n, d) -> None:  # type: ignore[no-untyped-def]
    weight = random_rows(n, d, dtype)
    weight[n // 2] = weight[0]  # identical rows
    if n > 9:
        weight[4] = 0.0
        weight[9] = weight[8] * (1 + 1e-5 * random_rows(1, d, dtype)[0])
    expected = loss_and_gradient(weight)
    found = loss_and_gradient(weight, MMA(**parameters))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("parameters", MODES)
def test_small_drift_misses_hardly_any_neighbour(parameters) -> None:  # type: ignore[no-untyped-def]
    weight = random_rows(1500, 64, torch.float32)
    regularizer = MMA(**parameters)
    regularizer(weight)
    later = turned(weight, 3.9)
    regularizer(later)
    assert regularizer.last is not None
    best = naive_angles_large(later)
    missed = regularizer.last.angle.double() - best
    assert missed.min() > -1e-6
    assert (missed > 1e-6).double().mean() < 0.02
    assert torch.rad2deg(missed.max()) < 3.0


def naive_angles_large(weight: Tensor) -> Tensor:
    unit = normalize(weight.double())
    return (unit @ unit.T).fill_diagonal_(-2.0).max(dim=1).values.arccos()


@pytest.mark.parametrize("parameters", MODES)
def test_a_nan_in_the_first_step_reaches_the_loss(parameters: dict[str, object]) -> None:
    """The search finds no candidates for that row."""
    weight = random_rows(11, 6, torch.float32)
    weight[-1, 2] = math.nan
    assert bool(MMA(**parameters)(weight).isnan())  # type: ignore[arg-type]


def test_a_stale_cache_is_renewed_and_reported() -> None:
    weight = random_rows(400, 32, torch.float32)
    regularizer = MMA(mode="cached")
    regularizer(weight)
    regularizer(turned(weight, 3.5))
    regularizer(turned(weight, 3.5))
    assert regularizer.report()["neighbour_refreshes"] == 1
    assert regularizer.report()["neighbour_drift_deg"] == pytest.approx(3.5, abs=0.03)
    later = turned(weight, 30.0)
    loss = regularizer(later)
    assert regularizer.report() == {
        "neighbour_drift_deg": 0.0,
        "neighbour_stale_fraction": 0.0,
        "neighbour_refreshes": 2,
    }
    assert loss == MMA(mode="exact")(later)


@pytest.mark.parametrize("wanderers", [30, 60])
def test_a_tenth_of_drifting_rows_renews_everything(wanderers: int) -> None:
    weight = random_rows(500, 32, torch.float32)
    regularizer = MMA(mode="cached")
    regularizer(weight)
    weight[:wanderers] = turned(weight, 60.0)[:wanderers]
    regularizer(weight)
    renewed = wanderers > 50
    assert regularizer.report()["neighbour_refreshes"] == 1 + renewed
    stale = 0.0 if renewed else wanderers / 500
    assert regularizer.report()["neighbour_stale_fraction"] == pytest.approx(stale)


@pytest.mark.parametrize("kind", ["wandered", "no longer zero"])
def test_fewer_drifting_rows_are_renewed_cyclically(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So are rows whose neighbour they have become: no row stays wrong for ever."""
    monkeypatch.setattr(cached, "_EVERY", 20)
    weight = random_rows(500, 32, torch.float32)
    later = weight.clone()
    later[:40] = later[100:140] + 0.1 * random_rows(40, 32, torch.float32, seed=4)
    if kind == "no longer zero":
        weight[:40] = 0.0
    regularizer = MMA(mode="cached")
    regularizer(weight)
    best = naive_angles(later).min(dim=1).values
    wrong = []
    for _ in range(21):
        regularizer(later)
        assert regularizer.last is not None
        wrong.append(int((regularizer.last.angle.double() - best > 1e-6).sum()))
    assert wrong[0] > 40
    assert wrong[-1] == 0
    assert regularizer.report() == {
        "neighbour_drift_deg": pytest.approx(0.0, abs=0.03),
        "neighbour_stale_fraction": 0.0,
        "neighbour_refreshes": 1,
    }


@pytest.mark.parametrize("parameters", MODES)
@pytest.mark.parametrize("gpu", [False, True])
def test_the_nearer_of_two_close_rows_in_one_slot(
    parameters: dict[str, object], gpu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search keeps one row per slot, and float16 cannot tell which one is nearer."""
    weight = random_rows(300, 16, torch.float32)
    weight[69] = turned(weight[5:6], 0.05)[0]
    weight[37] = turned(weight[5:6], 0.7)[0]
    if gpu:
        as_on_a_gpu(monkeypatch)
    regularizer = MMA(**parameters)  # type: ignore[arg-type]
    for _ in range(22):  # more calls than rolling needs to renew everything
        regularizer(weight)
        assert regularizer.last is not None
        assert regularizer.last.row[5] == 69


def descend(regularizer: MMA, steps: int = 150, n: int = 300, d: int = 24) -> tuple[float, float]:
    weight = normalize(random_rows(n, d, torch.float32)).requires_grad_()
    optimizer = torch.optim.SGD([weight], lr=0.05 * n, momentum=0.9)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.002 * n * (1 - step / steps)
        optimizer.zero_grad()
        regularizer(weight).backward()
        optimizer.step()
    angles = naive_angles(weight.detach()).min(dim=1).values
    return math.degrees(angles.mean()), math.degrees(angles.min())


def test_a_training_run_ends_where_the_exact_one_does() -> None:
    start = math.degrees(naive_angles(random_rows(300, 24)).min(dim=1).values.mean())
    exact, exact_smallest = descend(MMA(mode="exact"))
    assert exact > start + 8.0
    for parameters, within in zip(MODES, (1.0, 0.3, 0.01), strict=True):
        regularizer = MMA(**parameters)  # type: ignore[arg-type]
        mean, smallest = descend(regularizer)
        assert mean == pytest.approx(exact, abs=within)
        assert smallest == pytest.approx(exact_smallest, abs=3 * within)
        if regularizer.mode == "cached":
            assert 2 <= regularizer.report()["neighbour_refreshes"] < 20
    never_renewed, _ = descend(MMA(mode="cached", max_drift=180.0))
    assert never_renewed < exact - 5.0


@pytest.mark.parametrize("parameters", [*MODES, {"mode": "exact"}])
@pytest.mark.parametrize("saved_after", [1, 3, 5])
@pytest.mark.parametrize("lag", [False, True])
def test_a_resumed_run_has_the_same_bits(  # type: ignore[no-untyped-def]
    parameters, saved_after: int, lag: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a save and a load in the middle of a drift every loss and gradient is the same."""
    if lag:  # as on a GPU: with measurements under way
        monkeypatch.setattr(cached, "on_cpu", lambda tensor: False)

    def run(regularizer: MMA, steps: range) -> list[Tensor]:
        weight = random_rows(200, 16, torch.float32)
        found = []
        for step in steps:
            found += loss_and_gradient(turned(weight, 1.3 * step), regularizer)
        return found

    whole = run(MMA(**parameters), range(12))
    first, second = MMA(**parameters), MMA(**parameters)
    parts = run(first, range(saved_after))
    state = {name: copy.deepcopy(value) for name, value in first.state_dict().items()}
    second.load_state_dict(state)
    assert second.state_dict().keys() == first.state_dict().keys()
    parts += run(second, range(saved_after, 12))
    for ours, theirs in zip(parts, whole, strict=True):
        assert torch.equal(ours, theirs)


def test_state_of_another_number_of_classes_is_ignored() -> None:
    first, second = MMA(mode="cached"), MMA(mode="cached")
    first(random_rows(40, 8))
    second.load_state_dict(first.state_dict())
    weight = random_rows(50, 8)
    assert second(weight) == MMA(mode="exact")(weight)


def test_auto_is_exact_until_that_costs_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbour_loss, "EXACT_UP_TO", 100)
    monkeypatch.setattr(watch, "EXACT_UP_TO", 100)
    small, large = MMA(), MMA()
    small(random_rows(100, 8))
    large(random_rows(101, 8))
    assert small.report() == {}
    assert "neighbour_refreshes" in large.report()


def test_on_a_gpu_the_drift_is_read_four_calls_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "on_cpu", lambda tensor: False)
    weight = random_rows(200, 16, torch.float32)
    later = turned(weight, 20.0)
    regularizer = MMA(mode="cached")
    regularizer(weight)
    refreshes = []
    for _ in range(6):
        regularizer(later)
        refreshes.append(regularizer.report()["neighbour_refreshes"])
    assert refreshes == [1, 1, 1, 1, 2, 2]


def _steps(
    rank: int, count: int, parameters: dict[str, object], weight: Tensor, state: Any, steps: range
) -> tuple[list[tuple[Tensor, dict[str, float], Tensor]], dict[str, Any]]:
    """Loss, report and gradient of some steps, from the state of a checkpoint, and the new one."""
    cached._EVERY = 8
    shards = Shards(len(weight), rank, count)
    regularizer = MMA(**parameters)  # type: ignore[arg-type]
    regularizer.set_extra_state(state)
    found = []
    for step in steps:
        own = turned(weight, 1.3 * step)[shards.own].clone().requires_grad_()
        loss = regularizer(own, shards)
        (grad,) = torch.autograd.grad(loss, own)
        found.append((loss.detach(), regularizer.report(), grad))
    return found, regularizer.get_extra_state()


def _resharded(states: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """As a checkpoint does for a run that continues with another number of processes."""
    by_row = {
        name: torch.cat([state["by_row"][name] for state in states]) for name in states[0]["by_row"]
    }
    rows = [Shards(states[0]["rows"], rank, count).own for rank in range(count)]
    return [
        states[0] | {"by_row": {name: tensor[own].clone() for name, tensor in by_row.items()}}
        for own in rows
    ]


@pytest.mark.parametrize("parameters", [{"mode": "cached"}, {"mode": "rolling"}])
def test_over_shards_as_in_one_process_and_resumed_on_another_number(
    parameters: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same candidates, drift, renewals and state, on 3 processes and then on 2."""
    monkeypatch.setattr(cached, "_EVERY", 8)
    parameters |= {"candidates": 3}
    weight = random_rows(103, 16, torch.float32)
    weight[50] = 0.0
    first = in_processes(3, _each_with_its_state, 3, parameters, weight, [{}] * 3, range(5))
    states = [state for _, state in first]
    for state in states:
        assert {k: v for k, v in state.items() if k != "by_row"} == {
            k: v for k, v in states[0].items() if k != "by_row"
        }
        assert state["rows"] == 103
    later = _resharded(states, 2)
    second = in_processes(2, _each_with_its_state, 2, parameters, weight, later, range(5, 9))
    alone, _ = _steps(0, 1, parameters, weight, {}, range(9))
    for step, (loss, report, grad) in enumerate(alone):
        found = [steps[step] for steps, _ in first] if step < 5 else []
        found = found or [steps[step - 5] for steps, _ in second]
        for ours, theirs, _ in found:
            torch.testing.assert_close(ours, loss, rtol=1e-6, atol=0)
            assert theirs == pytest.approx(report, rel=1e-9)
        torch.testing.assert_close(torch.cat([own for _, _, own in found]), grad, rtol=0, atol=1e-6)
    if parameters["mode"] == "cached":
        refreshes = [report["neighbour_refreshes"] for _, report, _ in alone]
        assert 1 < refreshes[-1] < 6


def _each_with_its_state(
    rank: int,
    count: int,
    parameters: dict[str, object],
    weight: Tensor,
    states: list[dict[str, Any]],
    steps: range,
) -> Any:
    return _steps(rank, count, parameters, weight, states[rank], steps)


def test_state_of_older_checkpoints_is_restored() -> None:
    """They had the entries of the rows beside the others."""
    for parameters in MODES:
        first, second, fresh = (MMA(**parameters) for _ in range(3))  # type: ignore[arg-type]
        weight, later = random_rows(60, 8), turned(random_rows(60, 8), 3.0)
        first(weight)
        state = first.get_extra_state()
        by_row = state.pop("by_row")
        second.set_extra_state(state | by_row)
        fresh(later)
        second(later)
        first(later)
        expected = first.get_extra_state()["by_row"]["table"]
        assert torch.equal(second.get_extra_state()["by_row"]["table"], expected)
        assert not torch.equal(fresh.get_extra_state()["by_row"]["table"], expected) or (
            parameters.get("rolling_steps") == 1
        )
