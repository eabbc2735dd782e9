"""State that N processes divide, M processes put together again, and both train on alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from checkpoints import training
from torch import nn

from arcface_plus.models.shards import Shards
from arcface_plus.run_directory.class_files import ClassRows, read_rows
from arcface_plus.run_directory.manifest import Content, Manifest, write_manifest
from arcface_plus.run_directory.training_state import (
    Training,
    load_training,
    write_training,
)
from arcface_plus.training.optimizers import OPTIMIZERS
from arcface_plus.training.per_class import Divided, divided, on_host, reunited

Run = tuple[Any, torch.optim.Optimizer]


class Classes(nn.Module):
    """What a classifier of one process holds: rows of its own, and a head's state."""

    def __init__(self, shards: Shards) -> None:
        super().__init__()
        self.shards = shards
        whole = torch.randn(shards.rows, 4, generator=torch.Generator().manual_seed(0))
        self.weight = nn.Parameter(whole[shards.own].clone())
        self.bias = nn.Parameter(whole[shards.own, 0].clone())
        self.head = nn.BatchNorm1d(3)  # parameters and statistics of no class


class Remembering(nn.Module):
    """A regularizer that remembers something of each row, and something else."""

    def __init__(self, shards: Shards) -> None:
        super().__init__()
        self.state = {
            "next": 7, "drift": torch.tensor(0.5),
            "rows": shards.rows,
            "by_row": {"candidates": torch.arange(3 * shards.rows).view(-1, 3)[shards.own]},
        }  # fmt: skip

    def get_extra_state(self) -> dict[str, Any]:
        return self.state

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.state = state


def new_run(name: str, shards: Shards) -> Run:
    torch.manual_seed(0)
    recognizer = SimpleNamespace(
        backbone=nn.Linear(3, 4),
        classifier=Classes(shards),
        regularizer=nn.ModuleDict({"one": Remembering(shards)}),
    )
    parameters = [*recognizer.backbone.parameters(), *recognizer.classifier.parameters()]
    return recognizer, OPTIMIZERS[name](parameters, lr=0.1)


def step(run: Run, number: int) -> None:
    """Row by row, so that the rows of a shard go the way of the whole's."""
    for group in run[1].param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.sin(parameter.detach() * number)
    run[1].step()
    with torch.no_grad():
        run[0].classifier.head.running_mean += number


def save(folder: Path, name: str, rows: int, count: int) -> tuple[Training, Divided]:
    """What `count` processes save after two steps: as loaded, and all their rows in order."""
    files: dict[str, Content] = {}
    states = []
    for rank in range(count):
        run = new_run(name, Shards(rows, rank, count))
        for number in (1, 2):
            step(run, number)
        states.append(divided(*run))
        files |= ClassRows(run[0].classifier.shards, states[-1].rows).write(folder, "run step 2")
    first = states[0]
    parts = {part: getattr(first, part) for part in ("classifier", "optimizer", "regularizer")}
    state = training(2, classes=rows, **parts)
    files["training.pt"] = write_training(folder / "training.pt", state)
    write_manifest(folder, Manifest(2, "run", files, rows))
    whole = {name: torch.cat([one.rows[name] for one in states]) for name in first.rows}
    return load_training(folder), replace(first, rows=whole)


def restored(folder: Path, name: str, shards: Shards, saved: Training) -> Run:
    recognizer, optimizer = new_run(name, shards)
    rows = read_rows(folder, shards.own) if saved.rows_apart else {}
    state = reunited(recognizer, optimizer, Training(**on_host(vars(saved))), rows)
    recognizer.classifier.load_state_dict(state.classifier)
    recognizer.regularizer.load_state_dict(state.regularizer)
    optimizer.load_state_dict(state.optimizer)
    return recognizer, optimizer


def assert_same_bits(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize(("rows", "savers"), [(11, 1), (11, 3), (5, 4)])
def test_any_number_of_processes_gets_the_bits_and_goes_on(tmp_path, name, rows, savers):
    saved, expected = save(tmp_path, name, rows, savers)
    whole = restored(tmp_path, name, Shards(rows), saved)
    step(whole, 3)
    for loaders in (1, 2, 3, 4):
        for rank in range(loaders):
            shards = Shards(rows, rank, loaders)
            run = restored(tmp_path, name, shards, saved)
            found = divided(*run)
            assert_same_bits(
                found.rows, {key: tensor[shards.own] for key, tensor in expected.rows.items()}
            )
            assert_same_bits(found.optimizer["state"], expected.optimizer["state"])
            assert_same_bits(found.classifier, expected.classifier)
            assert found.regularizer["one._extra_state"]["next"] == 7
            step(run, 3)
            for key, tensor in divided(*run).rows.items():
                torch.testing.assert_close(tensor, divided(*whole).rows[key][shards.own])


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_older_checkpoints_go_on_with_any_number(tmp_path, schema):
    """There everything is in training.pt."""
    run = new_run("sgd", Shards(5))
    for number in (1, 2):
        step(run, number)
    old = training(
        2, classes=5, schema=schema, classifier=run[0].classifier.state_dict(),
        optimizer=run[1].state_dict(), regularizer=run[0].regularizer.state_dict(),
    )  # fmt: skip
    for loaders in (1, 2, 4):
        for rank in range(loaders):
            shards = Shards(5, rank, loaders)
            one = new_run("sgd", shards)
            state = reunited(*one, old, {})
            one[0].classifier.load_state_dict(state.classifier)
            one[1].load_state_dict(state.optimizer)
            found, expected = divided(*one), divided(*run)
            del expected.rows["regularizer.one._extra_state.candidates"]
            for key, tensor in expected.rows.items():
                assert_same_bits(found.rows[key], tensor[shards.own])
            assert_same_bits(found.optimizer["state"], expected.optimizer["state"])
            assert_same_bits(found.classifier, expected.classifier)


def test_only_what_has_a_row_per_class_is_apart(tmp_path):
    run = new_run("adamw", Shards(5, 1, 2))
    step(run, 1)
    state = divided(*run)
    assert {name: len(tensor) for name, tensor in state.rows.items()} == dict.fromkeys(
        ["classifier.weight", "classifier.bias", "optimizer.2.exp_avg", "optimizer.2.exp_avg_sq",
         "optimizer.3.exp_avg", "optimizer.3.exp_avg_sq",
         "regularizer.one._extra_state.candidates"],
        2,
    )  # fmt: skip
    assert all(name.startswith("head.") for name in state.classifier)
    assert state.optimizer["state"][2].keys() == {"step"}
    assert state.optimizer["state"][0].keys() == {"step", "exp_avg", "exp_avg_sq"}
    assert run[1].state_dict()["state"][2].keys() == {"step", "exp_avg", "exp_avg_sq"}  # untouched


def test_rows_of_a_hidden_layer_stay_whole():
    """A regularizer may remember the rows of another matrix, which every process holds."""
    shards = Shards(5, 1, 2)
    run = new_run("sgd", shards)
    for rows in (2, 5, 9):
        run[0].regularizer["one"].state = {"rows": rows, "by_row": {"table": torch.zeros(rows, 1)}}
        state = divided(*run)
        assert not any(name.startswith("regularizer") for name in state.rows)
        assert len(state.regularizer["one._extra_state"]["by_row"]["table"]) == rows


def test_a_regularizers_rows_in_older_checkpoints_are_cut():
    whole = new_run("sgd", Shards(5))[0].regularizer.state_dict()
    kept = {"rows": 5, "table": torch.arange(5), "next": 3}
    kept_by = {"a": kept, **whole}
    old = training(2, schema=3, classes=5, optimizer={"state": {}}, regularizer=kept_by)
    state = reunited(*new_run("sgd", Shards(5, 1, 2)), old, {})
    assert state.regularizer["a"]["table"].tolist() == [3, 4]
    assert state.regularizer["a"]["next"] == 3
    assert len(state.regularizer["one._extra_state"]["by_row"]["candidates"]) == 2


def test_a_copy_on_the_host_shares_nothing():
    tensor = torch.ones(2)
    given = {"a": [tensor, (tensor, 3)], "b": "text"}
    copied = on_host(given)
    tensor += 1
    assert copied["a"][0].tolist() == copied["a"][1][0].tolist() == [1, 1]
    assert (copied["a"][1][1], copied["b"]) == (3, "text")
