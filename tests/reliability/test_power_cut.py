"""The disk without power loses what it should, and a run survives every cut."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from file_operations import Operation
from lossy_disk import Chance, Disk, EverythingLost, NamesKept

POWER_CUT = Path(__file__).with_name("power_cut.py")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_survives_a_power_cut_after_every_operation():
    """In a process of its own, as the campaign; more chances by command."""
    ended = subprocess.run(
        [sys.executable, str(POWER_CUT), "--chances", "0"],
        check=False,
        capture_output=True,
        text=True,
        timeout=880,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = re.findall(
        r"^(\w+): \d+ cuts of (\d+) operations, .* (\d+) failed$", ended.stdout, re.M
    )
    assert [(scene, failed) for scene, _, failed in found] == [
        ("train", "0"), ("resume", "0"), ("fresh", "0")
    ]  # fmt: skip
    assert min(int(operations) for _, operations, _ in found) > 200


def done(*operations: tuple[str, str, object]) -> Disk:
    disk = Disk()
    for name, file, detail in operations:
        disk.do(Operation(name, file), detail)
    return disk


WRITTEN = (("open", ".a", "wb"), ("write", ".a", (0, b"one")))


def test_what_is_not_synced_is_lost():
    assert done(*WRITTEN).after_power_cut(EverythingLost()) == {}
    assert done(*WRITTEN, ("fsync", ".", None)).after_power_cut(EverythingLost()) == {".a": b""}
    named = done(*WRITTEN, ("replace", ".a", "a"))
    assert named.after_power_cut(NamesKept()) == {"a": b""}
    synced = (*WRITTEN, ("fsync", ".a", None), ("replace", ".a", "a"), ("fsync", ".", None))
    assert done(*synced).after_power_cut(EverythingLost()) == {"a": b"one"}


def test_a_removal_that_is_not_synced_may_come_back():
    there = (*WRITTEN, ("fsync", ".a", None), ("fsync", ".", None), ("unlink", ".a", None))
    assert done(*there).after_power_cut(EverythingLost()) == {".a": b"one"}
    assert done(*there).after_power_cut(NamesKept()) == {}
    found = [done(*there).after_power_cut(Chance(seed)) for seed in range(20)]
    assert {} in found
    assert {".a": b"one"} in found


def test_synced_bytes_stay_when_more_are_appended():
    more = (*WRITTEN, ("fsync", ".a", None), ("fsync", ".", None), ("write", ".a", (3, b"two!")))
    found = {done(*more).after_power_cut(Chance(seed))[".a"] for seed in range(40)}
    assert found == {b"one", b"onetwo!", b"onetw", b"one\0\0\0\0"}


def test_a_folder_whose_name_is_not_synced_takes_its_files_along():
    inside = (("mkdir", "d", None), ("open", "d/a", "w"), ("fsync", "d", None))
    assert done(*inside).after_power_cut(EverythingLost()) == {}
    assert done(*inside, ("fsync", ".", None)).after_power_cut(EverythingLost()) == {
        "d": None, "d/a": b""
    }  # fmt: skip
