"""The bench saves what a run saves, and its rows are of one save."""

from __future__ import annotations

import torch

from arcface_plus.bench import checkpoint
from arcface_plus.run_directory.class_files import read_rows

CPU = torch.device("cpu")


def test_rows_and_their_ratios(tmp_path):
    result = checkpoint.run(CPU, "tiny", 40, tmp_path, rounds=2)
    assert "checkpoint of tiny with 40 classes" in result["title"]
    names = [row["name"] for row in result["rows"]]
    assert names[2:] == ["training waits", "until everything is written"]
    waited, written = result["rows"][2:]
    assert 0 < waited["milliseconds"] < written["milliseconds"]
    assert written["ratio"] == 1
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


def test_a_whole_state_is_saved(tmp_path):
    updater = checkpoint.with_momentum("tiny", 40, CPU)
    saving = checkpoint.saving_of(updater, tmp_path, 40)
    saving.save(1)
    saving.close()
    rows = read_rows(saving.checkpoints.all()[0])
    assert {name.split(".")[-1]: tuple(tensor.shape) for name, tensor in rows.items()} == {
        "weight": (40, 512), "momentum_buffer": (40, 512)
    }  # fmt: skip
