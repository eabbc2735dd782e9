"""Whole runs with a head that keeps more than one row per class."""

from __future__ import annotations

import csv

import pytest
import torch
from runs import configured

from arcface_plus.evaluation.layer_angles import measure
from arcface_plus.models.class_rows import class_rows
from arcface_plus.run_directory.training_state import load_class_weights
from arcface_plus.training.run import execute


def test_angles_are_between_classes_not_between_sub_centres(tiny_settings, tmp_path):
    run = tmp_path / "run"
    settings = [*tiny_settings, "head={name: subcenter_arcface, sub_centres: 2}", "eval.targets=[]"]
    execute(configured(settings), run)
    weight = load_class_weights(run / "checkpoints/step_00000002")
    assert weight.shape == (6, 2, 16)
    unit = torch.nn.functional.normalize(class_rows(weight))
    cosine = (unit @ unit.T).fill_diagonal_(-1.0)
    nearest = torch.rad2deg(cosine.amax(dim=1).arccos())
    with open(run / "nearest_classes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {int(row["class_a"]) for row in rows} <= set(range(6))
    angle = next(key for key in rows[0] if "angle" in key)
    assert float(rows[0][angle]) == pytest.approx(nearest.min().item(), abs=0.01)
    classes = measure(run).layers[-1]
    assert (classes.name, classes.rows) == ("classifier", 6)
