"""Our losses against those of pytorch-metric-learning."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from head_checks import batch, classifier_of

from arcface_plus.models.heads import Head


def assert_same_loss(head: Head, name: str, step: int = 0, **theirs: Any) -> None:
    """Loss and gradients in float64 equal those of their class ``name``.

    Theirs clamp cosines or take arccos near ±1; no sample of the batch is there.
    """
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    classifier = classifier_of(head.eval())
    x, labels = batch()
    other = getattr(losses, name)(num_classes=9, embedding_size=6, **theirs).double()
    flat = classifier.weight.detach().flatten(0, -2)
    other.W = torch.nn.Parameter(flat.T.clone())
    loss, expected = classifier(x, labels, step).loss, other(x, labels)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    ours = torch.autograd.grad(loss, (x, classifier.weight))
    by_x, by_weight = torch.autograd.grad(expected, (x, other.W))
    torch.testing.assert_close(ours[0], by_x, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(ours[1].flatten(0, -2), by_weight.T, rtol=1e-5, atol=1e-7)
