"""CurricularFace against its formula; t over batches."""

from __future__ import annotations

import math

import torch
from head_checks import Point, assert_gradcheck, assert_is, batch, classifier_of
from torch import Tensor

from arcface_plus.models.heads import ArcFace, CurricularFace


def head(t: float = 0.3) -> CurricularFace:
    made = CurricularFace(16.0)
    made.running.value = torch.tensor([t], dtype=torch.float64)
    return made


def shifted(cosine: Tensor) -> Tensor:
    angle = cosine.arccos() + 0.5
    return angle.cos() if float(angle) <= math.pi else cosine - 0.5 * math.sin(0.5)


def test_is_the_formula() -> None:
    """The logit of another class depends on the labelled cosine of its sample."""
    classifier = classifier_of(head())
    x, labels = batch()
    own = torch.nn.functional.cosine_similarity(x, classifier.weight[labels])
    limits = {
        float(norm): shifted(value) for norm, value in zip(x.detach().norm(dim=1), own, strict=True)
    }
    hard = []

    def naive(at: Point, labelled: bool) -> Tensor:
        nearest = min(limits, key=lambda norm: abs(norm - float(at.norm.detach())))
        if labelled:
            return 16.0 * shifted(at.cosine)
        hard.append(bool(at.cosine > limits[nearest]))
        return 16.0 * at.cosine * ((0.3 + at.cosine) if hard[-1] else 1.0)

    assert_is(head(), naive)
    assert any(hard)
    assert not all(hard)


def test_gradcheck() -> None:
    assert_gradcheck(head())


def test_t_is_the_moving_average_of_the_labelled_cosines() -> None:
    made = CurricularFace(momentum=0.75)
    cosine, labels = torch.tensor([[0.4, 0.9], [0.1, 0.8]]), torch.tensor([0, 1])
    made(cosine, labels)
    torch.testing.assert_close(made.running.value, torch.tensor([0.25 * 0.6]))
    made(cosine, labels)
    torch.testing.assert_close(made.running.value, torch.tensor([0.75 * 0.15 + 0.15]))


def test_without_hard_negatives_it_is_arcface() -> None:
    cosine, labels = torch.tensor([[0.9, 0.1, -0.5]]), torch.tensor([0])
    torch.testing.assert_close(CurricularFace()(cosine, labels), ArcFace()(cosine, labels))
