"""Several processes: they save and leave together."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from arcface_plus.data.loader import Batch
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace
from arcface_plus.models.recognizer import Recognizer
from arcface_plus.models.regularizers import MMA
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.interrupted import MARKER
from arcface_plus.run_directory.model_file import ModelCard
from arcface_plus.run_directory.training_state import Conditions
from arcface_plus.runtime import Processes
from arcface_plus.training import update
from arcface_plus.training.errors import Diverged, Interrupted, PeerFailed
from arcface_plus.training.optimizers import SGD
from arcface_plus.training.saving import Saving
from arcface_plus.training.schedules import Step
from arcface_plus.training.trainer import _FAILED, Plan, Trainer
from arcface_plus.training.update import Update, Updater, UpdateSettings
from arcface_plus.training.verifying import Verifying
from data_prep.errors import DataError


@dataclass(frozen=True)
class OneOfTwo(Processes):
    """A process whose peer tells 0, or what is in `fellow`; records what is asked."""

    count: int = 2
    fellow: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def largest(self, number: int) -> int:
        self.asked.append(number)
        return max(number, *self.fellow, 0)

    def barrier(self) -> None:
        return None

    def apart(self) -> Processes:
        return Processes(self.rank)  # what it writes alone


class Breaking:
    """A loader that meets a broken record after two batches."""

    samples = 6

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        for _ in range(2):
            yield Batch(torch.randn(6, 3, 4, 4), torch.arange(6), np.arange(6), 0.0)
        raise DataError("record 7 cannot be decoded")

    def epoch(self, step: int) -> float:
        return step / 2


@pytest.fixture
def trainer_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes the trainer of one of two processes, without a process group."""
    monkeypatch.setattr(update, "DistributedDataParallel", lambda model, **_: model)
    monkeypatch.setattr(Classifier, "reduce_gradients", lambda classifier: None)

    def make(processes: OneOfTwo) -> Trainer:
        backbone = nn.Sequential(nn.Flatten(), nn.Linear(48, 8))
        recognizer = Recognizer(backbone, Classifier(8, 6, ArcFace(16.0)), MMA(), 0.1)
        updater = Updater(
            recognizer,
            SGD(recognizer.parameters()),
            Step(0.1, 100, milestones=()),
            UpdateSettings("fp32", seed=0),
            torch.device("cpu"),
            processes,
        )
        return Trainer(
            tmp_path,
            Plan(9, 100, 100),
            Breaking(),  # type: ignore[arg-type]
            updater,
            Saving(
                tmp_path,
                Checkpoints(tmp_path, keep=1),
                updater,
                ModelCard("linear", {}, 8),
                Conditions(6, 6, "", "fp32", channels_last=False),
                {},
            ),
            Verifying(tmp_path, lambda _: pytest.fail("nothing to verify"), (), 100),
        )

    return make


def saved(trainer: Trainer) -> list[str]:
    return [path.name for path in trainer._saving.checkpoints.all()]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("fellow", [1, 0])
@pytest.mark.parametrize("own", [True, False])
def test_all_processes_save_or_none(trainer_of, rank, own, fellow):
    """None may raise alone: the other would wait for it at the next barrier."""
    processes = OneOfTwo(rank, fellow=[fellow])
    trainer = trainer_of(processes)
    if own:
        trainer._divergence._first_bad.fill_(0)
    if own or fellow:
        with pytest.raises(Diverged, match=r"step 0: .* not finite; last checkpoint: none"):
            trainer._save()
    else:
        trainer._save()
        trainer._saving.wait()
    assert processes.asked == [own]
    assert saved(trainer) == ([] if own or fellow or rank else ["step_00000000"])


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("finite", [True, False])
def test_a_broken_record_is_told_to_the_others_and_finite_weights_are_saved(
    trainer_of, rank, finite, monkeypatch
):
    processes = OneOfTwo(rank)
    trainer = trainer_of(processes)
    if not finite:  # found at the next logged step on a GPU, so not yet when the record is met
        monkeypatch.setattr(trainer._divergence, "all_finite", lambda: False)
    with pytest.raises(DataError, match="record 7 cannot be decoded"):
        trainer.run()
    assert trainer.step == 2
    assert processes.asked[-2:] == [_FAILED, not finite]
    assert saved(trainer) == (["step_00000002"] if rank == 0 and finite else [])
    assert not (trainer.run_folder / MARKER).exists()


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("told", [_FAILED, signal.SIGUSR1])
def test_what_another_process_tells_ends_this_one_before_the_next_update(trainer_of, rank, told):
    processes = OneOfTwo(rank)
    trainer = trainer_of(processes)
    monitored = trainer._update

    def update_and_hear(batch: Batch, measure: bool) -> Update:
        processes.fellow.append(told)
        return monitored(batch, measure)

    trainer._update = update_and_hear
    trainer._divergence.check = lambda *_: None  # it asks, too
    trainer._divergence.check_before_saving = lambda _: None
    with pytest.raises(PeerFailed if told == _FAILED else Interrupted) as ended:
        trainer.run()
    assert trainer.step == 1
    if told == _FAILED:
        assert str(ended.value) == ""
        assert not (trainer.run_folder / MARKER).exists()
        return
    assert ended.value.signal_number == signal.SIGUSR1
    assert saved(trainer) == ([] if rank else ["step_00000001"])
    if rank == 0:
        marker = json.loads((trainer.run_folder / MARKER).read_text())
        assert (marker["signal"], marker["step"]) == ("SIGUSR1", 1)


def test_a_save_that_fails_in_the_background_ends_the_run_at_the_next_step(trainer_of, monkeypatch):
    """The others are told, and get the same error from their own part of the save."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "training.pt")

    processes = OneOfTwo(0)
    trainer = trainer_of(processes)
    monkeypatch.setattr(Checkpoints, "save", full)
    trainer._saving.save(0)
    trainer._saving.last()
    with pytest.raises(OSError, match="No space left") as caught:
        trainer.run()
    assert caught.value.filename == "training.pt"
    assert trainer.step == 0
    assert [number > 0 for number in processes.asked] == [True]
