"""CosFace against its formula and pytorch-metric-learning."""

from __future__ import annotations

from head_checks import Point, assert_gradcheck, assert_is
from metric_learning import assert_same_loss
from torch import Tensor

from arcface_plus.models.heads import CosFace


def test_is_the_formula() -> None:
    def naive(at: Point, labelled: bool) -> Tensor:
        return 20.0 * (at.cosine - 0.2 * labelled)

    assert_is(CosFace(20.0, 0.2), naive)


def test_gradcheck() -> None:
    assert_gradcheck(CosFace(4.0))


def test_is_that_of_pytorch_metric_learning() -> None:
    assert_same_loss(CosFace(), "CosFaceLoss", margin=0.35, scale=64)
