"""Sampled classes: drawn alike on any number of processes, and the loss among them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from arcface_plus.models.class_sampling import ClassSampling
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace, NormalizedSoftmax
from arcface_plus.models.shards import Shards


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_draw_is_a_function_of_seed_step_and_class(count: int) -> None:
    sampling = ClassSampling(0.3, seed=1)
    whole = sampling.drawn(slice(0, 1003), step=7)
    parts = [sampling.drawn(Shards(1003, rank, count).own, step=7) for rank in range(count)]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(whole, sampling.drawn(slice(0, 1003), step=8))
    assert not torch.equal(whole, ClassSampling(0.3, seed=2).drawn(slice(0, 1003), step=7))


def test_each_class_is_drawn_in_its_share_of_the_steps() -> None:
    sampling = ClassSampling(0.1, seed=0)
    drawn = torch.stack([sampling.drawn(slice(0, 200), step) for step in range(2000)]).float()
    assert drawn.mean().item() == pytest.approx(0.1, abs=0.005)
    assert (drawn.mean(dim=0) - 0.1).abs().max() < 0.04  # six standard deviations


def test_labelled_classes_are_always_among_them() -> None:
    sampling, place = ClassSampling(0.01, seed=3), torch.tensor([4, -1, 0])
    index, found = sampling.choose(slice(10, 20), 0, place, torch.tensor([4, -1, 0, 9]))
    expected = sampling.drawn(slice(10, 20), 0)
    expected[[4, 0, 9]] = True
    assert torch.equal(index, expected.nonzero().squeeze(1))
    assert found[1] == -1
    assert index[found[[0, 2]]].tolist() == [4, 0]
    index, found = sampling.choose(slice(20, 20), 0, torch.tensor([-1]), torch.tensor([-1]))
    assert (index.numel(), found.tolist()) == (0, [-1])


def test_the_loss_is_that_among_the_sampled_classes() -> None:
    torch.manual_seed(0)
    sampling = ClassSampling(0.4, seed=0)
    classifier = Classifier(6, 20, NormalizedSoftmax(8.0), sampling=sampling).double()
    x, labels = torch.randn(5, 6, dtype=torch.float64), torch.tensor([0, 19, 3, 3, 7])
    loss, _ = classifier(x, labels, step=2)
    (gradient,) = torch.autograd.grad(loss, classifier.weight)
    chosen = sampling.drawn(slice(0, 20), 2)
    chosen[labels] = True
    assert 4 < chosen.sum() < 20
    logits = 8.0 * F.normalize(x) @ F.normalize(classifier.weight).T
    logits = logits.masked_fill(~chosen, -torch.inf)
    expected = F.cross_entropy(logits, labels)
    torch.testing.assert_close(loss, expected)
    (naive,) = torch.autograd.grad(expected, classifier.weight)
    torch.testing.assert_close(gradient, naive)
    assert torch.equal(gradient.abs().sum(dim=1) > 0, chosen)


def test_a_share_of_one_is_every_class() -> None:
    torch.manual_seed(0)
    whole = Classifier(6, 20, ArcFace())
    x, labels = torch.randn(5, 6), torch.arange(5)
    one = whole(x, labels)
    whole.sampling = ClassSampling(1.0, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(one, whole(x, labels), strict=True))


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan")])
def test_other_shares_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"must be in \(0, 1\]"):
        ClassSampling(share, seed=0)
