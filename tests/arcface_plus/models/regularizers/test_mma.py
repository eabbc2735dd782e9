"""MMA against a naive float64 n×n version."""

import math

import pytest
import torch
from naive_angles import (
    F64,
    loss_and_gradient,
    naive_angles,
    naive_gradient,
    naive_mma,
    random_rows,
    rows_at,
    simplex,
)
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from arcface_plus.models.regularizers import MMA, nearest_angles


@pytest.mark.parametrize(("n", "d"), [(2, 2), (2, 7), (3, 5), (31, 8), (100, 3), (200, 40)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(F64, 1e-12), (torch.float32, 2e-5)])
def test_value_and_gradient(n: int, d: int, dtype: torch.dtype, tolerance: float) -> None:
    weight = random_rows(n, d, dtype)
    loss, grad = loss_and_gradient(weight)
    assert loss.dtype == grad.dtype == dtype
    torch.testing.assert_close(loss.to(F64), naive_mma(weight), rtol=tolerance, atol=tolerance)
    expected = naive_gradient(weight.to(F64))
    scale = expected.abs().max().item()
    torch.testing.assert_close(grad.to(F64), expected, rtol=0, atol=tolerance * scale)


def test_gradcheck() -> None:
    assert torch.autograd.gradcheck(MMA(), (random_rows(12, 4).requires_grad_(),))


def test_one_upstream_factor_scales_the_gradient() -> None:
    weight = random_rows(20, 6).requires_grad_()
    (once,) = torch.autograd.grad(MMA()(weight), weight)
    (scaled,) = torch.autograd.grad(0.03 * MMA()(weight), weight)
    torch.testing.assert_close(scaled, 0.03 * once)


@pytest.mark.parametrize("angle", [10.0**-k for k in range(1, 8)])
@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_near_duplicates(angle: float, dtype: torch.dtype) -> None:
    weight = rows_at(angle).to(dtype)
    found = nearest_angles(weight)
    assert (found.row[0].item(), found.row[10].item()) == (10, 0)
    expected = naive_angles(weight).min(dim=1).values
    tolerance = 1e-6 if dtype == torch.float32 else 1e-8
    torch.testing.assert_close(found.angle.to(F64), expected, rtol=tolerance, atol=1e-15)
    _, grad = loss_and_gradient(weight)
    scale = naive_gradient(weight.to(F64)).abs().max().item()
    expected_grad = naive_gradient(weight.to(F64))
    torch.testing.assert_close(grad.to(F64), expected_grad, rtol=0, atol=1e-6 * scale)


def test_identical_rows_are_pushed_apart() -> None:
    weight = torch.eye(10, 16) + 0.1
    weight[7] = weight[3]
    loss, grad = loss_and_gradient(weight)
    assert bool(loss.isfinite())
    assert nearest_angles(weight).angle[[3, 7]].tolist() == [0.0, 0.0]
    u = weight[3] / weight[3].norm()
    assert abs(grad[3] @ u) < 1e-6 * grad[3].norm()
    # Neither is the nearest of any other row, so each gets a gradient only from the other one.
    others = nearest_angles(weight).row[[0, 1, 2, 4, 5, 6, 8, 9]]
    assert not bool(torch.isin(others, torch.tensor([3, 7])).any())
    torch.testing.assert_close(grad[3], -grad[7])
    assert grad[3].norm().item() == pytest.approx(2 / (10 * weight[3].norm().item()), rel=1e-5)
    assert torch.equal(grad, loss_and_gradient(weight)[1])  # deterministic
    moved = weight - 0.1 * grad
    assert nearest_angles(moved).angle[3] > 0.001


def test_different_identical_pairs_move_in_different_directions() -> None:
    weight = random_rows(4, 64).repeat(1, 1)
    weight[1], weight[3] = weight[0], weight[2]
    _, grad = loss_and_gradient(weight)
    directions = grad / grad.norm(dim=1, keepdim=True)
    assert abs(directions[0] @ directions[2]) < 0.5


@pytest.mark.parametrize("copies", [2, 6, 40])
def test_all_rows_identical(copies: int) -> None:
    weight = random_rows(1, 8, torch.float32).repeat(copies, 1)
    loss, grad = loss_and_gradient(weight)
    assert loss.item() == 0.0
    assert bool(grad.isfinite().all())
    assert bool((grad.norm(dim=1) > 0).all())
    assert naive_mma(weight - grad) < -0.001


def test_opposite_rows_stay() -> None:
    row = random_rows(1, 8, torch.float32)
    loss, grad = loss_and_gradient(torch.cat([row, -2.0 * row]))
    assert loss.item() == pytest.approx(-math.pi, abs=1e-6)
    assert bool((grad == 0).all())


def test_nearly_opposite_rows_have_a_gradient() -> None:
    weight = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 1e-3, 0.0]])
    loss, grad = loss_and_gradient(weight)
    assert loss.item() == pytest.approx(-(math.pi - 1e-3), abs=1e-7)
    torch.testing.assert_close(grad[0], torch.tensor([0.0, 1.0, 0.0]), atol=1e-4, rtol=0)


def test_negative_cosines_everywhere() -> None:
    weight = simplex(7)
    loss, grad = loss_and_gradient(weight)
    assert loss.item() == pytest.approx(-math.acos(-1 / 7))
    assert bool(grad.isfinite().all())


@pytest.mark.parametrize("dtype", [F64, torch.float32])
@pytest.mark.parametrize("blocks", [1, 3])
def test_zero_rows_are_left_out(dtype: torch.dtype, blocks: int) -> None:
    """Even where all cosines are negative and a zero row's cosine of 0 would be the largest."""
    full = simplex(7) + 1e-3 * random_rows(8, 7) if blocks == 1 else random_rows(2100, 6)
    zeros = [0, 4, 5, len(full) + 2]
    rest = [i for i in range(len(full) + 3) if i not in zeros][: len(full)]
    weight = torch.zeros(len(full) + 4, full.shape[1], dtype=F64)
    weight[rest] = full[: len(rest)]
    weight, full = weight.to(dtype), weight[rest].to(dtype)
    loss, grad = loss_and_gradient(weight)
    expected, expected_grad = loss_and_gradient(full)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(grad[rest], expected_grad, rtol=1e-4, atol=1e-7)
    assert bool((grad[zeros] == 0).all())
    found = nearest_angles(weight)
    assert found.counted.tolist() == [i in rest for i in range(len(weight))]
    assert not bool(torch.isin(found.row[rest], torch.tensor(zeros)).any())
    assert found.row[zeros].tolist() == zeros
    torch.testing.assert_close(found.mean(), -loss)
    torch.testing.assert_close(found.smallest(), nearest_angles(full).angle.min())


@pytest.mark.parametrize("nonzero", [0, 1])
def test_fewer_than_two_directions_give_zero(nonzero: int) -> None:
    weight = torch.zeros(5, 4)
    weight[:nonzero, 0] = 1.0
    loss, grad = loss_and_gradient(weight)
    assert loss.item() == 0.0
    assert bool((grad == 0).all())
    assert nearest_angles(weight).smallest().item() == pytest.approx(math.pi)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("n", [5, 1500])
def test_a_non_finite_weight_makes_the_loss_nan(bad: float, n: int) -> None:
    weight = random_rows(n, 4, torch.float32)
    weight[n - 2, 1] = bad
    loss, grad = loss_and_gradient(weight)
    assert bool(loss.isnan())
    assert grad.shape == weight.shape


def test_the_norms_do_not_matter() -> None:
    weight = random_rows(50, 8, torch.float32)
    loss, grad = loss_and_gradient(weight)
    factors = 2.0 ** torch.linspace(-90, 90, 50).round()[:, None]  # exact; squares overflow float32
    scaled_loss, scaled_grad = loss_and_gradient(weight * factors)
    torch.testing.assert_close(scaled_loss, loss)
    torch.testing.assert_close(scaled_grad * factors, grad)


def test_gradients_are_tangent_and_each_pair_pulls_by_one_over_the_norm() -> None:
    weight = random_rows(60, 12)
    row = nearest_angles(weight).row
    _, grad = loss_and_gradient(weight)
    radial = (grad * weight).sum(dim=1) / weight.norm(dim=1)
    assert radial.abs().max() < 1e-14
    incoming = torch.bincount(row, minlength=60)
    alone = incoming == 0  # not the nearest of any row: only its own pair moves it
    assert bool(alone.any())
    torch.testing.assert_close(grad[alone].norm(dim=1), 1 / (60 * weight[alone].norm(dim=1)))
    mutual = (row[row] == torch.arange(60)) & (incoming == 1)
    assert bool(mutual.any())
    torch.testing.assert_close(grad[mutual].norm(dim=1), 2 / (60 * weight[mutual].norm(dim=1)))


def test_autocast_changes_nothing() -> None:
    weight = random_rows(300, 32, torch.float32)
    weight[9] = weight[8] * (1 + 1e-4)
    plain = loss_and_gradient(weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = loss_and_gradient(weight)
    assert torch.equal(plain[0], under_autocast[0])
    assert torch.equal(plain[1], under_autocast[1])


def test_low_precision_products_change_nothing() -> None:
    weight = random_rows(300, 32, torch.float32)
    plain = loss_and_gradient(weight)
    torch.set_float32_matmul_precision("medium")
    try:
        allowed = loss_and_gradient(weight)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert torch.equal(plain[1], allowed[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_searched_in_float32(dtype: torch.dtype) -> None:
    weight = random_rows(40, 8).to(dtype).requires_grad_()
    loss = MMA()(weight)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.to(F64), naive_mma(weight), rtol=1e-6, atol=0)
    loss.backward()
    assert weight.grad is not None
    assert weight.grad.dtype == dtype


@pytest.mark.parametrize(("n", "d"), [(9, 8), (5, 8), (7, 16)])
def test_descent_reaches_the_simplex(n: int, d: int) -> None:
    weight = torch.nn.functional.normalize(random_rows(n, d, torch.float32)).requires_grad_()
    optimizer = torch.optim.SGD([weight], lr=1.0)
    regularizer = MMA()
    for step in range(250):
        optimizer.param_groups[0]["lr"] = 0.15 * n * 0.975**step
        optimizer.zero_grad()
        regularizer(weight).backward()
        optimizer.step()
    best = math.acos(-1 / (n - 1))
    assert math.degrees(best + regularizer(weight).item()) < 0.5


class _LargestTensor(TorchDispatchMode):
    """Elements of the largest tensor that any operation returned."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for item in result if isinstance(result, tuple | list) else (result,):
            if isinstance(item, Tensor):
                self.elements = max(self.elements, item.untyped_storage().nbytes() // 4)
        return result


def test_no_n_by_n_matrix() -> None:
    n, d = 5000, 8
    weight = random_rows(n, d, torch.float32).requires_grad_()
    with _LargestTensor() as largest:
        MMA()(weight).backward()
    assert 1024 * 1024 <= largest.elements < 1.5 * 1024 * 1024  # one tile
    assert largest.elements < n * n / 10


def test_no_value_is_read_on_a_gpu() -> None:
    """Meta tensors hold no values: code that would synchronize with a GPU fails on them."""
    weight = torch.empty(5000, 16, device="meta", requires_grad=True)
    regularizer = MMA()
    regularizer(weight).backward()
    assert weight.grad is not None
    assert weight.grad.shape == (5000, 16)
    assert regularizer.last is not None
    assert regularizer.last.mean().shape == regularizer.last.smallest().shape == ()


def test_last_holds_what_the_forward_pass_found() -> None:
    regularizer = MMA()
    assert regularizer.last is None
    weight = random_rows(30, 5, torch.float32).requires_grad_()
    loss = regularizer(weight)
    assert regularizer.last is not None
    searched = nearest_angles(weight)
    for ours, theirs in zip(regularizer.last, searched, strict=True):
        assert torch.equal(ours, theirs)
    assert not regularizer.last.angle.requires_grad
    torch.testing.assert_close(regularizer.last.mean(), -loss.detach())


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (torch.ones(1, 4), r"at least 2 rows to have a nearest neighbour, not shape \(1, 4\)"),
        (torch.ones(4), r"must be floating point \(n, d\), not torch.float32 \(4,\)"),
        (torch.ones(4, 4, dtype=torch.int64), "must be floating point"),
        (torch.ones(4, 0), "at least 2 rows"),
    ],
)
def test_mistakes(weight: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MMA()(weight)
