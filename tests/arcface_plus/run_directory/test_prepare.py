"""May a directory be used for a run, and is the run in it the one that is asked for?"""

from __future__ import annotations

import json
import os

import pytest
import torch
import yaml
from checkpoints import save

from arcface_plus.config.tree import validate
from arcface_plus.run_directory import prepare as module
from arcface_plus.run_directory.discard import DISCARDED
from arcface_plus.run_directory.environment import describe
from arcface_plus.run_directory.prepare import claimed, flattened, prepare
from data_prep.errors import UserError


def config(**sections):
    return validate({"run": {"name": "x"}, **sections}, "-")


@pytest.fixture
def run(tmp_path):
    describe(tmp_path, config(), torch.device("cpu"), 1, {})
    save(tmp_path, 4)
    return tmp_path


def test_a_new_or_empty_directory_is_made_ready(tmp_path):
    assert prepare(tmp_path / "new/run", config(), fresh=False) is None
    assert prepare(tmp_path / "new/run", config(), fresh=True) is None
    assert (tmp_path / "new/run").is_dir()


def test_the_same_config_continues(run):
    assert prepare(run, config(), fresh=False) == run / "checkpoints/step_00000004"


@pytest.mark.parametrize(
    "sections",
    [
        {"run": {"name": "renamed"}},
        {"optimizer": {"steps": 50_000}},
        {"data": {"cache": "memory", "threads": 3, "train": "elsewhere"}},
        {"checkpoint": {"every": 7}, "eval": {"targets": []}, "logging": {"every": 3}},
        {"runtime": {"compile": True, "device": "cpu"}},
    ],
)
def test_what_cannot_change_results_may_change(run, sections):
    assert prepare(run, config(**sections), fresh=False) is not None


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"head": {"margin": 0.4}}, r"head\.margin 0\.5 → 0\.4"),
        ({"run": {"name": "x", "seed": 1}}, r"run\.seed 0 → 1"),
        ({"optimizer": {"schedule": "cosine"}}, r"optimizer\.schedule 'step' → 'cosine'"),
        ({"data": {"batch_size": 8}}, r"data\.batch_size 440 → 8"),
    ],
)
def test_another_config_is_refused(run, sections, said):
    with pytest.raises(UserError, match=rf"another configuration \(.*{said}.*--fresh or another"):
        prepare(run, config(**sections), fresh=False)


def test_a_run_of_another_version_says_so(run):
    facts = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps(facts | {"arcface_plus": "9.0"}))
    tree = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump(tree | {"sinks": {"tracker": "x"}}))
    with pytest.raises(UserError, match=r"sinks\.tracker 'x' → None.*begun with version 9\.0"):
        prepare(run, config(), fresh=False)


@pytest.mark.parametrize("data", [b"run: \xff", b"run: [", b""])
def test_a_config_that_cannot_be_read_is_one_line(run, data):
    (run / "config.yaml").write_bytes(data)
    with pytest.raises(UserError, match="restore it, or use --fresh to discard the run"):
        prepare(run, config(), fresh=False)
    assert prepare(run, config(), fresh=True) is None


@pytest.mark.parametrize("fresh", [True, False])
def test_what_is_no_run_is_never_touched(tmp_path, fresh):
    (tmp_path / "thesis.tex").write_text("…")
    with pytest.raises(UserError, match="is a file, not a run directory"):
        prepare(tmp_path / "thesis.tex", config(), fresh)
    with pytest.raises(UserError, match=r"is not empty and not a run \(it holds thesis\.tex\)"):
        prepare(tmp_path, config(), fresh)
    assert (tmp_path / "thesis.tex").read_text() == "…"


def test_another_programs_config_yaml_makes_no_run(tmp_path):
    """--fresh would delete it, and its summary.json with it."""
    for name, text in (("config.yaml", "theme: dark\n"), ("summary.json", "{}")):
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=r"not a run \(it holds config\.yaml\)"):
        prepare(tmp_path, config(), fresh=True)
    assert sorted(os.listdir(tmp_path)) == ["config.yaml", "summary.json"]


def test_what_kills_leave_can_be_used(run, tmp_path_factory):
    """Killed while config.yaml was first written; killed while --fresh deleted."""
    begun = tmp_path_factory.mktemp("begun")
    (begun / ".config.yaml.partial").write_text("run:")
    assert prepare(begun, config(), fresh=False) is None
    (run / "config.yaml").rename(run / DISCARDED)
    assert prepare(run, config(), fresh=False) is None
    assert list(run.iterdir()) == []


def test_flattened_keys_are_dotted():
    assert flattened({"a": {"b": {"c": 1}, "d": [2]}, "e": None}) == {
        "a.b.c": 1, "a.d": [2], "e": None
    }  # fmt: skip


def test_a_directory_in_use_is_refused_and_untouched(run):
    before = sorted(p for p in run.rglob("*"))
    with claimed(run, config(), fresh=False) as checkpoint:
        assert checkpoint == run / "checkpoints/step_00000004"
        for fresh in (True, False):
            with (
                pytest.raises(UserError, match=rf"another run is using it \(process {os.getpid()}"),
                claimed(run, config(), fresh),
            ):
                pass
    assert sorted(p for p in run.rglob("*")) == before


def test_what_is_no_run_is_not_even_locked(tmp_path, monkeypatch):
    (tmp_path / "thesis.tex").write_text("…")
    monkeypatch.setattr(module, "locked", lambda _: pytest.fail("locked"))
    with pytest.raises(UserError, match="not a run"), claimed(tmp_path, config(), fresh=True):
        pass
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_fresh_run_keeps_its_lock(run):
    with claimed(run, config(), fresh=True) as checkpoint:
        assert checkpoint is None
        assert os.listdir(run) == [".lock"]
    assert os.listdir(run) == []


def test_a_killed_runs_lock_file_is_no_foreign_file(tmp_path):
    (tmp_path / ".lock").write_text('{"pid": 1')
    with claimed(tmp_path, config(), fresh=False) as checkpoint:
        assert checkpoint is None
