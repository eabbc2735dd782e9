"""Limits of every optimizer's parameters."""

from __future__ import annotations

import math

import pytest

from arcface_plus.training.optimizers.checks import check_lr, check_share, check_weight_decay


def test_limits_that_are_allowed():
    check_lr(1e-12)
    check_share("momentum", 0.0)
    check_weight_decay(0.0)


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_lr(value):
    with pytest.raises(ValueError, match="lr must be positive and finite"):
        check_lr(value)


@pytest.mark.parametrize("value", [1.0, -0.1, math.nan])
def test_share(value):
    with pytest.raises(ValueError, match="momentum must be at least 0 and below 1"):
        check_share("momentum", value)


@pytest.mark.parametrize("value", [-1e-9, math.inf, math.nan])
def test_weight_decay(value):
    with pytest.raises(ValueError, match="weight_decay must be finite"):
        check_weight_decay(value)
