"""Sub-center ArcFace against pytorch-metric-learning and ArcFace."""

from __future__ import annotations

import math

import pytest
import torch
from head_checks import assert_gradcheck, batch, classifier_of
from metric_learning import assert_same_loss

from arcface_plus.models.heads import ArcFace, SubCenterArcFace


def test_is_that_of_pytorch_metric_learning() -> None:
    """Rows of a class follow one another there, too. Ours continues past π as theirs does."""
    degrees = math.degrees(0.5)
    assert_same_loss(
        SubCenterArcFace(), "SubCenterArcFaceLoss", margin=degrees, scale=64, sub_centers=3
    )


def test_gradcheck() -> None:
    assert_gradcheck(SubCenterArcFace(4.0, sub_centres=2))


def test_one_sub_centre_is_arcface() -> None:
    x, labels = batch()
    ours = classifier_of(SubCenterArcFace(sub_centres=1))
    plain = classifier_of(ArcFace())
    assert ours.weight.shape == plain.weight.shape == (9, 6)
    assert torch.equal(ours(x, labels).loss, plain(x, labels).loss)


def test_at_least_one() -> None:
    with pytest.raises(ValueError, match="sub_centres must be at least 1, not 0"):
        SubCenterArcFace(sub_centres=0)
