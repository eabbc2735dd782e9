"""MHE against its definition pair by pair, its closed forms and its invariances."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from naive_angles import F64, loss_and_gradient, random_rows, rows_at, simplex
from naive_energy import naive_energy
from processes import in_processes
from sharded_regularizers import Case, check_over_shards, over_shards
from sharded_rows import difficult_rows
from torch import Tensor

from arcface_plus.models.regularizers import MHE, Moment
from arcface_plus.models.shards import Shards

VARIANTS = [
    {"power": power, "distance": distance, "half_space": half}
    for power in (0.0, 0.5, 1.0, 2.0, 3.0)
    for distance in ("euclidean", "angular")
    for half in (False, True)
]


def naive(weight: Tensor, power: float, distance: str, half_space: bool, **more: Any) -> Tensor:
    return naive_energy(weight, power, distance == "angular", half_space, **more)


def gradient_of(function: Any, weight: Tensor) -> Tensor:
    weight = weight.detach().clone().requires_grad_()
    return torch.autograd.grad(function(weight), weight)[0]


def value(rows: Tensor, **parameters: Any) -> float:
    return float(MHE(**parameters)(rows))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(F64, 1e-10), (torch.float32, 2e-6)])
def test_value_and_gradient(variant: dict[str, Any], dtype: torch.dtype, tolerance: float) -> None:
    weight = random_rows(9, 4, dtype)
    found, grad = loss_and_gradient(weight, MHE(**variant))
    assert found.dtype == dtype
    expected = naive(weight, **variant)
    wanted = gradient_of(lambda w: naive(w, **variant), weight)
    assert found.item() == pytest.approx(expected.item(), rel=tolerance)
    assert (grad - wanted).norm() <= 2 * tolerance * wanted.norm()


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_batch_pairs_count_repeated_labels(variant: dict[str, Any]) -> None:
    weight, labels = random_rows(9, 4), [3, 0, 3, 8]
    moment = Moment(0, 0, torch.tensor(labels))
    regularizer = MHE(**variant, pairs="batch")
    assert regularizer.needs_labels
    found, grad = loss_and_gradient(weight, lambda w: regularizer(w, moment=moment))  # type: ignore[arg-type]
    assert found.item() == pytest.approx(naive(weight, **variant, labels=labels).item(), rel=1e-10)
    wanted = gradient_of(lambda w: naive(w, **variant, labels=labels), weight)
    torch.testing.assert_close(grad, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("half_space", [False, True])
@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_row_scales(power: float, half_space: bool) -> None:
    weight, scales = random_rows(7, 4), [1.0, 2.0, 0.5, 1.5, 1.0, 1.0, 3.0]
    weight[5] = weight[4] * 1.001 + 1e-2  # β equal: close rows
    weight[6] = weight[0] * 2.0  # the same direction, but β differs: finite
    regularizer = MHE(power, half_space=half_space, row_scales=tuple(scales))
    found, grad = loss_and_gradient(weight, regularizer)

    def reference(w: Tensor) -> Tensor:
        return naive_energy(w, power, False, half_space, scales=scales)

    assert found.item() == pytest.approx(reference(weight).item(), rel=1e-9)
    torch.testing.assert_close(grad, gradient_of(reference, weight), rtol=1e-6, atol=1e-9)
    moment = Moment(0, 0, torch.tensor([6, 6, 2]))
    batch = MHE(power, half_space=half_space, row_scales=tuple(scales), pairs="batch")
    expected = naive_energy(weight, power, False, half_space, [6, 6, 2], scales)
    assert batch(weight, moment=moment).item() == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize("distance", ["euclidean", "angular"])
@pytest.mark.parametrize("power", [0.0, 2.0])
def test_gradcheck(power: float, distance: Any) -> None:
    for half in (False, True):
        function = MHE(power, distance, half)
        assert torch.autograd.gradcheck(function, (random_rows(12, 4).requires_grad_(),))


@pytest.mark.parametrize("variant", VARIANTS[::3], ids=str)
def test_invariances(variant: dict[str, Any]) -> None:
    weight = random_rows(30, 6)
    factors = torch.rand(30, 1, generator=torch.Generator().manual_seed(1), dtype=F64) + 0.1
    rotation = torch.linalg.qr(random_rows(6, 6, seed=2)).Q
    order = torch.randperm(30, generator=torch.Generator().manual_seed(3))
    expected, grad = loss_and_gradient(weight, MHE(**variant))
    for changed, back in (
        (weight * factors, lambda g: g * factors),
        (weight @ rotation, lambda g: g @ rotation.T),
        (weight[order], lambda g: g[order.argsort()]),
    ):
        found, other = loss_and_gradient(changed, MHE(**variant))
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
        torch.testing.assert_close(back(other), grad, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("distance", ["euclidean", "angular"])
def test_half_space_is_the_full_space_of_rows_and_opposites(power: float, distance: Any) -> None:
    weight = random_rows(20, 6)
    both = torch.cat((weight, -weight))
    half = MHE(power, distance, half_space=True)(weight)
    torch.testing.assert_close(half, MHE(power, distance)(both), rtol=1e-12, atol=0)


def simplex_of(n: int) -> Tensor:
    return simplex(n - 1)


def orthoplex(d: int) -> Tensor:
    return torch.cat((torch.eye(d, dtype=F64), -torch.eye(d, dtype=F64)))


def icosahedron() -> Tensor:
    golden = (1 + math.sqrt(5)) / 2
    rows = [(0.0, a, b * golden) for a in (1, -1) for b in (1, -1)]
    return torch.tensor([p[k:] + p[:k] for p in rows for k in range(3)], dtype=F64)


@pytest.mark.parametrize(
    ("rows", "distance", "values"),
    [
        (simplex_of(4), "euclidean", (-0.490415, 0.612372, 0.375)),
        (simplex_of(4), "angular", (-0.647435, 0.523387, 0.273934)),
        (orthoplex(3), "euclidean", (-0.415888, 0.665685, 0.45)),
        (orthoplex(3), "angular", (-0.590212, 0.572958, 0.344492)),
        (icosahedron(), "euclidean", (-0.327366, 0.744928, 0.590909)),
    ],
)
def test_closed_forms(rows: Tensor, distance: Any, values: tuple[float, ...]) -> None:
    for power, expected in enumerate(values):
        found, grad = loss_and_gradient(3.0 * rows, MHE(float(power), distance))
        assert found.item() == pytest.approx(expected, abs=6e-7)
        assert grad.norm() < 1e-14  # all are stationary


def test_closed_forms_of_any_size() -> None:
    for n in (3, 6, 11):
        assert value(simplex_of(n), power=2.0) == pytest.approx((n - 1) / (2 * n))
        assert value(simplex_of(n), power=1.0) == pytest.approx(math.sqrt((n - 1) / (2 * n)))
        assert value(simplex_of(n), power=0.0) == pytest.approx(-math.log(2 * n / (n - 1)) / 2)
    d = 5
    half = value(torch.eye(d, dtype=F64), power=2.0, half_space=True)
    assert half == pytest.approx(value(orthoplex(d), power=2.0))
    assert half == pytest.approx(((2 * d - 2) / 2 + 1 / 4) / (2 * d - 1))
    for rows, thomson in ((simplex_of(4), 3.674235), (orthoplex(3), 9.985281),
                          (icosahedron(), 49.165253)):  # fmt: skip
        pairs = len(rows) * (len(rows) - 1) / 2
        assert pairs * value(rows, power=1.0) == pytest.approx(thomson, abs=1e-6)


@pytest.mark.parametrize("angle", [1e-2, 0.3, 2.0, 3.0, math.pi - 1e-6])
@pytest.mark.parametrize("power", [0.0, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_the_force_of_a_single_pair(angle: float, power: float, dtype: torch.dtype) -> None:
    """Equations 10 and 12 of the MMA paper."""
    weight = torch.tensor([[2.0, 0.0], [3.0 * math.cos(angle), 3.0 * math.sin(angle)]], dtype=F64)
    grad = loss_and_gradient(weight.to(dtype), MHE(power))[1].norm(dim=1).double()
    chord = 2 * math.sin(angle / 2)
    force = max(power, 1.0 * (power == 0)) * math.cos(angle / 2) / chord ** (power + 1)
    tolerance = 1e-6 if dtype == F64 else 2e-5
    expected = torch.tensor([force / 2.0, force / 3.0], dtype=F64)
    torch.testing.assert_close(grad, expected, rtol=tolerance, atol=3e-7)
    turned = loss_and_gradient(weight.to(dtype), MHE(power, "angular"))[1].norm(dim=1).double()
    force = max(power, 1.0 * (power == 0)) / angle ** (power + 1)
    expected = torch.tensor([force / 2.0, force / 3.0], dtype=F64)
    torch.testing.assert_close(turned, expected, rtol=tolerance, atol=0)


@pytest.mark.parametrize("angle", [3e-2, 3e-3])
@pytest.mark.parametrize("half_space", [False, True])
def test_near_rows_in_float32(angle: float, half_space: bool) -> None:
    """2 − 2c is off by 0.7% at 3e-3 rad."""
    weight = rows_at(angle, 64).float()
    if half_space:
        weight[10] = -weight[10]
    found, grad = loss_and_gradient(weight, MHE(2.0, half_space=half_space))
    expected = naive_energy(weight, 2.0, half_space=half_space)
    wanted = gradient_of(lambda w: naive_energy(w, 2.0, half_space=half_space), weight)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert (grad - wanted).norm() <= 1e-6 * wanted.norm()


@pytest.mark.parametrize("distance", ["euclidean", "angular"])
@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_identical_opposite_and_zero_rows(power: float, distance: Any) -> None:
    for half, dtype in itertools.product((False, True), (F64, torch.float32)):
        weight = random_rows(20, 6, dtype)
        weight[3] = 2 * weight[7]
        weight[12] = -weight[1]
        weight[11] = 0.0
        regularizer = MHE(power, distance, half)
        found, grad = loss_and_gradient(weight, regularizer)
        assert bool(found.isfinite())
        assert bool(grad.isfinite().all())
        assert bool((grad[11] == 0).all())
        assert (grad[3] - grad[7]).norm() > 1.0  # they part
        assert regularizer.report() == {"floored_pairs": 2.0 if half else 1.0}
        kept = torch.cat((weight[:11], weight[12:]))
        assert found.item() == pytest.approx(MHE(power, distance, half)(kept).item(), rel=1e-6)
        weight[5, 2] = math.nan
        assert bool(loss_and_gradient(weight, regularizer)[0].isnan())


def test_below_the_floor_the_energy_is_continued_by_its_tangent() -> None:
    def at(chord: float) -> float:
        angle = 2 * math.asin(chord / 2)
        return value(torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]], dtype=F64))

    assert at(1.001e-3) == pytest.approx(1.001e-3**-2, rel=1e-9)
    assert at(0.5e-3) == pytest.approx(1e6 + 2e9 * 0.5e-3, rel=1e-9)


def test_subsets_are_a_function_of_seed_and_step_and_unbiased() -> None:
    weight = random_rows(6, 5)
    regularizer = MHE(2.0, subset=0.5)
    first = regularizer(weight, moment=Moment(3, 4))
    assert torch.equal(first, regularizer(weight, moment=Moment(3, 4)))
    triples = {
        round(value(weight[list(three)]), 10): three
        for three in itertools.combinations(range(6), 3)
    }
    assert len(triples) == 20
    found = [float(regularizer(weight, moment=Moment(0, step))) for step in range(600)]
    assert {round(v, 10) for v in found} == set(triples)  # each is of one of the subsets
    everything = value(weight)
    assert sum(triples) / 20 == pytest.approx(everything)  # all of them: exactly unbiased
    spread = torch.tensor(found, dtype=F64).std() / math.sqrt(600)
    assert abs(sum(found) / 600 - everything) < 4 * spread
    grad = loss_and_gradient(weight, lambda w: regularizer(w, moment=Moment(3, 4)))[1]  # type: ignore[arg-type]
    assert int((grad.norm(dim=1) > 0).sum()) == 3


def test_batches_with_each_class_once_equal_the_full_mean() -> None:
    weight = random_rows(9, 4)
    for half in (False, True):
        full, grad = loss_and_gradient(weight, MHE(half_space=half))
        moment = Moment(0, 0, torch.arange(9))
        regularizer = MHE(half_space=half, pairs="batch")
        batch, other = loss_and_gradient(weight, lambda w, r=regularizer, m=moment: r(w, moment=m))  # type: ignore[arg-type]
        torch.testing.assert_close(batch, full)
        torch.testing.assert_close(other, grad)


def test_low_precision_and_autocast() -> None:
    weight = random_rows(40, 8, torch.float32)
    expected = MHE()(weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(MHE()(weight), expected)
    half = weight.bfloat16()
    assert MHE()(half).dtype == torch.float32
    assert MHE()(half).item() == pytest.approx(naive_energy(half, 2.0).item(), rel=1e-6)


def test_a_second_backward_pass_gives_the_same() -> None:
    weight = random_rows(30, 6).requires_grad_()
    loss = MHE()(weight)
    first = torch.autograd.grad(loss, weight, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(loss, weight)[0])


def test_few_rows() -> None:
    weight = torch.zeros(3, 4, dtype=F64)
    weight[1, 0] = 2.0
    found, grad = loss_and_gradient(weight, MHE())
    assert found.item() == 0.0
    assert bool((grad == 0).all())
    assert value(weight, half_space=True) == pytest.approx(0.25)  # one row and its opposite


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"power": -1.0}, "power must be at least 0, not -1"),
        ({"power": math.nan}, "power must be at least 0"),
        ({"distance": "cosine"}, "distance must be euclidean or angular, not 'cosine'"),
        ({"subset": 0.0}, r"subset must be in \(0, 1\], not 0"),
        ({"pairs": "some"}, "pairs must be all or batch, not 'some'"),
        ({"pairs": "batch", "subset": 0.5}, "subset must be 1 with pairs: batch"),
        ({"row_scales": (1.0,), "distance": "angular"}, "row_scales must be empty"),
        ({"row_scales": (1.0, 0.0)}, "row_scales must be above 0"),
    ],
)
def test_mistakes(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MHE(**parameters)


def test_what_a_step_must_give() -> None:
    weight = random_rows(5, 3)
    with pytest.raises(ValueError, match="subset needs moment"):
        MHE(subset=0.5)(weight)
    with pytest.raises(ValueError, match="pairs: batch needs moment"):
        MHE(pairs="batch")(weight, moment=Moment(0, 0))
    with pytest.raises(ValueError, match="row_scales has 2 values for a matrix of 5 rows"):
        MHE(row_scales=(1.0, 2.0))(weight)
    with pytest.raises(ValueError, match="at least 2 rows"):
        MHE()(weight[:1])


def _cases(weight: Tensor) -> list[Case]:
    """All variants; each power with each distance, and each way to choose pairs."""
    n, cases = len(weight), []
    labels = torch.tensor([n - 1, 0, 3, 3, 2, 0, 1])
    for position, variant in enumerate(VARIANTS):
        more = ({}, {"subset": 0.6}, {"pairs": "batch"})[position % 3]
        cases.append(Case("mhe", variant | more, weight, Moment(5, position, labels)))
    scales = tuple(1.0 + 0.5 * (row % 4) for row in range(n))
    for more in ({}, {"half_space": True}, {"subset": 0.6}, {"pairs": "batch"}):
        cases.append(Case("mhe", more | {"row_scales": scales}, weight, Moment(5, 1, labels)))
    return cases


@pytest.mark.parametrize("count", [2, 3, 4])
def test_over_shards_as_on_one_process(count: int) -> None:
    """Also where a process has no rows, no rows of a subset, or none of the labelled ones."""
    cases = [
        *_cases(difficult_rows(5, torch.float32)),
        *_cases(random_rows(7, 6))[::2],
        *_cases(difficult_rows(11, F64)),
        *_cases(random_rows(11, 6, torch.float32))[1::2],
        *_cases(difficult_rows(301, F64))[::5],
        *_cases(random_rows(301, 6, torch.float32))[1::5],
    ]
    only = torch.tensor([2, 2])  # a zero row
    cases += [
        Case("mhe", {"pairs": "batch"}, difficult_rows(7, F64), Moment(0, 0, only)),
        Case("mhe", {"half_space": True}, torch.eye(7, 6) * (torch.arange(7) == 3).unsqueeze(1)),
        Case("mhe", {}, torch.zeros(7, 3)),
        Case("mhe", {}, torch.eye(5, 6)[:2]),
        Case("mhe", {}, torch.tensor([[1.0, 2.0], [math.nan, 1.0]] * 3)),
        Case("mhe", {"pairs": "batch"}, broken(), Moment(0, 0, torch.tensor([0, 1]))),
    ]
    check_over_shards(count, cases)


def broken() -> Tensor:
    weight = random_rows(11, 6)
    weight[-1, 2] = math.nan
    return weight


def test_it_does_not_matter_which_process_holds_which_rows() -> None:
    weight = difficult_rows(23, F64)
    weight[0, 0] += 1e-4  # no identical rows, whose direction depends on their numbers
    order = torch.randperm(23, generator=torch.Generator().manual_seed(0))
    cases = [Case("mhe", {"half_space": half}, w) for half in (False, True)
             for w in (weight, weight[order])]  # fmt: skip
    found = in_processes(3, over_shards, 3, cases)
    for first in (0, 2):
        (loss, grad), (other, moved) = (
            (found[0][case][0], torch.cat([each[case][1] for each in found]))
            for case in (first, first + 1)
        )
        torch.testing.assert_close(other, loss, rtol=1e-12, atol=0)
        largest = float(grad.abs().max())
        torch.testing.assert_close(moved, grad[order], rtol=0, atol=1e-12 * largest)


def test_mistakes_over_shards() -> None:
    with pytest.raises(ValueError, match="process 1 of 3 holds 4 of 11 rows, not 5"):
        MHE()(torch.ones(5, 3), Shards(11, 1, 3))
    with pytest.raises(ValueError, match="row_scales has 4 values for a matrix of 11 rows"):
        MHE(row_scales=(1.0,) * 4)(torch.ones(4, 3), Shards(11, 1, 3))
