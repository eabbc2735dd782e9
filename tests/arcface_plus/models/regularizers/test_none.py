"""No regularizer."""

from __future__ import annotations

import torch

from arcface_plus.models.regularizers import NoRegularizer


def test_none_is_zero_and_outside_the_graph() -> None:
    loss = NoRegularizer()(torch.ones(3, 3, requires_grad=True))
    assert loss.item() == 0.0
    assert not loss.requires_grad
