"""Activation checkpointing: keep only a unit's input and recompute the unit in the backward pass.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016. Losses, gradients and buffers
are bit-identical to those without it: the second pass draws the same dropout and does not update
the running statistics of batch norm, which would otherwise be updated twice per step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MethodType
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

_MOST_UNITS_KEPT = 500


@runtime_checkable
class HasUnits(Protocol):
    """A backbone that lists its units."""

    def units(self) -> Sequence[nn.Module]:
        """Its residual units or blocks: modules of one tensor, none inside another."""
        ...


def is_very_deep(backbone: nn.Module) -> bool:
    """Whether it has too many units (r2060: 1,030) for any GPU to keep a batch's activations."""
    return isinstance(backbone, HasUnits) and len(backbone.units()) > _MOST_UNITS_KEPT


def checkpoint_activations(backbone: nn.Module) -> None:
    """Make ``backbone`` recompute its units in the backward pass from now on.

    Its ``state_dict`` does not change. Raises ``ValueError`` if it has no ``units()``.
    """
    if not isinstance(backbone, HasUnits):
        raise ValueError(
            f"{type(backbone).__name__} has no units() to recompute in the backward pass"
        )
    for unit in backbone.units():
        # A bound method, not a closure: a deep copy binds it to the copied unit.
        unit.forward = MethodType(_recomputed_forward, unit)


def _recomputed_forward(unit: nn.Module, x: Tensor) -> Tensor:
    forward = MethodType(type(unit).forward, unit)
    if not torch.is_grad_enabled():
        return forward(x)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _running_statistics_spared(unit)

    output: Tensor = checkpoint(forward, x, use_reentrant=False, context_fn=contexts)
    return output


@contextmanager
def _running_statistics_spared(unit: nn.Module) -> Iterator[None]:
    """Batch norm in training mode normalizes by the batch as usual, but updates copies.

    Copies rather than ``track_running_stats = False``: autograd saves the statistics too, and the
    second pass must save the same tensors as the first.
    """
    norms = [m for m in unit.modules() if isinstance(m, _BatchNorm) and m.training]
    kept = [(norm, dict(norm.named_buffers(recurse=False))) for norm in norms]
    for norm, buffers in kept:
        for name, buffer in buffers.items():
            setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, buffers in kept:
            for name, buffer in buffers.items():
                setattr(norm, name, buffer)
