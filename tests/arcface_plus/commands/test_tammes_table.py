"""`tammes-table`: stopped after any seed, it continues; other settings are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import arcface_plus

from arcface_plus.sphere import table as tables
from arcface_plus.sphere.table import Cell


@pytest.fixture
def two_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CELLS", (Cell(3, 4, "mma"), Cell(3, 4, "best")))
    # The table is drawn whole; here it has two cells.
    monkeypatch.setattr("arcface_plus.sphere.table_files.write_table", _written)


def _written(out: Path, table: object) -> None:
    (out / "table.md").write_text(str(table))


@pytest.mark.usefixtures("two_cells")
def test_it_continues(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "out"
    given = ("tammes-table", "--out", out, "--steps", 20, "--seeds")
    listed = arcface_plus(capsys, *given, 2, "--dry-run")
    assert listed.out.splitlines() == [
        "d3_n4/mma: 0 seeds done, 2 missing", "d3_n4/best: 0 seeds done, 1 missing",
    ]  # fmt: skip
    assert not out.exists()
    first = arcface_plus(capsys, *given, 1)
    assert [line.split(":")[0] for line in first.out.splitlines()] == [
        "d3_n4/mma, seed 0", "d3_n4/best, seed 0",
    ]  # fmt: skip
    assert "best, seed 0: 109.471°" in first.out
    (out / "table.md").unlink()
    more = arcface_plus(capsys, *given, 2)
    assert [line.split(":")[0] for line in more.out.splitlines()] == ["d3_n4/mma, seed 1"]
    assert (out / "table.md").exists()
    assert "mma: 2 seeds done, 0 missing" in arcface_plus(capsys, *given, 2, "--dry-run").out
    refused = arcface_plus(capsys, "tammes-table", "--out", out, "--steps", 21)
    refused.assert_one_line("tammes.json: steps is 20, not 21")
