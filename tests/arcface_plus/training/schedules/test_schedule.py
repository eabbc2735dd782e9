"""What all schedules share: warm-up and progress."""

from __future__ import annotations

from itertools import pairwise

import pytest

from arcface_plus.training.schedules import SCHEDULES, Step
from arcface_plus.training.schedules.cosine import Cosine


def test_warm_up_begins_small_and_ends_at_the_full_rate():
    schedule = Step(0.1, 100, 4, milestones=())
    assert [schedule.at(s) for s in range(5)] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_every_schedule_warms_up_to_its_rate_and_never_rises_again(name):
    schedule = SCHEDULES[name](lr=0.2, steps=50, warmup_steps=10)
    rates = [schedule.at(step) for step in range(50)]
    assert rates[:11] == pytest.approx([0.02 * (s + 1) for s in range(10)] + [0.2])
    assert all(a >= b >= 0 for a, b in pairwise(rates[10:]))
    assert rates == [schedule.at(step) for step in range(50)]  # a function of the step alone


def test_progress_runs_from_the_warm_ups_end_to_the_runs():
    schedule = Cosine(0.1, 30, 10)
    assert [schedule.progress(s) for s in (10, 20, 30, 99)] == [0.0, 0.5, 1.0, 1.0]
    assert Cosine(0.1, 5, 10).at(9) == 0.1  # a run that ends within its warm-up
