"""One update against SGD by hand; a pure function of weights, batch, seed and step."""

from __future__ import annotations

import copy

import pytest
import torch
from updates import CPU, RATE, batch, updater, weights

from arcface_plus.models.recognizer import Recognizer
from arcface_plus.runtime import Processes
from arcface_plus.training.update import Updater, UpdateSettings


def gradients(recognizer: Recognizer) -> list[torch.Tensor]:
    recognizer = copy.deepcopy(recognizer)
    recognizer(batch().images, batch().labels).total.backward()
    return [p.grad for p in recognizer.parameters()]


@pytest.mark.parametrize("step", [0, 1, 7])
def test_weights_move_by_rate_times_gradient(step):
    made = updater()
    before, by_hand = weights(made), gradients(made.recognizer)
    update = made.make(batch(), step, measure=True)
    rate = made.schedule.at(step)
    for new, old, gradient in zip(weights(made), before, by_hand, strict=True):
        torch.testing.assert_close(new, old - rate * gradient)
    norm = torch.cat([g.flatten() for g in by_hand]).norm()
    torch.testing.assert_close(update.grad_norm, norm)
    assert update.angles is not None


def test_gradients_are_clipped_and_the_norm_is_from_before(monkeypatch):
    made = updater(grad_clip=0.01)
    before, by_hand = weights(made), gradients(made.recognizer)
    norm = torch.cat([g.flatten() for g in by_hand]).norm()
    assert norm > 0.01
    update = made.make(batch(), 7, measure=False)
    torch.testing.assert_close(update.grad_norm, norm)
    moved = torch.cat([(a - b).flatten() for a, b in zip(weights(made), before, strict=True)])
    assert moved.norm().item() == pytest.approx(RATE * 0.01, rel=1e-3)


def test_nothing_is_measured_unless_requested():
    update = updater().make(batch(), 0, measure=False)
    assert (update.grad_norm, update.angles) == (None, None)


def test_dropout_is_a_function_of_seed_and_step():
    def loss(seed: int, step: int, disturbed: bool = False) -> float:
        made = updater(dropout=0.5, seed=seed)
        if disturbed:
            torch.rand(100)
        return float(made.make(batch(), step, measure=False).losses.total)

    assert loss(3, 5) == loss(3, 5, disturbed=True)
    assert len({loss(3, 5), loss(3, 6), loss(4, 5)}) == 3


def test_a_restored_updater_makes_the_same_updates():
    one, other = updater(), updater()
    one.optimizer.param_groups[0]["momentum"] = 0.9
    one.make(batch(), 0, measure=False)
    other.recognizer.load_state_dict(one.recognizer.state_dict())
    other.restore(**copy.deepcopy(one.state()))
    for made in (one, other):
        made.make(batch(), 1, measure=False)
    assert all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def test_only_fp16_has_a_loss_scale():
    assert updater().loss_scale is None
    made = Updater(
        updater().recognizer, updater().optimizer, updater().schedule,
        UpdateSettings("fp16", 0), CPU, Processes(),
    )  # fmt: skip
    assert made.loss_scale is not None
    assert made.loss_scale > 1
