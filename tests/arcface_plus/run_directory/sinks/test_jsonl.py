"""metrics.jsonl: rewritten whole, and never ahead of the checkpoint."""

from __future__ import annotations

import json
import math
import os

import pytest
from sink_facts import VALUES, facts

from arcface_plus.run_directory.sinks.jsonl import METRICS_FILE, JsonLines, last_logged, plain


def logged(run, steps, first=0):
    sink = JsonLines(facts(run, first))
    for step in steps:
        sink.log(step, {"step": step, **VALUES})
    sink.close()


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
        JsonLines(facts(tmp_path, 2))
    assert (tmp_path / METRICS_FILE).read_bytes() == before


def test_json_has_no_nan():
    found = plain({"step": 3, "a": math.nan, "b": -math.inf, "c": 1 / 3})
    assert found == {"step": 3, "a": None, "b": None, "c": 0.3333333}


def test_no_file_is_no_last_step(tmp_path):
    assert last_logged(tmp_path) == {}


def test_synced_lines_are_on_the_disk(tmp_path, monkeypatch):
    sink = JsonLines(facts(tmp_path, 0))
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    sink.sync()
    sink.close()
    assert synced == [(tmp_path / METRICS_FILE).stat().st_ino]
