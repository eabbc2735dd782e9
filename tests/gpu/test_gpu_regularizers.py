"""Every regularizer on a GPU: the value and gradient of double precision on the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from arcface_plus.models.regularizers import (
    MHE,
    KoLeo,
    MaximalCosine,
    Moment,
    Orthogonal,
    Orthonormal,
    Regularizer,
)

ROWS, WIDTH = 5000, 48  # more rows than the side of a tile on a GPU


def weight(rows: int = ROWS) -> Tensor:
    """Two rows are close, so close that their distance comes from float64, and one is zero."""
    generator = torch.Generator().manual_seed(3)
    found = torch.randn(rows, WIDTH, generator=generator, dtype=torch.float64)
    found[10] = found[20] + 1e-3 * found[21]
    found[30] = 0.0
    return found


def value_and_gradient(made: Regularizer, rows: Tensor) -> tuple[Tensor, Tensor]:
    leaf = rows.clone().requires_grad_()
    loss = made(leaf, moment=Moment(0, 3, torch.arange(40, device=rows.device) % 30))
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach().cpu().double(), gradient.cpu().double()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "made",
    [
        MHE(),
        MHE(power=0.0),
        MHE(power=1.0, half_space=True),
        MHE(distance="angular"),
        MHE(subset=0.3),
        MHE(pairs="batch"),
        MHE(row_scales=(0.5,) * 2500 + (1.5,) * 2500),
        Orthogonal(),
        Orthonormal(),
        KoLeo(),
        MaximalCosine(),
    ],
    ids=repr,
)
def test_value_and_gradient_are_those_of_the_cpu(device, made, dtype):
    rows = weight().to(dtype)
    expected, gradient = value_and_gradient(made, rows.double())
    found, ours = value_and_gradient(made, rows.to(device))
    # A search in float16 may choose another of two rows that are equally near.
    nearest = isinstance(made, (KoLeo, MaximalCosine))
    assert float(found) == pytest.approx(float(expected), rel=1e-4)
    limit = 2e-2 if nearest or dtype == torch.bfloat16 else 1e-3
    assert float((ours - gradient).norm() / gradient.norm()) < limit
    assert not ours[30].any() or isinstance(made, Orthonormal)


@pytest.mark.parametrize("made", [Orthogonal(), Orthonormal(), KoLeo(), MaximalCosine()], ids=repr)
def test_no_waiting_for_the_gpu(gpu, made):
    rows = weight().float().to(gpu).requires_grad_()
    made(rows).backward()  # what is loaded at first use may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        made(rows).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
