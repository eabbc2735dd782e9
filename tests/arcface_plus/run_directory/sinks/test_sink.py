"""What every sink has: a check of its libraries, and an extra of its name."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from sink_facts import facts

from arcface_plus.run_directory.sinks import ALWAYS, SINKS, Sink

PYPROJECT = Path(__file__).parents[4] / "pyproject.toml"


class Needy(Sink):
    needs = ("json", "no_such_library")


def test_a_sink_says_whether_its_libraries_are_there(tmp_path, monkeypatch):
    assert Sink.is_installed()
    assert not Needy.is_installed()
    (tmp_path / "no_such_library").mkdir()  # as W&B leaves a folder `wandb` where it ran
    monkeypatch.syspath_prepend(tmp_path)
    assert not Needy.is_installed()
    (tmp_path / "no_such_library" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert Needy.is_installed()


@pytest.mark.parametrize("name", SINKS)
def test_a_sink_with_libraries_of_its_own_has_an_extra(name):
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    assert SINKS[name].needs
    assert any(requirement.startswith(SINKS[name].needs[0]) for requirement in extras[name])
    assert not any(SINKS[name].needs[0] in requirement for requirement in extras["dev"])


def test_what_every_run_writes_needs_no_extra():
    assert all(kind.file and not kind.needs for kind in ALWAYS.values())


def test_a_sink_need_not_override_anything(tmp_path):
    sink = Sink(facts(tmp_path))
    sink.log(1, {})
    sink.log_angles(1, np.zeros(0))
    sink.log_verification(1, {})
    sink.finish({})
    sink.close()
    assert list(tmp_path.iterdir()) == []
