"""A head against the naive way: logits, loss and gradients, by the classifier and on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from arcface_plus.models.class_loss import Progress
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import Classes, Head
from arcface_plus.models.precision import at_least_float32, without_autocast
from arcface_plus.models.sharded_loss import sharded_loss

PAST_ONE = 30
"""A step at which annealing has moved."""


class Point(NamedTuple):
    """What naive logits are computed from, in float64, for one sample and one class."""

    cosine: Tensor
    norm: Tensor
    class_norm: Tensor
    bias: Tensor
    step: int


Naive = Callable[[Point, bool], Tensor]
"""The logit of a point; True for the labelled class."""


def classifier_of(head: Head, dtype: torch.dtype = torch.float64) -> Classifier:
    """Nine classes in six dimensions, with weights and biases that are not small."""
    torch.manual_seed(0)
    made = Classifier(6, 9, head).double()
    torch.nn.init.normal_(made.weight)
    if made.bias is not None:
        torch.nn.init.normal_(made.bias)
    return made.to(dtype)


def batch(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Embeddings (40, 6) with norms around 30 and labels; no head is at one of its limits."""
    generator = torch.Generator().manual_seed(1)
    x = 12.0 * torch.randn(40, 6, generator=generator, dtype=torch.float64)
    return x.to(dtype).requires_grad_(), torch.arange(40) % 9


def loss_of_one_shard(
    classifier: Classifier, x: Tensor, labels: Tensor, step: int = 0
) -> tuple[Tensor, Tensor]:
    """Loss and accuracy by the code for several processes, in a group of one."""
    with without_autocast(x):
        held = classifier._held(labels, labels, step)
        return sharded_loss(
            classifier.head, at_least_float32(x), held, Progress(step), [len(labels)]
        )


def naive_logits(x: Tensor, classifier: Classifier, labels: Tensor, naive: Naive, step: int):
    """(n, C), one number at a time."""
    rows = []
    bias = torch.zeros(len(classifier.weight)) if classifier.bias is None else classifier.bias
    for embedding, label in zip(x.double(), labels.tolist(), strict=True):
        logits = []
        for number, weight in enumerate(classifier.weight.double()):
            cosine = (embedding @ weight) / (embedding.norm() * weight.norm())
            point = Point(cosine, embedding.norm(), weight.norm(), bias[number].double(), step)
            logits.append(naive(point, number == label))
        rows.append(torch.stack(logits))
    return torch.stack(rows)


def assert_is(head: Head, naive: Naive, step: int = PAST_ONE) -> None:
    """Logits, loss and gradients equal those of ``naive``, in float64 and in float32."""
    head.eval()  # statistics stand still
    for dtype, tolerance in ((torch.float64, 1e-11), (torch.float32, 2e-4)):
        classifier = classifier_of(head, dtype)
        x, labels = batch(dtype)
        leaves = [x, *(p for p in classifier.parameters())]
        expected = naive_logits(x, classifier, labels, naive, step)
        cosine = F.normalize(x) @ F.normalize(classifier.weight).T
        bias = torch.zeros(9, dtype=dtype) if classifier.bias is None else classifier.bias
        facts = Classes(classifier.weight.norm(dim=1), bias)
        logits = head(cosine, labels, x.norm(dim=1), facts, step=step)
        assert logits.dtype == dtype
        size = float(expected.detach().abs().max())
        torch.testing.assert_close(logits.double(), expected, rtol=0, atol=tolerance * size)
        loss, _ = classifier(x, labels, step)
        plain = F.cross_entropy(expected, labels)
        torch.testing.assert_close(loss.double(), plain, rtol=10 * tolerance, atol=tolerance)
        ours = torch.autograd.grad(loss, leaves)
        theirs = torch.autograd.grad(plain, leaves)
        for one, other in zip(ours, theirs, strict=True):
            bound = 50 * tolerance * float(other.abs().max())
            torch.testing.assert_close(one.double(), other.double(), rtol=0, atol=bound)


def assert_gradcheck(head: Head, step: int = PAST_ONE) -> None:
    """The gradient of the classifier's loss by embeddings and weights is its derivative."""
    classifier = classifier_of(head.eval())
    x, labels = batch()
    x = x[:6].detach().requires_grad_()

    def loss(x: Tensor, weight: Tensor) -> Tensor:
        values = {"weight": weight}
        found = torch.func.functional_call(classifier, values, (x, labels[:6], step))
        return found.loss

    weight = classifier.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, (x, weight))
