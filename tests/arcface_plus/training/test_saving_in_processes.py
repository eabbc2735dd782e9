"""Several processes save their rows in the background; any number of them goes on from there."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from checkpoints import CARD, CONDITIONS
from processes import in_processes
from torch import nn

from arcface_plus.models.shards import Shards
from arcface_plus.run_directory import checkpoint as checkpoint_module
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.training_state import load_training
from arcface_plus.runtime import Processes
from arcface_plus.training.optimizers import SGD
from arcface_plus.training.saving import Saving

ROWS = 5  # over four processes: 2, 2, 1 and none


class Classes(nn.Module):
    """A classifier's rows of one process."""

    def __init__(self, shards: Shards) -> None:
        super().__init__()
        self.shards = shards
        whole = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(0))
        self.weight = nn.Parameter(whole[shards.own].clone())


def updater(processes: Processes, sharded: bool = True) -> Any:
    torch.manual_seed(0)
    shards = Shards(ROWS, processes.rank, processes.count) if sharded else Shards(ROWS)
    recognizer = SimpleNamespace(
        backbone=nn.Linear(3, 2),
        classifier=Classes(shards),
        regularizer=nn.Identity(),
        auxiliary=None,
    )
    parameters = [*recognizer.backbone.parameters(), *recognizer.classifier.parameters()]
    optimizer = SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.0)

    def restore(state: dict[str, Any], _: object) -> None:
        optimizer.load_state_dict(state)

    return SimpleNamespace(
        recognizer=recognizer, optimizer=optimizer, processes=processes,
        device=torch.device("cpu"), settings=SimpleNamespace(seed=3),
        state=lambda: {"scaler": {}}, restore=restore,
    )  # fmt: skip


def step(made: Any) -> None:
    for group in made.optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.full_like(parameter, 0.25)
    made.optimizer.step()


def saving(run: Path, made: Any) -> Saving:
    return Saving(run, Checkpoints(run, keep=2), made, CARD, CONDITIONS, {0: "ann"})


def content(made: Any) -> list[Any]:
    recognizer = made.recognizer
    number = len(list(recognizer.backbone.parameters()))
    momentum = made.optimizer.state_dict()["state"][number]["momentum_buffer"]
    rows = torch.stack((recognizer.classifier.weight.detach(), momentum))
    return [rows, copy.deepcopy(recognizer.backbone.state_dict())]


def save(rank: int, run: Path, count: int, sharded: bool) -> list[Any]:
    made = updater(Processes(rank, count), sharded)
    step(made)
    kept = saving(run, made)
    kept.save(1)
    then = content(made)
    step(made)  # while it is being written
    kept.close()
    return then


def restore(rank: int, run: Path, count: int, sharded: bool) -> list[Any]:
    made = updater(Processes(rank, count), sharded)
    step(made)
    step(made)
    checkpoint = run / "checkpoints/step_00000001"
    kept = saving(run, made)
    kept.restore(checkpoint, load_training(checkpoint))
    kept.complete()
    kept.close()
    return content(made)


@pytest.mark.parametrize(
    ("savers", "loaders"),
    [((4, True), (2, True)), ((2, True), (1, False)), ((1, False), (4, True)),
     ((2, False), (3, True))],
)  # fmt: skip
def test_another_number_of_processes_has_the_same_bits(tmp_path, savers, loaders):
    wrote = in_processes(savers[0], save, tmp_path, *savers)
    table = (tmp_path / "nearest_classes.csv").read_bytes()
    assert b"ann" in table
    (tmp_path / "nearest_classes.csv").unlink()
    read = in_processes(loaders[0], restore, tmp_path, *loaders)
    whole = torch.cat([rows for rows, _ in wrote], dim=1)[:, :ROWS]
    found = torch.cat([rows for rows, _ in read], dim=1)[:, :ROWS]
    assert torch.equal(found, whole)
    for _, backbone in read:
        torch.testing.assert_close(backbone, wrote[0][1], rtol=0, atol=0)
    assert (tmp_path / "nearest_classes.csv").read_bytes() == table


def full_in_one(rank: int, run: Path) -> list[str]:
    """The second process's disk is full; the first notices at its next save, as all do."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "disk of 1")

    made = updater(Processes(rank, 3))
    step(made)
    kept = saving(run, made)
    real = checkpoint_module._write
    if rank == 1:
        checkpoint_module._write = full
    kept.save(1)
    told = []
    for wait in (kept.wait, lambda: kept.save(2), kept.wait):
        try:
            wait()
            told.append("good")
        except OSError as error:
            told.append(f"{error.filename}: {error.strerror}")
        checkpoint_module._write = real
    kept.close()
    return told


def test_a_full_disk_of_one_process_reaches_all_and_they_can_save_again(tmp_path):
    said = ["disk of 1: No space left on device", "good", "good"]
    assert in_processes(3, full_in_one, tmp_path) == [said] * 3
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step_00000002"]
