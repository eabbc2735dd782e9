"""Each kind of break in each scene; `make test-campaign` tries many more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).with_name("campaign.py")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_of_two_processes_survives_kills_and_signals():
    """One trial of each kind; more by command."""
    ended = subprocess.run(
        [sys.executable, str(CAMPAIGN), "--processes", "2", "--random", "1"],
        check=False,
        capture_output=True,
        text=True,
        timeout=880,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.endswith("8 trials, 0 failed\n")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_survives_kills_and_bad_disks():
    """In a process of its own: trials fork, and this one has threads."""
    words = ["--kills", "2", "--random", "1", "--full", "1", "--bad", "1"]
    ended = subprocess.run(
        [sys.executable, str(CAMPAIGN), *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=880,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for scene in ("train", "resume", "fresh"):
        for kind, count in (("killed", 2), ("disk full", 1), ("I/O error", 1)):
            assert f"{scene}, {kind}: {count} of " in ended.stdout
        assert f"{scene}, killed at 1 moments" in ended.stdout
    assert ended.stdout.endswith("15 trials, 0 failed\n")
