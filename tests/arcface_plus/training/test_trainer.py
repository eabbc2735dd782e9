"""Several processes: they decide together to save; one that stops alone waits for no other."""

from __future__ import annotations

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
from arcface_plus.run_directory.model_file import ModelCard
from arcface_plus.run_directory.training_state import Conditions
from arcface_plus.runtime import Processes
from arcface_plus.training import update
from arcface_plus.training.errors import Diverged
from arcface_plus.training.optimizers import SGD
from arcface_plus.training.saving import Saving
from arcface_plus.training.schedules import Step
from arcface_plus.training.trainer import Plan, Trainer
from arcface_plus.training.update import Updater, UpdateSettings
from arcface_plus.training.verifying import Verifying
from data_prep.errors import DataError


@dataclass(frozen=True)
class OneOfTwo(Processes):
    """A process whose peer has the same flag, or `fellow`; counts the collective calls."""

    count: int = 2
    fellow: bool = False
    asked: list[bool] = field(default_factory=list)

    def any(self, flag: bool) -> bool:
        self.asked.append(flag)
        return flag or self.fellow

    def barrier(self) -> None:
        self.asked.append(False)


class Breaking:
    """A loader that meets a broken record after two batches."""

    samples = 6

    def __init__(self, asked: list[bool]) -> None:
        self._asked = asked
        self.asked_before = -1

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        for _ in range(2):
            yield Batch(torch.randn(6, 3, 4, 4), torch.arange(6), np.arange(6), 0.0)
        self.asked_before = len(self._asked)
        raise DataError("record 7 cannot be decoded")

    def epoch(self, step: int) -> float:
        return step / 2


@pytest.fixture
def trainer_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes the trainer of one of two processes, without a process group."""
    monkeypatch.setattr(update, "DistributedDataParallel", lambda model, **_: model)
    monkeypatch.setattr(update, "average_gradients", lambda parameters: None)

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
            Breaking(processes.asked),  # type: ignore[arg-type]
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
@pytest.mark.parametrize("fellow", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_all_processes_save_or_none(trainer_of, rank, own, fellow):
    """None may raise alone: the other would wait for it at the next barrier for ever."""
    processes = OneOfTwo(rank, fellow=fellow)
    trainer = trainer_of(processes)
    if own:
        trainer._divergence._first_bad.fill_(0)
    if own or fellow:
        with pytest.raises(Diverged, match=r"step 0: .* not finite; last checkpoint: none"):
            trainer._save()
    else:
        trainer._save()
    assert processes.asked == [own]
    assert saved(trainer) == ([] if own or fellow or rank else ["step_00000000"])


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("finite", [True, False])
def test_a_broken_record_makes_no_collective_call(trainer_of, rank, finite, monkeypatch):
    """The others do not know about it, so they would never join the call."""
    processes = OneOfTwo(rank)
    trainer = trainer_of(processes)
    if not finite:  # found at the next logged step on a GPU, so not yet when the record is met
        monkeypatch.setattr(trainer._divergence, "all_finite", lambda: False)
    with pytest.raises(DataError, match="record 7 cannot be decoded"):
        trainer.run()
    assert trainer.step == 2
    assert len(processes.asked) == trainer.loader.asked_before > 0
    assert saved(trainer) == (["step_00000002"] if rank == 0 and finite else [])
