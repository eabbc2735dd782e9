"""config.yaml and environment.json: config, versions and machine of a run."""

from __future__ import annotations

import json
import subprocess

import torch

from arcface_plus.config.tree import load, validate
from arcface_plus.run_directory import environment
from arcface_plus.run_directory.environment import describe, git_revision, processor


def test_both_files_say_what_was_run(tmp_path):
    config = validate({"run": {"name": "x", "seed": 5}}, "-")
    describe(tmp_path, config, torch.device("cpu"), 2, {"lfw": 3})
    assert load(tmp_path / "config.yaml") == config
    facts = json.loads((tmp_path / "environment.json").read_text())
    assert (facts["seed"], facts["processes"], facts["torch"]) == (5, 2, torch.__version__)
    assert facts["shared_images"] == {"lfw": 3}
    assert facts["device"] == processor()
    assert "cores" in facts["device"]


def test_a_docker_image_reports_the_revision_of_its_build(monkeypatch):
    def absent(*_: object, **__: object) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", absent)
    monkeypatch.setenv("ARCFACE_PLUS_REVISION", "abc123")
    assert git_revision() == "abc123"
    monkeypatch.delenv("ARCFACE_PLUS_REVISION")
    assert git_revision() is None


def test_the_revision_of_another_checkout_is_not_ours(tmp_path, monkeypatch):
    """An environment inside a checkout: what git says there is about something else."""
    monkeypatch.delenv("ARCFACE_PLUS_REVISION", raising=False)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    installed = tmp_path / "site-packages/arcface_plus/run_directory/environment.py"
    monkeypatch.setattr(environment, "__file__", str(installed))
    installed.parent.mkdir(parents=True)
    assert git_revision() is None


def test_a_machine_that_does_not_name_its_processor(monkeypatch):
    class Absent:
        def __init__(self, _: str) -> None: ...

        def read_text(self, encoding: str) -> str:
            raise FileNotFoundError

    monkeypatch.setattr(environment, "Path", Absent)
    assert processor().endswith(" cores")
