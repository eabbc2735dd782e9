"""The classifier against the naive formula, in full precision under autocast."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace, Classes, Head, NormalizedSoftmax, Samples
from arcface_plus.models.heads.head import HIDDEN
from arcface_plus.models.heads.margin_head import fits_one_buffer


def test_classifier_equals_the_naive_loss() -> None:
    torch.manual_seed(0)
    classifier = Classifier(5, 11, NormalizedSoftmax(scale=20.0))
    embeddings, labels = torch.randn(6, 5) * 3, torch.tensor([0, 10, 3, 3, 7, 1])
    e, w = embeddings.double(), classifier.weight.detach().double()
    cosine = (e / e.norm(dim=1, keepdim=True)) @ (w / w.norm(dim=1, keepdim=True)).T
    probability = torch.softmax(20.0 * cosine, dim=1)[torch.arange(6), labels]
    loss, accuracy = classifier(embeddings, labels)
    assert loss.item() == pytest.approx(-probability.log().mean().item(), rel=1e-5)
    assert accuracy.item() == pytest.approx((cosine.argmax(1) == labels).float().mean().item())


def test_classifier_ignores_autocast() -> None:
    torch.manual_seed(0)
    classifier = Classifier(16, 50, ArcFace())
    embeddings, labels = torch.randn(8, 16).bfloat16(), torch.arange(8)
    plain = classifier(embeddings, labels).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = classifier(embeddings, labels).loss
    assert under_autocast.dtype == torch.float32
    assert torch.equal(plain, under_autocast)


def test_classifier_weights_start_small() -> None:
    torch.manual_seed(0)
    weight = Classifier(64, 1000, ArcFace()).weight
    assert weight.shape == (1000, 64)
    assert weight.std().item() == pytest.approx(0.01, rel=0.02)


class Plain(ArcFace):
    """ArcFace by autograd: only heads that replace no part of the loss use one buffer."""

    def pool(self, others: torch.Tensor) -> torch.Tensor:
        return super().pool(others)


def test_other_heads_use_autograd() -> None:
    """A MarginHead is computed in one buffer; by autograd it gives the same."""
    torch.manual_seed(0)
    fused, plain = Classifier(8, 20, ArcFace(16.0, 0.3)), Classifier(8, 20, Plain(16.0, 0.3))
    assert fits_one_buffer(fused.head)
    assert not fits_one_buffer(plain.head)
    plain.weight.data.copy_(fused.weight.data)
    embeddings, labels = torch.randn(6, 8), torch.arange(6) * 3
    one, other = fused(embeddings, labels), plain(embeddings, labels)
    one.loss.backward()
    other.loss.backward()
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(fused.weight.grad, plain.weight.grad)


class Everything(Head):
    """Uses all that a head may use, in a formula of its own."""

    uses_norms = uses_class_norms = uses_bias = observes = True

    def __init__(self, sub_centres: int) -> None:
        super().__init__()
        self.sub_centres = sub_centres
        self.seen: list[tuple[torch.Tensor, bool]] = []

    def labelled(self, samples: Samples) -> torch.Tensor:
        own = samples.own
        return samples.norm * own.norm * (samples.cosine - 0.1) + own.bias - samples.step

    def others(self, cosine: torch.Tensor, samples: Samples, classes: Classes) -> torch.Tensor:
        return samples.norm[:, None] * classes.norm * cosine + classes.bias

    def observe(self, samples: Samples, closing: bool) -> None:
        assert not torch.is_grad_enabled()
        self.seen.append((samples.norm, closing))

    def penalty(self, samples: Samples) -> torch.Tensor:
        return 0.5 * samples.norm


def test_a_head_gets_all_that_it_may_use() -> None:
    torch.manual_seed(0)
    head = Everything(sub_centres=1)
    classifier = Classifier(5, 7, head).double()
    classifier.bias.data.normal_()
    x, labels = (
        torch.randn(4, 5, dtype=torch.float64, requires_grad=True),
        torch.tensor([6, 0, 3, 3]),
    )
    loss, _ = classifier(x, labels, step=2, closing=False)
    weight, bias = classifier.weight, classifier.bias
    logits = x @ weight.T + bias
    margin = 0.1 * x.norm(dim=1) * weight.norm(dim=1)[labels] + 2
    logits = logits - margin[:, None] * F.one_hot(labels, 7)
    expected = F.cross_entropy(logits, labels) + 0.5 * x.norm(dim=1).mean()
    torch.testing.assert_close(loss, expected)
    leaves = (x, weight, bias)
    for ours, naive in zip(
        torch.autograd.grad(loss, leaves), torch.autograd.grad(expected, leaves), strict=True
    ):
        torch.testing.assert_close(ours, naive)
    ((norms, closing),) = head.seen
    assert torch.equal(norms, x.norm(dim=1))
    assert not closing
    cosine = F.normalize(x) @ F.normalize(weight).T
    facts = Classes(weight.norm(dim=1), bias)
    torch.testing.assert_close(head(cosine, labels, x.norm(dim=1), facts, step=2), logits)


class Nearest(Plain):
    sub_centres = 3


def test_with_sub_centres_the_nearest_row_of_a_class_counts() -> None:
    torch.manual_seed(0)
    classifier = Classifier(5, 7, Nearest(8.0, 0.3)).double()
    assert classifier.weight.shape == (7, 3, 5)
    x, labels = torch.randn(9, 5, dtype=torch.float64), torch.tensor([6, 0, 3, 3, 1, 2, 4, 5, 5])
    loss, accuracy = classifier(x, labels)
    nearest = torch.stack(
        [
            torch.stack([max(F.cosine_similarity(e, row, dim=0) for row in rows) for rows in of])
            for e, of in ((e, classifier.weight) for e in x)
        ]
    )
    expected = F.cross_entropy(ArcFace(8.0, 0.3)(nearest, labels), labels)
    torch.testing.assert_close(loss, expected)
    assert accuracy.item() == pytest.approx((nearest.argmax(1) == labels).double().mean().item())
    (ours,) = torch.autograd.grad(loss, classifier.weight)
    (naive,) = torch.autograd.grad(expected, classifier.weight)
    torch.testing.assert_close(ours, naive)


def test_sub_centres_have_no_class_norms() -> None:
    with pytest.raises(ValueError, match="several rows per class cannot use the norms"):
        Classifier(5, 7, Everything(sub_centres=2))


@pytest.mark.parametrize("cuts", [[3, 4], [1, 1, 5], [7]])
def test_a_loss_is_that_of_its_parts_of_the_classes(cuts: list[int]) -> None:
    """As processes that each hold some of the classes compute it; one holds a label alone."""
    torch.manual_seed(0)
    head = Everything(sub_centres=1)
    classifier = Classifier(5, 7, head).double()
    x, labels = torch.randn(4, 5, dtype=torch.float64), torch.tensor([6, 0, 3, 0])
    loss, _ = classifier(x, labels)
    cosine = F.normalize(x) @ F.normalize(classifier.weight).T
    facts = Classes(classifier.weight.norm(dim=1), classifier.bias)
    own = cosine.gather(1, labels[:, None]).squeeze(1)
    samples = Samples(own, x.norm(dim=1), facts.of(labels))
    pools, start = [], 0
    for size in cuts:
        part = slice(start, start + size)
        logits = head.others(cosine[:, part], samples, Classes(*(f[part] for f in facts)))
        hidden = torch.arange(7)[part] == labels[:, None]
        pools.append(head.pool(logits.masked_fill(hidden, HIDDEN)))
        start += size
    losses = head.loss(head.labelled(samples), head.merge(torch.stack(pools, dim=1)))
    whole = (losses + head.penalty(samples)).mean()
    torch.testing.assert_close(whole, loss)
    ours, other = (torch.autograd.grad(v, classifier.weight)[0] for v in (whole, loss))
    torch.testing.assert_close(ours, other)


def test_heads_observe_only_in_training() -> None:
    head = Everything(sub_centres=1)
    classifier = Classifier(5, 7, head)
    x, labels = torch.randn(4, 5), torch.arange(4)
    with torch.no_grad():
        classifier(x, labels)
    classifier.eval()
    classifier(x, labels)
    assert head.seen == []
    classifier.train()
    classifier(x, labels)
    assert len(head.seen) == 1


def test_what_is_no_head_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a Head, not a Linear"):
        Classifier(4, 5, torch.nn.Linear(2, 2))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Wrong overrides forward, which the loss does not call"):

        class Wrong(ArcFace):
            def forward(self, cosine, labels):
                return 2.0 * cosine


@pytest.mark.parametrize(
    ("embedding_dim", "classes", "said"), [(0, 5, "embedding_dim"), (4, 1, "2 classes")]
)
def test_invalid_parameters_are_refused(embedding_dim: int, classes: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Classifier(embedding_dim, classes, ArcFace())
