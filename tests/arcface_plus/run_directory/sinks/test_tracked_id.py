"""RUN/tracking.json: the ids that a resumed run finds again."""

from __future__ import annotations

import json

import pytest

from arcface_plus.run_directory.entries import ENTRIES
from arcface_plus.run_directory.sinks.tracked_id import TRACKING_FILE, remember_id, tracked_id
from data_prep.errors import DataError


def test_each_sink_has_its_own_id(tmp_path):
    assert tracked_id(tmp_path, "mlflow") is None
    remember_id(tmp_path, "mlflow", "a1")
    remember_id(tmp_path, "wandb", "b2")
    remember_id(tmp_path, "mlflow", "a3")
    assert (tracked_id(tmp_path, "mlflow"), tracked_id(tmp_path, "wandb")) == ("a3", "b2")
    assert tracked_id(tmp_path, "other") is None
    assert json.loads((tmp_path / TRACKING_FILE).read_text()) == {"mlflow": "a3", "wandb": "b2"}


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / TRACKING_FILE).write_text("{")
    with pytest.raises(DataError, match=r"tracking\.json: not JSON"):
        tracked_id(tmp_path, "mlflow")


def test_fresh_removes_it():
    assert TRACKING_FILE in ENTRIES
