"""A loss that is not finite: found at its step, decided by all processes, reported as JSON."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from arcface_plus.data.loader import Batch
from arcface_plus.models.recognizer import Losses
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.runtime import Processes
from arcface_plus.training.divergence import SMALLEST_SCALE, DivergenceWatch, post_mortem, report
from arcface_plus.training.errors import Diverged


def losses(total: float) -> Losses:
    return Losses(*(torch.tensor(v) for v in (total, total, 0.0, 0.5, 0.0)))


def batch() -> Batch:
    images = torch.linspace(-1, 1, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    return Batch(images, torch.tensor([1, 1]), np.array([5, 3]), 0.0)


@pytest.fixture
def watch_of(tmp_path):
    """The watch of a process with these loss scale, processes and weights."""

    def make(scale=None, processes=None, weight=1.0) -> DivergenceWatch:
        updater = SimpleNamespace(
            device=torch.device("cpu"),
            loss_scale=scale,
            processes=processes or Processes(),
            recognizer=torch.nn.Linear(2, 2),
            schedule=SimpleNamespace(at=lambda step: 0.1 * step),
        )
        updater.recognizer.weight.data.fill_(weight)
        loader = SimpleNamespace(batches=lambda first, last: iter([batch()]))
        return DivergenceWatch(updater, loader, tmp_path, Checkpoints(tmp_path, 1).last)  # type: ignore[arg-type]

    return make


def test_the_first_bad_step_is_reported(watch_of, tmp_path):
    watch = watch_of()
    for step, total in enumerate([1.0, math.nan, 2.0, math.inf]):
        watch.note(losses(total), step)
    with pytest.raises(Diverged, match=r"step 2: the loss is not finite.*lr 0\.1;.*optimizer\.lr"):
        watch.check(4, losses(math.nan), {"step": 1, "loss": 1.0})
    facts = json.loads((tmp_path / "diverged.json").read_text())
    assert (facts["step"], facts["images"], facts["classes"]) == (2, 2, 1)
    assert facts["first_samples"] == [5, 3]
    assert facts["last_finite"] == {"step": 1, "loss": 1.0}


def test_finite_losses_pass(watch_of):
    watch = watch_of(scale=1024.0)
    watch.note(losses(1e30), 0)
    watch.check(1, losses(1e30), {})
    watch.check_before_saving(1)


def test_a_vanished_loss_scale_is_reported(watch_of):
    watch_of(scale=SMALLEST_SCALE).check(3, losses(1.0), {})
    with pytest.raises(Diverged, match="step 3: the fp16 loss scale fell to"):
        watch_of(scale=SMALLEST_SCALE / 2).check(3, losses(1.0), {})


def test_a_bad_loss_in_another_process_ends_this_one_silently(watch_of, monkeypatch):
    """The other describes its batch."""
    monkeypatch.setattr(Processes, "any", lambda _, flag: True)
    with pytest.raises(Diverged, match=r"^$"):
        watch_of(processes=Processes(1, 2)).check(3, losses(1.0), {})


@pytest.mark.parametrize("weight", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_not_saved(watch_of, weight):
    watch = watch_of(weight=weight)
    assert not watch.all_finite()
    with pytest.raises(Diverged, match="loss or the weights are not finite; last checkpoint: none"):
        watch.check_before_saving(3)


def test_the_report_is_valid_json_for_non_finite_values(tmp_path):
    """JSON has no NaN, and parsers other than Python's reject it."""
    bad = post_mortem(4, batch(), losses(math.nan), 0.1, {"loss": math.inf, "step": 3})
    line = report(bad, tmp_path, "step_00000002")
    assert "margin nan" in line
    assert "last checkpoint: step_00000002" in line

    def refuse(name: str) -> None:
        raise AssertionError(name)

    facts = json.loads((tmp_path / "diverged.json").read_text(), parse_constant=refuse)
    assert (facts["loss_margin"], facts["last_finite"]["loss"]) == ("nan", "inf")
