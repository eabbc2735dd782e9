"""W&B offline, read back from its own files: one run, however often it is resumed."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sink_facts import VALUES, facts

pytest.importorskip("wandb.sdk", reason="needs `pip install arcface-plus[wandb]`")

import wandb
from wandb.proto.wandb_internal_pb2 import Record

from arcface_plus.run_directory.discard import discard
from arcface_plus.run_directory.sinks.wandb import WeightsAndBiases

ROOT = Path(__file__).parents[4]
_BLOCK = 32 * 1024


@pytest.fixture(autouse=True)
def _as_nobody_chose(monkeypatch):
    for name in ("WANDB_MODE", "WANDB_PROJECT", "WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL"):
        monkeypatch.delenv(name, raising=False)


def records(run) -> list[list[Record]]:
    """Of each part of the run, in order."""
    wandb.teardown()  # waits for W&B's process, which writes after `finish` has returned
    parts = []
    for file in sorted((run / "wandb").glob("offline-run-*/*.wandb"), key=lambda f: f.parts):
        parts.append([Record.FromString(data) for data in logged(file.read_bytes())])
    return parts


def logged(data: bytes) -> Iterator[bytes]:
    """The entries of a log as LevelDB writes it, after W&B's seven bytes: pieces in 32 KiB blocks,
    each with checksum, length and whether it is whole (1), the first (2) or the last (4)."""
    at, entry = 7, b""
    while at < len(data):
        if _BLOCK - at % _BLOCK < 7:  # no room for another piece: zeros
            at += _BLOCK - at % _BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        entry += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield entry
            entry = b""


def curve(part: list[Record], tag: str) -> list[tuple[int, float]]:
    points = []
    for record in part:
        if record.WhichOneof("record_type") == "history":
            items = {i.key or i.nested_key[0]: i.value_json for i in record.history.item}
            if tag in items:
                points.append((int(items["step"]), json.loads(items[tag])))
    return points


def of_kind(part: list[Record], kind: str) -> list:
    return [getattr(r, kind) for r in part if r.WhichOneof("record_type") == kind]


def test_a_resumed_run_keeps_its_id_and_logs_no_step_twice(tmp_path):
    first = WeightsAndBiases(facts(tmp_path))
    for step in (1, 2, 3):
        first.log(step, {"step": step, **VALUES, "loss": float(step)})
    first.close()
    second = WeightsAndBiases(facts(tmp_path, first_step=2, last_logged=3))
    for step in (3, 4):
        second.log(step, {"loss": float(step)})
    second.log_verification(4, {"lfw": 0.75})
    second.finish({"lfw": 0.75})
    second.close()

    begun, resumed = records(tmp_path)
    assert curve(begun, "train/loss") == [(1, 1), (2, 2), (3, 3)]
    assert curve(resumed, "train/loss") == [(4, 4)]
    assert curve(resumed, "eval/lfw") == [(4, 0.75)]
    ids = {run.run_id for part in (begun, resumed) for run in of_kind(part, "run")}
    assert ids == {json.loads((tmp_path / "tracking.json").read_text())["wandb"]}
    assert [e.exit_code for part in (begun, resumed) for e in of_kind(part, "exit")] == [1, 0]
    text = str(begun)
    assert "optimizer.lr" in text
    assert "abc123" in text  # the git revision
    assert "final/lfw" in str(resumed)


def test_a_killed_run_has_its_figures(tmp_path):
    code = f"""
import os, time
from pathlib import Path
from sink_facts import facts
from arcface_plus.run_directory.sinks.wandb import WeightsAndBiases
sink = WeightsAndBiases(facts(Path({str(tmp_path)!r})))
sink.log(1, {{"loss": 1.0}})
time.sleep(4)
os.kill(os.getpid(), 9)
"""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "helpers")))
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment)
    assert done.returncode == -9
    (part,) = records(tmp_path)
    assert curve(part, "train/loss") == [(1, 1)]


def test_fresh_removes_what_it_wrote(tmp_path):
    (tmp_path / "config.yaml").write_text("")
    sink = WeightsAndBiases(facts(tmp_path))
    sink.log(1, VALUES)
    sink.close()
    wandb.teardown()
    discard(tmp_path)
    assert list(tmp_path.iterdir()) == []
