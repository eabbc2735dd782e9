"""RUN/tb, read back as TensorBoard reads it."""

from __future__ import annotations

import errno
import math
import threading

import numpy as np
import pytest
from sink_facts import ANGLES, VALUES, facts
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import (
    EXPERIMENT_TAG,
    PLUGIN_NAME,
    SESSION_END_INFO_TAG,
    SESSION_START_INFO_TAG,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from arcface_plus.run_directory.sinks import tensorboard as module
from arcface_plus.run_directory.sinks.tensorboard import TensorBoard


def board(run) -> EventAccumulator:
    return EventAccumulator(str(run / "tb"), size_guidance={"histograms": 0}).Reload()


def curve(run, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in board(run).Scalars(tag)]


def test_curves_are_those_of_the_lines(tmp_path):
    sink = TensorBoard(facts(tmp_path))
    sink.log(1, {"step": 1, **VALUES})
    sink.log_verification(1, {"lfw": 0.75})
    sink.close()
    assert curve(tmp_path, "train/loss") == [(1, 2.5)]
    assert curve(tmp_path, "eval/lfw") == [(1, 0.75)]
    assert "train/step" not in board(tmp_path).Tags()["scalars"]


def test_a_verification_can_be_seen_while_the_run_goes_on(tmp_path):
    sink = TensorBoard(facts(tmp_path))
    sink.log_verification(1, {"lfw": 0.75})
    assert curve(tmp_path, "eval/lfw") == [(1, 0.75)]
    sink.close()


def test_steps_after_the_checkpoint_are_dropped_when_a_run_is_resumed(tmp_path):
    for first, steps in ((0, (1, 2, 3, 4)), (2, (3,))):
        sink = TensorBoard(facts(tmp_path, first))
        for step in steps:
            sink.log(step, {"loss": step + 10.0 * first})
            sink.log_angles(step, ANGLES)
        sink.close()
    assert curve(tmp_path, "train/loss") == [(1, 1.0), (2, 2.0), (3, 23.0)]
    steps = [e.step for e in board(tmp_path).Histograms("angles/nearest_class_deg")]
    assert steps == [1, 2, 3]


def test_config_and_environment_are_there_as_text(tmp_path):
    TensorBoard(facts(tmp_path)).close()
    (config,) = board(tmp_path).Tensors("config/text_summary")
    (text,) = config.tensor_proto.string_val
    assert text.decode().splitlines() == ["    optimizer:", "      lr: 0.1"]
    (environment,) = board(tmp_path).Tensors("environment/text_summary")
    assert b'"git_revision": "abc123"' in environment.tensor_proto.string_val[0]


def test_the_histogram_of_angles_counts_every_class(tmp_path):
    angles = np.random.default_rng(0).uniform(50, 90, 1000).astype(np.float32)
    sink = TensorBoard(facts(tmp_path))
    sink.log_angles(7, np.append(angles, [math.nan]))
    sink.log_angles(8, np.array([math.nan]))  # nothing to count
    sink.close()
    (event,) = board(tmp_path).Histograms("angles/nearest_class_deg")
    found = event.histogram_value
    assert (event.step, found.num, sum(found.bucket)) == (7, 1000, 1000)
    assert found.sum == pytest.approx(angles.sum(), rel=1e-6)
    assert found.sum_squares == pytest.approx((angles**2).sum(), rel=1e-6)
    below = sum(c for limit, c in zip(found.bucket_limit, found.bucket, strict=True) if limit <= 70)
    assert below == (angles < 70).sum()
    assert (found.bucket_limit[0], found.bucket_limit[-1]) == (50.5, 90)


def test_hyperparameters_lie_in_the_same_folder_and_name_the_curves(tmp_path):
    sink = TensorBoard(facts(tmp_path))
    sink.log_verification(9, {"lfw": 0.75})
    sink.finish({"lfw": 0.75})
    sink.close()
    assert [path.is_dir() for path in (tmp_path / "tb").iterdir()] == [False]
    content = board(tmp_path).PluginTagToContent(PLUGIN_NAME)
    start = HParamsPluginData.FromString(content[SESSION_START_INFO_TAG]).session_start_info
    assert start.hparams["optimizer.lr"].number_value == 0.1
    assert start.hparams["eval.targets"].string_value == '["lfw"]'
    assert start.hparams["model.init"].string_value == "null"
    experiment = HParamsPluginData.FromString(content[EXPERIMENT_TAG]).experiment
    assert [metric.name.tag for metric in experiment.metric_infos] == ["eval/lfw"]
    assert SESSION_END_INFO_TAG in content
    assert curve(tmp_path, "eval/lfw") == [(9, 0.75)]  # what TensorBoard shows for the metric


def test_tensorboards_thread_prints_no_traceback(monkeypatch):
    """Its writes fail in a thread of its own, which would show a traceback to the user."""
    hook, seen = threading.excepthook, []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_type))
    module._silence_tensorboard_thread()

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    class Ours(threading.Thread):
        def run(self) -> None:
            full()

    Ours.__module__ = "tensorboard.summary.writer.event_file_writer"
    for thread in (Ours(), threading.Thread(target=full)):
        thread.start()
        thread.join()
    assert seen == [OSError]  # the other thread's alone
    monkeypatch.setattr(threading, "excepthook", hook)
