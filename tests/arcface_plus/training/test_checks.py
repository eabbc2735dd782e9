"""Contradictory settings and unusable data are reported before anything is built."""

from __future__ import annotations

import pytest

from arcface_plus.config.tree import RunConfig, load
from arcface_plus.run_directory.sinks import SINKS, Sink
from arcface_plus.training.checks import check_settings, checked_source
from data_prep.errors import UserError
from data_prep.training_set import TrainingSetWriter


def config(*settings: str) -> RunConfig:
    return load("smoke", settings)


@pytest.mark.parametrize(
    ("settings", "processes", "words"),
    [
        (["data.batch_size=7"], 4, "leaves one image to the last of the 4 .*at least 8"),
        (["data.batch_size=4"], 5, "leaves no image to the last of the 5 .*at least 10"),
        (["data.batch_size=9", "data.micro_batch_size=2"], 2, "micro-batch of one image"),
        (["data.micro_batch_size=1"], 1, "data.micro_batch_size 1 makes a micro-batch of one"),
        (
            ["runtime.compile=true", "runtime.activation_checkpointing=true"],
            1,
            "cannot be combined; set one of them to false",
        ),
    ],
)
def test_settings_that_do_not_fit(settings, processes, words):
    with pytest.raises(UserError, match=words):
        check_settings(config(*settings), processes)


def test_a_tracker_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(SINKS, "mlflow", type("Absent", (Sink,), {"needs": ("no_such_library",)}))
    with pytest.raises(UserError) as caught:
        check_settings(config("logging.sinks=[mlflow]"), 1)
    assert str(caught.value) == "logging.sinks: mlflow needs `pip install arcface-plus[mlflow]`"


def test_settings_that_fit():
    check_settings(config("data.batch_size=16", "data.micro_batch_size=5"), 2)
    check_settings(config("data.batch_size=440"), 7)


def test_data_with_too_few_classes(tmp_path):
    with pytest.raises(UserError, match=r"missing key data\.train"):
        checked_source(config(), speaks=True)
    with TrainingSetWriter(tmp_path / "one") as writer:
        writer.add(0, b"x")
    with pytest.raises(UserError, match="only one class"):
        checked_source(config(f"data.train={tmp_path / 'one'}"), speaks=True)
