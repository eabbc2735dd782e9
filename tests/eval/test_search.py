"""Distractors ahead, and the highest scores, against sorting everything."""

from __future__ import annotations

import numpy as np
import pytest

from eval.search import Highest


@pytest.mark.parametrize("keep", [1, 5, 100, 5000])
def test_the_highest_scores_are_kept(keep):
    scores = np.random.default_rng(3).integers(0, 300, 3000).astype(np.float32)  # many equal
    highest = Highest(keep)
    for part in np.split(scores, 30):
        highest.add(part[part > highest.floor])
    assert highest.descending().tolist() == np.sort(scores)[::-1][:keep].tolist()
