"""Whole runs: the regularizer's state, its metrics and the nearest classes."""

from __future__ import annotations

import csv
import shutil

import pytest
import torch
from runs import assert_same_bits, configured, lines

from arcface_plus.config import sections
from arcface_plus.models.regularizers import Regularizer
from arcface_plus.training.run import execute
from data_prep.class_names import write_class_names
from data_prep.extract import extract


class Remembering(Regularizer):
    """A regularizer whose gradient depends on how often it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, weight: torch.Tensor, shards=None) -> torch.Tensor:
        self.calls += 1
        return self.calls * weight.square().sum()

    def get_extra_state(self) -> dict[str, torch.Tensor]:
        return {"calls": torch.tensor(self.calls)}

    def set_extra_state(self, state: dict[str, torch.Tensor]) -> None:
        self.calls = int(state["calls"])

    def report(self) -> dict[str, float]:
        return {"regularizer_calls": float(self.calls)}


def test_a_regularizers_state_is_saved_and_reported(tiny_settings, tmp_path, monkeypatch):
    monkeypatch.setattr(sections.Regularizer, "build", lambda _: Remembering())
    settings = [
        *tiny_settings,
        "regularizer={name: koleo, weight: 0.1}",
        "checkpoint.every=2",
    ]
    execute(configured(settings, "optimizer.steps=4"), tmp_path / "whole")
    execute(configured(settings, "optimizer.steps=2"), tmp_path / "parts")
    execute(configured(settings, "optimizer.steps=4"), tmp_path / "parts")
    assert_same_bits(*(tmp_path / r / "checkpoints/step_00000004" for r in ("whole", "parts")))
    assert [line["regularizer_calls"] for line in lines(tmp_path / "parts")] == [1, 2, 3, 4]


@pytest.mark.parametrize("mode", ["exact", "cached", "rolling"])
def test_mma_in_every_mode_resumes_bit_for_bit(tiny_settings, tmp_path, mode):
    """With one candidate per row, so that a resumed run without them would choose others."""
    term = f"regularizer={{name: mma, weight: 5.0, mode: {mode}, candidates: 1, rolling_steps: 3}}"
    settings = [*tiny_settings, term, "checkpoint.every=2", "optimizer.lr=0.1"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    execute(configured(settings, "optimizer.steps=7"), whole)
    execute(configured(settings, "optimizer.steps=2"), parts)
    execute(configured(settings, "optimizer.steps=7"), parts)
    assert_same_bits(*(run / "checkpoints/step_00000007" for run in (whole, parts)))
    reports = [[line.get("neighbour_refreshes") for line in lines(run)] for run in (whole, parts)]
    assert reports[0] == reports[1]


def test_several_terms_on_all_layers_resume_bit_for_bit(tiny_settings, tmp_path, capsys):
    terms = (
        "regularizer=[{name: mma, weight: 0.5, layers: all, mode: cached, candidates: 1},"
        "{name: mhe, weight: 1.0, layers: hidden, subset: 0.5, half_space: true},"
        "{name: mhe, weight: 1.0, pairs: batch}, {name: orthogonal, weight: 0.01, layers: [fc*]}]"
    )
    settings = [*tiny_settings, terms, "checkpoint.every=2", "optimizer.lr=0.1"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    execute(configured(settings, "optimizer.steps=5"), whole)
    assert "regularizer mma acts on" in capsys.readouterr().err
    execute(configured(settings, "optimizer.steps=2"), parts)
    execute(configured(settings, "optimizer.steps=5"), parts)
    assert_same_bits(*(run / "checkpoints/step_00000005" for run in (whole, parts)))
    last = lines(whole)[-1]
    labels = ("mma", "mhe", "mhe_2", "orthogonal")
    assert all(last[f"loss_regularizer.{label}"] != 0 for label in labels)
    assert all(last[f"regularizer_gradient_ratio.{label}"] > 0 for label in labels)


def test_the_regularizers_share_of_the_time(tiny_settings, tmp_path):
    execute(configured(tiny_settings), tmp_path / "mma")
    execute(configured(tiny_settings, name="demo_arcface.yaml"), tmp_path / "none")
    shares = [lines(tmp_path / r)[-1]["regularizer_time_fraction"] for r in ("mma", "none")]
    assert 0 < shares[0] < 1
    assert shares[1] == 0
    quantiles = [lines(tmp_path / "mma")[0][f"min_angle_deg_p{q}"] for q in ("01", "10", "50")]
    assert lines(tmp_path / "mma")[0]["min_angle_deg"] <= quantiles[0] <= quantiles[1]
    assert quantiles[1] <= quantiles[2] < 180


@pytest.mark.parametrize("folder", [False, True])
def test_the_nearest_classes_have_the_names_of_the_data(folder, tiny_settings, synthetic, tmp_path):
    names = [f"person {k}" for k in range(6)]
    data = tmp_path / "data"
    if folder:
        extract(synthetic, tmp_path / "crops")
        folders = sorted({p.parent for p in (tmp_path / "crops").rglob("*.jpg")})
        for name, images in zip(names, folders, strict=True):
            shutil.copytree(images, data / name)
    else:
        shutil.copytree(synthetic, data)
        write_class_names(data, names)
    settings = [*tiny_settings, f"data.train={data}", "eval.targets=[]"]
    execute(configured(settings), tmp_path / "run")
    with open(tmp_path / "run" / "nearest_classes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        assert (row["name_a"], row["name_b"]) == (
            names[int(row["class_a"])],
            names[int(row["class_b"])],
        )
