"""A run says once that a regularizer hardly matters."""

from __future__ import annotations

import math

from arcface_plus.training.weak_regularizers import WeakRegularizers


def test_five_logged_steps_in_a_row() -> None:
    watch = WeakRegularizers()
    shares = [1.9e-3] * 4 + [2e-3] + [1.9e-3] * 3 + [math.nan] + [9e-4, 8e-4, 7e-4]
    lines = [watch.after("mma", share) for share in shares]
    assert [number for number, line in enumerate(lines) if line] == [10]
    assert str(lines[10]).startswith("regularizer mma: at 5 logged steps in a row its pull was")
    assert "below 0.2% of the data loss's on the same weights (now 0.0008)" in str(lines[10])
    assert "\n" not in str(lines[10])


def test_each_regularizer_for_itself() -> None:
    watch = WeakRegularizers()
    for _ in range(4):
        assert watch.after("mma", 0.0) is None
        assert watch.after("mhe", 1.0) is None
    assert watch.after("mma", 0.0)
    assert watch.after("mhe", 0.0) is None
