"""A run is finished when everything that is due at its last step has been written."""

from __future__ import annotations

import json

import pytest
from checkpoints import save

from arcface_plus.run_directory.finished import (
    is_finished,
    read_accuracies,
    verification_file,
    verified,
)
from data_prep.errors import DataError

TARGETS = ("lfw", "cfp_fp")


@pytest.fixture
def run(tmp_path):
    save(tmp_path, 4)
    (tmp_path / "summary.json").write_text('{"steps": 4}')
    file = verification_file(tmp_path, 4)
    file.parent.mkdir()
    targets = {name: {"accuracy": {"mean": 0.9}} for name in TARGETS}
    file.write_text(json.dumps({"targets": targets}))
    return tmp_path


def test_a_complete_run_is_finished(run):
    assert is_finished(run, 4, TARGETS)
    assert verified(run, 4, TARGETS) == {"lfw": 0.9, "cfp_fp": 0.9}


@pytest.mark.parametrize(
    "name", ["summary.json", "model.json", "model.safetensors", "eval/step_00000004.json"]
)
def test_a_run_without_one_of_its_files_is_not_finished(run, name):
    (run / name).unlink()
    assert not is_finished(run, 4, TARGETS)


def test_files_of_another_step_do_not_count(run):
    assert not is_finished(run, 6, TARGETS)
    (run / "summary.json").write_text('{"steps": 2}')
    assert not is_finished(run, 4, TARGETS)
    (run / "summary.json").write_text("{")
    assert not is_finished(run, 4, TARGETS)


def test_a_target_that_was_added_is_due(run):
    assert not is_finished(run, 4, (*TARGETS, "agedb_30"))
    assert is_finished(run, 4, ())


def test_a_file_that_is_not_a_verification_is_reported(run):
    for text in ('{"targets": 3}', '{"targets": {"lfw": {}}}', "{}"):
        verification_file(run, 4).write_text(text)
        with pytest.raises(DataError, match="not a verification; delete it to verify again"):
            read_accuracies(verification_file(run, 4))
