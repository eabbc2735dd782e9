"""Distractors ahead, and the highest scores, against sorting everything."""

from __future__ import annotations

import numpy as np
import pytest

from eval.embeddings import ArrayFaces
from eval.search import Highest, search


@pytest.mark.parametrize("keep", [1, 5, 100, 5000])
def test_the_highest_scores_are_kept(keep):
    scores = np.random.default_rng(3).integers(0, 300, 3000).astype(np.float32)  # many equal
    highest = Highest(keep)
    for part in np.split(scores, 30):
        highest.add(part[part > highest.floor])
    assert highest.descending().tolist() == np.sort(scores)[::-1][:keep].tolist()


@pytest.mark.parametrize("block", [1, 7, 200])
def test_those_ahead_are_counted_as_in_the_whole_matrix(block):
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((211, 8)).astype(np.float32)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    probes, strangers = units[:11], rows[11:]
    probe_rows = np.array([0, 0, 3, 7, 7, 7])
    limits = rng.uniform(-0.5, 0.5, 6).astype(np.float32)
    scores = probes @ units[11:].T
    highest = Highest(10)
    ahead = search(
        probes, probe_rows, limits, ArrayFaces(strangers, None, "d"), highest, block=block
    )
    assert ahead.tolist() == (scores[probe_rows] >= limits[:, None]).sum(1).tolist()
    expected = np.sort(scores[[0, 3, 7]], axis=None)[::-1][:10]
    np.testing.assert_allclose(highest.descending()[:10], expected, atol=1e-6)
