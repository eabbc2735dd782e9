"""References for the regularizers: naive float64 versions, and difficult rows."""

import math

import torch
from torch import Tensor, nn

from arcface_plus.models.regularizers import MMA

F64 = torch.float64


def naive_angles(weight: Tensor) -> Tensor:
    """All angles (n, n) in float64 from differences; pi on the diagonal; differentiable."""
    w = weight.to(F64)
    u = w / w.norm(dim=1, keepdim=True)
    chord = (u[:, None] - u[None, :]).norm(dim=2)
    cochord = (u[:, None] + u[None, :]).norm(dim=2)
    own = torch.eye(len(w), dtype=torch.bool)
    angle = 2 * torch.atan2(chord.masked_fill(own, 1.0), cochord.masked_fill(own, 1.0))
    return angle.masked_fill(own, math.pi)


def naive_mma(weight: Tensor) -> Tensor:
    return -naive_angles(weight).min(dim=1).values.mean()


def random_rows(n: int, d: int, dtype: torch.dtype = F64, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(n, d, generator=generator, dtype=F64)
    return (rows * (0.1 + torch.rand(n, 1, generator=generator, dtype=F64))).to(dtype)


def loss_and_gradient(
    weight: Tensor, regularizer: nn.Module | None = None
) -> tuple[Tensor, Tensor]:
    weight = weight.detach().clone().requires_grad_()
    loss = (regularizer or MMA())(weight)
    (grad,) = torch.autograd.grad(loss, weight)
    return loss.detach(), grad


def naive_gradient(weight: Tensor) -> Tensor:
    weight = weight.detach().clone().requires_grad_()
    return torch.autograd.grad(naive_mma(weight), weight)[0]


def rows_at(angle: float, d: int = 16) -> Tensor:
    """Ten random rows and an eleventh, of another norm, at the given angle from the first."""
    rows = random_rows(10, d)
    u = rows[0] / rows[0].norm()
    tangent = rows[1] - (rows[1] @ u) * u
    tangent /= tangent.norm()
    last = 3.0 * (math.cos(angle) * u + math.sin(angle) * tangent)
    return torch.cat([rows, last[None]])


def simplex(d: int) -> Tensor:
    """d + 1 rows of d dimensions whose cosines are all −1/d."""
    centred = torch.eye(d + 1, dtype=F64) - 1.0 / (d + 1)
    return centred @ torch.linalg.svd(centred).Vh[:d].T


def rows_at_angle_from(row: Tensor, angle: float, seed: int) -> Tensor:
    u = row / row.norm()
    tangent = torch.randn(len(row), generator=torch.Generator().manual_seed(seed), dtype=F64)
    tangent -= (tangent @ u) * u
    return math.cos(angle) * u + math.sin(angle) * tangent / tangent.norm()
