"""The Triton search on a GPU, against the n×n way; ``test_triton_search.py`` needs no GPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from arcface_plus.models.nearest.triton_search import available, best_by_slot, best_of_rows

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
BLOCK = 128  # of the published assignment of rows to slots


@pytest.fixture(autouse=True)
def _available() -> None:
    if torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("no Triton search on this GPU")
    assert available(torch.zeros(2, 8, dtype=torch.float16, device="cuda"))
    assert not available(torch.zeros(2, 8, device="cuda"))


def unit_rows(n: int, d: int, seed: int = 0) -> Tensor:
    generator = torch.Generator("cuda").manual_seed(seed)
    rows = torch.randn(n, d, generator=generator, device="cuda")
    return torch.nn.functional.normalize(rows).half()


def whole(n: int, d: int) -> Tensor:
    """Rows of small integers: every product is exact, and many are equal."""
    generator = torch.Generator("cuda").manual_seed(n + d)
    return torch.randint(-2, 3, (n, d), generator=generator, device="cuda").half()


def cosines(unit: Tensor, penalty: Tensor | None = None) -> Tensor:
    cosine = unit.double() @ unit.double().T
    if penalty is not None:
        cosine += penalty[:, None] + penalty[None, :]
    return cosine.fill_diagonal_(-torch.inf).nan_to_num(nan=-torch.inf, neginf=-torch.inf)


def naive(cosine: Tensor, slots: int) -> tuple[Tensor, Tensor]:
    rows = torch.arange(len(cosine), device="cuda")
    value, index = [], []
    for slot in range(slots):
        mine = cosine.masked_fill(rows // BLOCK % slots != slot, -torch.inf)
        best = mine.amax(dim=1)
        lowest = torch.where(mine == best[:, None], rows, len(cosine)).amin(dim=1)
        value.append(best)
        index.append(torch.where(best == -torch.inf, rows, lowest))
    return torch.stack(value, dim=1), torch.stack(index, dim=1)


SIZES = [(2, 1), (3, 3), (127, 64), (128, 100), (129, 512), (1000, 7), (5000, 512), (5003, 500)]


@pytest.mark.parametrize("slots", [1, 4, 16])
@pytest.mark.parametrize(("n", "d"), SIZES)
def test_exact_products_bit_for_bit(n: int, d: int, slots: int) -> None:
    unit = whole(n, d)
    expected_cosine, expected_row = naive(cosines(unit), slots)
    cosine, row = best_by_slot(unit, None, slots)
    torch.testing.assert_close(cosine, expected_cosine.float(), rtol=0, atol=0)
    torch.testing.assert_close(row, expected_row, rtol=0, atol=0)
    first, last = n // 3, max(n // 3 + 1, n * 3 // 4)
    cosine, row = best_of_rows(unit, first, last, None, slots)
    torch.testing.assert_close(cosine, expected_cosine[first:last].float(), rtol=0, atol=0)
    torch.testing.assert_close(row, expected_row[first:last], rtol=0, atol=0)


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize(("n", "d"), [*SIZES, (10_575, 512)])
def test_regret_on_unit_rows(n: int, d: int, slots: int) -> None:
    """The row found may differ from the best by the rounding of a float32 sum, no more."""
    unit = unit_rows(n, d)
    exact = cosines(unit)
    expected, _ = naive(exact, slots)
    cosine, row = best_by_slot(unit, None, slots)
    real = expected > -torch.inf
    regret = (expected - exact.gather(1, row))[real]
    assert regret.min() >= 0
    assert regret.max() <= 1e-5
    torch.testing.assert_close(cosine[real].double(), expected[real], rtol=0, atol=1e-5)
    assert (row[~real] == torch.arange(n, device="cuda")[:, None].expand_as(row)[~real]).all()


def test_penalties_and_nan() -> None:
    unit = unit_rows(1000, 512)
    unit[[0, 5, 300, 999]] = 0.0
    penalty = torch.where(unit.any(dim=1), 0.0, -8.0)
    unit[[7, 500], 3] = torch.nan
    spoilt = unit.isnan().any(dim=1)
    exact = cosines(unit, penalty)
    expected, _ = naive(exact, 2)
    cosine, row = best_by_slot(unit, penalty, 2)
    torch.testing.assert_close(cosine[~spoilt].double(), expected[~spoilt], rtol=0, atol=1e-5)
    sound = ~spoilt & (penalty == 0)
    assert sound[row[sound]].all()


def test_the_same_bits_on_every_run() -> None:
    for unit in (whole(10_575, 16), unit_rows(10_575, 512)):
        cosine, row = best_by_slot(unit, None, 4)
        for _ in range(20):
            again_cosine, again_row = best_by_slot(unit, None, 4)
            assert torch.equal(again_cosine, cosine)
            assert torch.equal(again_row, row)


def test_memory_and_no_synchronization() -> None:
    n, slots = 100_000, 4
    unit = unit_rows(n, 64)
    penalty = torch.zeros(n, device="cuda")
    best_by_slot(unit, penalty, slots)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    torch.cuda.set_sync_debug_mode("error")
    try:
        best_by_slot(unit, penalty, slots)
        best_of_rows(unit, 1000, 6000, penalty, slots)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.cuda.max_memory_allocated() - before <= 24 * n * slots + 2**21


def test_two_million_rows() -> None:
    """Planted twins are found wherever they are."""
    n, d = 2**21, 64
    unit = unit_rows(n, d)
    generator = torch.Generator("cuda").manual_seed(1)
    places = torch.randperm(n, generator=generator, device="cuda")[:2000]
    unit[places[1000:]] = unit[places[:1000]]
    cosine, row = best_by_slot(unit, None, 1)
    assert (cosine[places] > 0.99).all()
    assert torch.equal(row[places[:1000], 0], places[1000:])
    assert torch.equal(row[places[1000:], 0], places[:1000])
    some, _ = best_of_rows(unit, n - 10_000, n, None, 1)
    torch.testing.assert_close(some, cosine[n - 10_000 :], rtol=0, atol=1e-5)


def test_addresses_beyond_31_bits() -> None:
    if torch.cuda.mem_get_info()[0] < 16 * 2**30:
        pytest.skip("needs 16 GB of free memory")
    n, d = 2**22 + 77, 520
    unit = torch.randn(n, d, device="cuda", dtype=torch.float16)
    unit[-1], unit[-2] = unit[0], unit[n // 2]
    cosine, row = best_of_rows(unit, n - 200, n, None, 1)
    assert row[-2:, 0].tolist() == [n // 2, 0]
    torch.testing.assert_close(cosine[-1, 0], unit[0].float().square().sum(), rtol=1e-5, atol=0)
