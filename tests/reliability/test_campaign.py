"""A spread part of the campaign; `python tests/reliability/campaign.py` tries every operation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).with_name("campaign.py")


def test_a_run_of_two_processes_survives_kills_and_signals():
    """One trial of each kind; more by command."""
    ended = subprocess.run(
        [sys.executable, str(CAMPAIGN), "--processes", "2", "--random", "1"],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.endswith("8 trials, 0 failed\n")


@pytest.mark.parametrize("scene", ["train", "resume", "fresh"])
def test_a_run_survives_kills_and_bad_disks(scene):
    """In a process of its own: trials fork, and this one has threads."""
    words = ["--kills", "4", "--random", "1", "--full", "2", "--bad", "2", "--scene", scene]
    ended = subprocess.run(
        [sys.executable, str(CAMPAIGN), *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "killed: 4 of" in ended.stdout
    assert ended.stdout.endswith("9 trials, 0 failed\n")
