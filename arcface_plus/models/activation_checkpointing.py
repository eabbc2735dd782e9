"""Activation checkpointing: keep a unit's input alone and compute the unit again in the backward.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016. Losses, gradients and buffers
have the bits they have without it: a second pass draws the same dropout, and leaves the running
statistics of batch norm alone, which would otherwise move twice a step.
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
    """A backbone that says of which units it consists."""

    def units(self) -> Sequence[nn.Module]:
        """Its residual units or blocks: modules of one tensor, none inside another."""
        ...


def is_very_deep(backbone: nn.Module) -> bool:
    """Whether it has so many units (r2060: 1,030) that no card keeps the activations of a batch."""
    return isinstance(backbone, HasUnits) and len(backbone.units()) > _MOST_UNITS_KEPT


def checkpoint_activations(backbone: nn.Module) -> None:
    """From now on ``backbone`` recomputes its units in the backward pass.

    Its ``state_dict`` does not change. Raises ``ValueError`` if it has no ``units()``.
    """
    if not isinstance(backbone, HasUnits):
        raise ValueError(
            f"{type(backbone).__name__} has no units() that could be computed again in the "
            "backward pass"
        )
    for unit in backbone.units():
        # A bound method, unlike a closure, is bound to the copy in a deep copy.
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
    """Batch norm in training normalises by the batch as ever, and updates copies.

    Copies rather than ``track_running_stats = False``: autograd saves the statistics too, and the
    second pass has to save the tensors that the first one did.
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
