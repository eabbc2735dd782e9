"""What all losses over nearest rows share."""

from __future__ import annotations

import math

import pytest
import torch
from naive_angles import F64, loss_and_gradient, naive_angles, random_rows, rows_at
from sharded_regularizers import Case, check_over_shards
from sharded_rows import difficult_rows, identical_rows_apart
from torch import nn

from arcface_plus.models.regularizers import MMA, REGULARIZERS, KoLeo, MaximalCosine, nearest_angles
from arcface_plus.models.shards import Shards


@pytest.mark.parametrize("name", ["mma", "koleo", "cosine"])
def test_gradcheck(name: str) -> None:
    assert torch.autograd.gradcheck(REGULARIZERS[name](), (random_rows(12, 4).requires_grad_(),))


@pytest.mark.parametrize(
    ("regularizer", "pull"),
    [
        (MMA(), lambda angle: 1.0),
        (KoLeo(), lambda angle: 0.5 / math.tan(angle / 2)),
        (MaximalCosine(), math.sin),
    ],
)
def test_the_force_between_a_single_near_pair(regularizer: nn.Module, pull) -> None:  # type: ignore[no-untyped-def]
    angle = 0.01
    weight = rows_at(angle)
    _, grad = loss_and_gradient(weight, regularizer)
    # Row 10 gets the gradient of its own term and of row 0's, whose nearest it is.
    expected = 2 * pull(angle) / (11 * weight[10].norm().item())
    assert grad[10].norm().item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("regularizer", [MMA(), KoLeo(), MaximalCosine()])
def test_duplicates_zero_rows_and_nan(regularizer: nn.Module) -> None:
    weight = random_rows(20, 6, torch.float32)
    weight[3] = weight[7]
    weight[11] = 0.0
    value, grad = loss_and_gradient(weight, regularizer)
    assert bool(value.isfinite())
    assert bool(grad.isfinite().all())
    assert bool((grad[11] == 0).all())
    if not isinstance(regularizer, MaximalCosine):  # whose force between duplicates is zero
        assert (grad[3] - grad[7]).norm() > 0.01
    weight[5, 2] = math.nan
    assert bool(loss_and_gradient(weight, regularizer)[0].isnan())


def test_near_rows_may_be_ignored() -> None:
    """Two labels of one person are not pushed apart, and the mean is over the other rows."""
    weight = rows_at(math.radians(5.0))
    value, grad = loss_and_gradient(weight, MMA(ignore_below=10.0))
    angles = naive_angles(weight).min(dim=1).values
    torch.testing.assert_close(value, -angles[1:10].mean())
    everything = MMA()
    assert loss_and_gradient(weight, everything)[1][10].norm() > 0.01
    nearest = nearest_angles(weight).row
    pointed_at = set(nearest[1:10].tolist())
    for row in {0, 10} - pointed_at:
        assert bool((grad[row] == 0).all())
    counting = MMA(ignore_below=10.0)
    counting(weight)
    assert counting.report() == {"ignored_rows": 2.0}
    assert counting.last is not None  # ignored rows are still reported
    assert counting.last.smallest().item() == pytest.approx(math.radians(5.0))


def test_all_rows_ignored_gives_zero_and_nan_is_not_hidden() -> None:
    weight = random_rows(6, 4, torch.float32)
    value, grad = loss_and_gradient(weight, MMA(ignore_below=179.0))
    assert value.item() == 0.0
    assert bool((grad == 0).all())
    weight[2, 2] = math.nan
    assert bool(loss_and_gradient(weight, MMA(ignore_below=179.0))[0].isnan())


def test_a_second_backward_pass_gives_the_same() -> None:
    weight = random_rows(30, 6).requires_grad_()
    loss = MMA()(weight)
    first = torch.autograd.grad(loss, weight, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(loss, weight)[0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mode": "fast"}, "mode must be one of auto, exact, cached, rolling, not 'fast'"),
        ({"candidates": 0}, "candidates must be 1 to 32, not 0"),
        ({"candidates": 33}, "candidates must be 1 to 32"),
        ({"max_drift": 0.0}, r"max_drift must be in \(0, 180\] degrees"),
        ({"rolling_steps": 0}, "rolling_steps must be at least 1"),
        ({"ignore_below": -1.0}, r"ignore_below must be in \[0, 180\) degrees"),
        ({"ignore_below": math.nan}, "ignore_below"),
    ],
)
def test_mistakes(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MMA(**parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [2, 4])
def test_over_shards_loss_and_gradient_are_those_of_the_whole_matrix(count: int) -> None:
    """Also where some processes hold nothing, and where only one holds a NaN."""
    broken = random_rows(11, 6, torch.float32)
    broken[-1, 2] = math.nan
    few = torch.eye(5, 6)[:2]
    everything = [
        *(difficult_rows(n, torch.float32) for n in (5, 7, 11, 400)),
        *(identical_rows_apart(difficult_rows(n, F64)) for n in (11, 400)),
        rows_at(math.radians(5.0)),
        torch.zeros(7, 3),
        few,
        broken,
    ]
    terms: list[tuple[str, dict[str, object]]] = [
        (name, {"ignore_below": below})
        for name, below in (("mma", 0.0), ("koleo", 0.0), ("cosine", 0.0), ("mma", 10.0))
    ]
    terms += [("mma", {"ignore_below": 179.0}), ("koleo", {"mode": "cached"})]
    check_over_shards(
        count, [Case(name, given, weight) for weight in everything for name, given in terms]
    )


def test_a_part_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="process 1 of 3 holds 4 of 11 rows, not 5"):
        MMA()(torch.ones(5, 3), Shards(11, 1, 3))
