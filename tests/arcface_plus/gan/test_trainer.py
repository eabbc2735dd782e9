"""The loop of a GAN: what it logs, how a signal and a NaN end it."""

from __future__ import annotations

import json
import os
import signal

import pytest
import torch
from gan_runs import gan_config, tensors
from labelled_files import cifar_10_batches, write_pickles
from runs import lines

from arcface_plus.gan import evaluation
from arcface_plus.gan.run import execute
from arcface_plus.gan.update import GanUpdater
from arcface_plus.training.errors import Diverged, Interrupted


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cifar")
    write_pickles(folder, cifar_10_batches(4))
    return folder


@pytest.fixture
def signal_at(monkeypatch):
    """A function that makes the process get SIGTERM after an update of this number."""

    def at(number: int) -> None:
        former = GanUpdater.make

        def make(self, real, step, measure=False):
            update = former(self, real, step, measure)
            if step + 1 == number:
                os.kill(os.getpid(), signal.SIGTERM)
            return update

        monkeypatch.setattr(GanUpdater, "make", make)

    return at


def test_a_logged_step_has_every_figure(cifar, tmp_path):
    terms = "[{name: mhe, weight: 1.0}, {name: mma, weight: 0.1}]"
    config = gan_config(cifar, "optimizer.steps=3", "logging.every=2", f"regularizer={terms}")
    execute(config, tmp_path / "run")
    found = lines(tmp_path / "run")
    assert [line["step"] for line in found] == [2, 3]
    last = found[-1]
    assert last["epoch"] == pytest.approx(3 * 4 / 20)
    weighted = last["loss_regularizer.mhe"] + 0.1 * last["loss_regularizer.mma"]
    assert last["loss_regularizers_weighted"] == pytest.approx(weighted, rel=1e-4)
    assert {"d_loss", "g_loss", "lr", "images_per_second", "regularizer_gradient_ratio"} <= set(
        last
    )
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert (summary["steps"], summary["d_loss"]) == (3, last["d_loss"])
    assert summary["best"] is None
    assert (tmp_path / "run/samples/step_00000003.png").is_file()


def test_a_signal_saves_and_the_run_goes_on_with_the_same_bits(cifar, tmp_path, signal_at):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    execute(gan_config(cifar), whole)
    signal_at(3)
    with pytest.raises(Interrupted, match=r"interrupted at step 3 of 4, saved in .*repeat") as left:
        execute(gan_config(cifar), parts)
    assert left.value.signal_number == signal.SIGTERM
    marker = json.loads((parts / "interrupted.json").read_text())
    assert (marker["signal"], marker["step"]) == ("SIGTERM", 3)
    assert (parts / "checkpoints/step_00000003").is_dir()
    execute(gan_config(cifar), parts)
    assert not (parts / "interrupted.json").exists()
    ours, theirs = (tensors(run / "checkpoints/step_00000004") for run in (parts, whole))
    assert ours.keys() == theirs.keys()
    assert len(ours) > 60
    assert [n for n in ours if not torch.equal(ours[n], theirs[n])] == []
    assert [line["step"] for line in lines(parts)] == [1, 2, 3, 4]
    pictures = [(run / "samples/step_00000004.png").read_bytes() for run in (parts, whole)]
    assert pictures[0] == pictures[1]


def test_losses_that_are_not_finite_end_the_run_in_one_line(cifar, tmp_path):
    config = gan_config(cifar, "optimizer.lr=1.0e30", "checkpoint.every=1")
    with pytest.raises(Diverged, match=r"step \d: the losses .*not finite.*checkpoint: .*lr") as e:
        execute(config, tmp_path / "run")
    assert "\n" not in str(e.value)
    for kept in (tmp_path / "run").glob("checkpoints/step_*"):
        assert all(t.isfinite().all() for t in tensors(kept).values())


def test_an_evaluation_that_a_kill_has_cut_off_is_made_up_for(cifar, tmp_path, monkeypatch):
    run = tmp_path / "run"
    former = evaluation.Evaluation.make

    def killed(self, generator, step, stopped):
        if step == 2:
            raise KeyboardInterrupt
        return former(self, generator, step, stopped)

    monkeypatch.setattr(evaluation.Evaluation, "make", killed)
    with pytest.raises(KeyboardInterrupt):
        execute(gan_config(cifar), run)
    assert not (run / "samples").exists()
    monkeypatch.setattr(evaluation.Evaluation, "make", former)
    execute(gan_config(cifar), run)
    names = sorted(p.name for p in (run / "samples").iterdir())
    assert names == ["step_00000002.png", "step_00000004.png"]
