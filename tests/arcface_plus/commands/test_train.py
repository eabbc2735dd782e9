"""The command `train`: what its options put into the config."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcface_plus import cli
from arcface_plus.config.tree import RunConfig, shipped
from arcface_plus.training import run as run_module


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[RunConfig, Path, bool]]:
    """What `train` would run."""
    calls: list[tuple[RunConfig, Path, bool]] = []
    monkeypatch.setattr(run_module, "execute", lambda *given: calls.append(given))
    return calls


def train(*options: str) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(["train", str(shipped("smoke.yaml")), *options])
    return int(left.value.code or 0)


def test_from_is_kept_in_the_config(executed):
    assert train("--from", "backbone.pth", "--out", "x", "--set", "model.dropout=0.1") == 0
    config, run, fresh = executed[0]
    assert (config.model.init, config.model.dropout) == ("backbone.pth", 0.1)
    assert (run, fresh) == (Path("x"), False)


def test_without_options_the_run_is_named_by_its_config(executed):
    assert train("--fresh") == 0
    config, run, fresh = executed[0]
    assert config.model.init is None
    assert (run, fresh) == (Path("runs/smoke"), True)


def test_one_image_a_batch_is_refused_in_one_line(executed, capfd):
    assert train("--set", "data.batch_size=1") == 2
    assert capfd.readouterr().err.count("\n") == 1
    assert executed == []
