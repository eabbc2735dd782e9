"""The rate that falls at milestones."""

from __future__ import annotations

import pytest

from arcface_plus.training.schedules import Step


def test_the_papers_schedule():
    schedule = Step(0.1, 38_000)
    assert [schedule.at(s) for s in (0, 23_749)] == [0.1, 0.1]
    for step, rate in ((23_750, 0.01), (33_249, 0.01), (33_250, 0.001), (37_999, 0.001)):
        assert schedule.at(step) == pytest.approx(rate, abs=1e-12)


def test_a_longer_run_has_the_same_rates():
    assert Step(0.1, 100, milestones=(5,)).at(7) == Step(0.1, 999, milestones=(5,)).at(7)
    assert not Step.depends_on_steps


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"milestones": (5, 3)}, "milestones must ascend"),
        ({"milestones": (3, 3)}, "milestones must ascend"),
        ({"milestones": (0, 3)}, "milestones must ascend from 1"),
        ({"gamma": 0.0}, "gamma must be above 0"),
        ({"gamma": 1.5}, "gamma must be above 0 and at most 1"),
    ],
)
def test_invalid_values_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        Step(0.1, 100, **parameters)
