"""People are held out whole, the same ones every time, and nothing is overwritten."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "tools/hold_out_people.py"


def split(people: Path, fifth: int, out: Path) -> subprocess.CompletedProcess[str]:
    words = ["--fifth", str(fifth), "--most", str(out / "most"), "--held", str(out / "held")]
    command = [sys.executable, str(TOOL), str(people), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_every_person_is_held_out_in_one_fifth(tmp_path):
    people = tmp_path / "people"
    names = [f"person_{k}" for k in range(40)]
    for name in names:
        (people / name).mkdir(parents=True)
        (people / name / "1.jpg").write_bytes(name.encode())
    held: list[str] = []
    for fifth in range(5):
        out = tmp_path / str(fifth)
        assert split(people, fifth, out).returncode == 0
        mine = sorted(path.name for path in (out / "held").iterdir())
        rest = {path.name for path in (out / "most").iterdir()}
        assert set(mine).isdisjoint(rest)
        assert set(mine) | rest == set(names)
        expected = {n for n in names if int(hashlib.md5(n.encode()).hexdigest(), 16) % 5 == fifth}
        assert set(mine) == expected
        assert all((out / "held" / n / "1.jpg").read_bytes() == n.encode() for n in mine)
        held += mine
    assert sorted(held) == sorted(names)


def test_mistakes_are_one_line(tmp_path):
    missing = split(tmp_path / "people", 0, tmp_path / "out")
    assert missing.returncode == 2
    assert "people: no such folder" in missing.stderr
    (tmp_path / "out/most").mkdir(parents=True)
    (tmp_path / "people").mkdir()
    again = split(tmp_path / "people", 0, tmp_path / "out")
    assert again.returncode == 2
    assert "most: exists; give the name of a new folder" in again.stderr
