"""metrics.jsonl, TensorBoard and the bar: rewritten whole, never ahead, and never the run's end."""

from __future__ import annotations

import errno
import json
import math
import os
import threading

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from arcface_plus.run_directory import metrics as module
from arcface_plus.run_directory.metrics import METRICS_FILE, Metrics, last_logged, plain

VALUES = {"loss": 2.5, "lr": 0.1, "images_per_second": 10.0}


def logged(run, steps, first=0):
    metrics = Metrics(run, first, 9)
    for step in steps:
        metrics.log({"step": step, **VALUES})
        metrics.advance(step)
    metrics.close()


def steps_in(run) -> list[int]:
    return [json.loads(line)["step"] for line in (run / METRICS_FILE).read_text().splitlines()]


def test_steps_ahead_of_the_checkpoint_are_dropped(tmp_path):
    logged(tmp_path, [1, 2, 3, 4])
    logged(tmp_path, [3, 4, 5], first=2)
    assert steps_in(tmp_path) == [1, 2, 3, 4, 5]
    assert last_logged(tmp_path)["step"] == 5


def test_half_a_line_of_a_killed_run_is_dropped(tmp_path):
    logged(tmp_path, [1, 2])
    with open(tmp_path / METRICS_FILE, "ab") as file:
        file.write(b'{"step": 3, "lo\xff')
    assert last_logged(tmp_path)["step"] == 2
    logged(tmp_path, [3], first=2)
    assert steps_in(tmp_path) == [1, 2, 3]


def test_a_kill_while_it_is_rewritten_loses_nothing(tmp_path, monkeypatch):
    logged(tmp_path, [1, 2, 3])
    before = (tmp_path / METRICS_FILE).read_bytes()

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("data_prep.files.publish", killed)
    with pytest.raises(KeyboardInterrupt):
        Metrics(tmp_path, 2, 9)
    assert (tmp_path / METRICS_FILE).read_bytes() == before


def test_curves_are_those_of_the_lines(tmp_path):
    metrics = Metrics(tmp_path, 0, 9)
    metrics.log({"step": 1, **VALUES})
    metrics.log_verification(1, {"lfw": 0.75})
    metrics.close()
    board = EventAccumulator(str(tmp_path / "tb")).Reload()
    assert [(e.step, e.value) for e in board.Scalars("train/loss")] == [(1, 2.5)]
    assert [(e.step, e.value) for e in board.Scalars("eval/lfw")] == [(1, 0.75)]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_sink_that_fails_warns_once_and_the_others_go_on(tmp_path, monkeypatch, capfd):
    metrics = Metrics(tmp_path, 0, 9)
    metrics.log({"step": 1, **VALUES})
    monkeypatch.setattr(metrics, "_add_scalars", full)
    for step in (2, 3):
        metrics.log({"step": step, **VALUES})
    metrics.log_verification(3, {"lfw": 0.5})
    metrics.close()
    assert steps_in(tmp_path) == [1, 2, 3]
    said = [line for line in capfd.readouterr().err.splitlines() if "not written any more" in line]
    assert said == [
        f"{tmp_path / 'tb'}: not written any more (No space left on device); training continues"
    ]


def test_lines_that_cannot_be_written_do_not_stop_the_curves(tmp_path, monkeypatch, capfd):
    metrics = Metrics(tmp_path, 0, 9)
    monkeypatch.setattr(metrics, "_write_line", full)
    metrics.log({"step": 1, **VALUES})
    metrics.close()
    board = EventAccumulator(str(tmp_path / "tb")).Reload()
    assert [e.step for e in board.Scalars("train/loss")] == [1]
    assert "metrics.jsonl: not written any more" in capfd.readouterr().err


def test_tensorboards_thread_prints_no_traceback(tmp_path, monkeypatch, capfd):
    """Its writes fail in a thread of its own, which would show a traceback to the user."""
    hook, seen = threading.excepthook, []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_type))
    module._silence_tensorboard_thread()

    class Ours(threading.Thread):
        def run(self) -> None:
            full()

    Ours.__module__ = "tensorboard.summary.writer.event_file_writer"
    for thread in (Ours(), threading.Thread(target=full)):
        thread.start()
        thread.join()
    assert seen == [OSError]  # the other thread's alone
    monkeypatch.setattr(threading, "excepthook", hook)


def test_the_bar_shows_the_last_accuracy(tmp_path, monkeypatch):
    """Also when nothing is logged after it: the last verification comes after the last step."""
    metrics = Metrics(tmp_path, 0, 2)
    metrics.log_verification(1, {"lfw": 0.5})
    metrics.log({"step": 2, **VALUES})
    metrics.log_verification(2, {"lfw": 0.75})
    note = metrics._bar.tasks[0].fields["note"]
    metrics.close()
    assert "lfw 75.00%" in note
    assert "50.00%" not in note
    assert "loss 2.500" in note


def test_json_has_no_nan():
    found = plain({"step": 3, "a": math.nan, "b": -math.inf, "c": 1 / 3})
    assert found == {"step": 3, "a": None, "b": None, "c": 0.3333333}


def test_no_file_is_no_last_step(tmp_path):
    assert last_logged(tmp_path) == {}


def test_synced_lines_are_on_the_disk(tmp_path, monkeypatch):
    """And a disk that fails at it is a sink that fails: it warns, and training continues."""
    synced = []
    metrics = Metrics(tmp_path, 0, 4)
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    metrics.sync()
    metrics.close()
    assert synced == [(tmp_path / "metrics.jsonl").stat().st_ino]
