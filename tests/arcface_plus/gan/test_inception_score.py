"""The score against loops in float64, and where it is known."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from arcface_plus.gan.inception_score import inception_score


def naive(rows: list[list[float]]) -> float:
    classes = range(len(rows[0]))
    marginal = [math.fsum(row[k] for row in rows) / len(rows) for k in classes]
    total = 0.0
    for row in rows:
        for k in classes:
            if row[k] > 0:
                total += row[k] * (math.log(row[k]) - math.log(marginal[k]))
    return math.exp(total / len(rows))


def test_it_is_the_mean_over_parts():
    p = np.random.default_rng(0).dirichlet(np.full(7, 0.3), 103)
    p[5] = np.eye(7)[2]  # zeros
    edges = [part * 103 // 10 for part in range(11)]
    expected = [naive(p[a:b].tolist()) for a, b in pairwise(edges)]
    found = inception_score(p, 10)
    np.testing.assert_allclose(found.parts, expected, rtol=1e-12)
    assert found.mean == pytest.approx(sum(expected) / 10, rel=1e-12)
    variance = sum((e - found.mean) ** 2 for e in expected) / 10
    assert found.std == pytest.approx(variance**0.5, rel=1e-9)
    assert found.to_json() == {"mean": found.mean, "std": found.std, "parts": list(found.parts)}


def test_its_bounds():
    assert inception_score(np.full((20, 4), 0.25), 2).parts == pytest.approx((1.0, 1.0))
    one_of_each = np.tile(np.eye(5), (4, 1))
    assert inception_score(one_of_each, 4).mean == pytest.approx(5.0)
    assert inception_score(np.tile(np.eye(5)[:1], (8, 1)), 2).mean == pytest.approx(1.0)
