"""Verification during training: when, where it is written, and completion after a kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from arcface_plus.training.verifying import Verifying


class Result:
    def __init__(self, accuracies: dict[str, float]) -> None:
        self.accuracies = accuracies

    def write(self, file: Path, checkpoint: str) -> None:
        targets = {name: {"accuracy": {"mean": a}} for name, a in self.accuracies.items()}
        file.write_text(json.dumps({"checkpoint": checkpoint, "targets": targets}))


def never() -> bool:
    return False


@pytest.fixture
def verifying(tmp_path):
    modes = []

    def verify(backbone: nn.Module) -> Result:
        modes.append(backbone.training)
        return Result({"lfw": 0.5 + len(modes) / 10})

    made = Verifying(tmp_path, verify, ("lfw",), every=4)
    made.modes = modes
    return made


def test_when_it_is_due(verifying, tmp_path):
    assert [step for step in range(1, 11) if verifying.due(step, step == 10)] == [4, 8, 10]
    assert not Verifying(tmp_path, lambda _: pytest.fail("verified"), (), 4).due(4, last=True)


def test_the_network_is_in_evaluation_mode_only_during_verification(verifying, tmp_path):
    backbone = nn.Dropout()
    verifying.make(backbone, 4, never)
    assert verifying.modes == [False]
    assert backbone.training
    written = json.loads((tmp_path / "eval/step_00000004.json").read_text())
    assert written["checkpoint"] == "step_00000004"
    assert verifying.accuracies == {"lfw": 0.6}


def test_existing_results_are_not_computed_again(verifying, tmp_path):
    backbone = nn.Identity()
    verifying.make(backbone, 4, never)
    verifying.make(backbone, 8, never)
    verifying.make_if_absent(backbone, 4, never)
    assert verifying.accuracies == {"lfw": 0.6}
    assert len(verifying.modes) == 2
    verifying.targets = ("lfw", "agedb_30")  # added since
    verifying.make_if_absent(backbone, 4, never)
    assert len(verifying.modes) == 3


def test_a_signal_ends_it_within_a_batch_and_it_is_made_up_for_later(tmp_path):
    backbone, batches = nn.Dropout(), []

    def verify(network: nn.Module) -> Result:
        for number in range(5):
            network(torch.zeros(1))
            batches.append(number)
        return Result({"lfw": 0.5})

    verifying = Verifying(tmp_path, verify, ("lfw",), every=4)
    verifying.make(backbone, 4, lambda: len(batches) == 2)
    assert batches == [0, 1]
    assert backbone.training
    assert verifying.accuracies == {}
    assert not (tmp_path / "eval").exists()
    verifying.make_if_absent(backbone, 4, never)
    assert batches == [0, 1, 0, 1, 2, 3, 4]
    assert verifying.accuracies == {"lfw": 0.5}
