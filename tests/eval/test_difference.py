"""Which test a design asks for, and when it has no value."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eval.difference import TESTS, UNITS, Difference, Verdict
from eval.score_test import paired_shares
from eval.t_tests import paired_difference, welch

X, Y = [0.90, 0.92, 0.91], [0.93, 0.93, 0.95]
DECISIONS = np.arange(40).reshape(2, 20) % 7 > 0


def made(design, **changes):
    tests = {
        "seeds": welch(X, Y), "by_seed": paired_difference(X, Y),
        "folds": paired_difference(X[:2], Y[:2]), "score": paired_shares(*DECISIONS),
    }  # fmt: skip
    return Difference("a", "b", "lfw", design=design, **(tests | changes))


def test_every_design_has_its_test():
    assert TESTS.keys() == UNITS.keys()
    for design, field in (
        ("same seeds", "by_seed"), ("other seeds", "seeds"), ("pairs", "score"), ("folds", "folds"),
    ):  # fmt: skip
        found = made(design)
        assert found.primary is getattr(found, field)
        assert design in TESTS
    assert made(None).primary is None


def test_a_paired_t_without_spread_has_no_value():
    shifted = [x + 0.01 for x in X]
    assert made("same seeds", by_seed=paired_difference(X, shifted)).primary is None
    assert made("other seeds", seeds=None).primary is None


@pytest.mark.parametrize(("p_holm", "shown"), [(0.049, True), (0.05, False)])
def test_shown_is_holms_p_below_five_percent(p_holm, shown):
    verdict = Verdict("seeds", "t", 0.01, (0.001, 0.02), 0.95, 0.01, p_holm)
    found = made("same seeds", verdict=verdict)
    assert found.shown is shown
    content = json.loads(json.dumps(found.to_json()))
    assert content["shown"] is shown
    assert content["verdict"]["level"] == 0.95
    assert content["by_seed"]["n"] == 3
