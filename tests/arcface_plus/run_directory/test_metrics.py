"""The sinks, the bar and the terminal: what each is told, and that no sink ends a run."""

from __future__ import annotations

import errno

import pytest
from sink_facts import ANGLES, VALUES, facts
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from arcface_plus.run_directory.metrics import Metrics
from arcface_plus.run_directory.sinks import SINKS, Sink, jsonl
from arcface_plus.run_directory.sinks.jsonl import METRICS_FILE


class Fake(Sink):
    """Notes what it is told; fails at the call that `fails_at` names."""

    told: list
    fails_at: str = ""
    failure: Exception = RuntimeError("no answer\nfrom the server")

    def __init__(self, facts) -> None:
        self._note("open", facts)

    def _note(self, *call: object) -> None:
        self.told.append(call)
        if call[0] == self.fails_at:
            raise self.failure

    def log(self, step, values) -> None:
        self._note("log", step, dict(values))

    def log_angles(self, step, degrees) -> None:
        self._note("angles", step, list(degrees))

    def log_verification(self, step, accuracies) -> None:
        self._note("verification", step, accuracies)

    def sync(self) -> None:
        self._note("sync")

    def finish(self, accuracies) -> None:
        self._note("finish", accuracies)

    def close(self) -> None:
        self._note("close")


@pytest.fixture
def fake(monkeypatch):
    made = type("Made", (Fake,), {"told": []})
    monkeypatch.setitem(SINKS, "fake", made)
    return made


def whole_run(tmp_path) -> None:
    metrics = Metrics(facts(tmp_path), 9, ("fake",))
    for step in (1, 2):
        metrics.log({"step": step, **VALUES}, ANGLES)
    metrics.log_verification(2, {"lfw": 0.5})
    metrics.finish({"lfw": 0.5})
    metrics.close()


def not_written(said: str) -> list[str]:
    return [line for line in said.splitlines() if "not written any more" in line]


def test_a_sink_is_told_everything_in_order(tmp_path, fake, capfd):
    whole_run(tmp_path)
    assert fake.told == [
        ("open", facts(tmp_path)),
        ("log", 1, {"step": 1, **VALUES}),
        ("angles", 1, [60, 61, 80]),
        ("log", 2, {"step": 2, **VALUES}),
        ("angles", 2, [60, 61, 80]),
        ("verification", 2, {"lfw": 0.5}),
        ("finish", {"lfw": 0.5}),
        ("close",),
    ]
    assert not_written(capfd.readouterr().err) == []


@pytest.mark.parametrize("call", ["open", "log", "angles", "verification", "finish", "close"])
def test_a_sink_that_fails_warns_once_and_the_others_continue(tmp_path, fake, capfd, call):
    fake.fails_at = call
    whole_run(tmp_path)
    assert [c[0] for c in fake.told].count(call) == 1
    assert fake.told[-1][0] == call  # called no more
    assert not_written(capfd.readouterr().err) == [
        "logging.sinks: fake: not written any more (no answer); training continues"
    ]
    assert len((tmp_path / METRICS_FILE).read_text().splitlines()) == 2
    board = EventAccumulator(str(tmp_path / "tb")).Reload()
    assert [e.step for e in board.Scalars("train/loss")] == [1, 2]


def test_a_sink_of_ours_is_named_by_its_file_and_the_systems_reason(tmp_path, monkeypatch, capfd):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(jsonl.JsonLines, "log", full)
    metrics = Metrics(facts(tmp_path), 9)
    for step in (1, 2):
        metrics.log({"step": step, **VALUES}, ANGLES)
    metrics.close()
    assert not_written(capfd.readouterr().err) == [
        f"{tmp_path / METRICS_FILE}: not written any more (No space left on device); "
        "training continues"
    ]
    board = EventAccumulator(str(tmp_path / "tb")).Reload()
    assert [e.step for e in board.Scalars("train/loss")] == [1, 2]


def test_an_interrupt_is_no_failure_of_a_sink(tmp_path, fake):
    fake.fails_at, fake.failure = "log", KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        whole_run(tmp_path)


def test_the_bar_shows_the_last_accuracy(tmp_path):
    """Also when nothing is logged after it: the last verification comes after the last step."""
    metrics = Metrics(facts(tmp_path), 2)
    metrics.log_verification(1, {"lfw": 0.5})
    metrics.log({"step": 2, **VALUES}, ANGLES)
    metrics.log_verification(2, {"lfw": 0.75})
    note = metrics._bar.tasks[0].fields["note"]
    metrics.close()
    assert "lfw 75.00%" in note
    assert "50.00%" not in note
    assert "loss 2.500" in note
