"""table.md and table.png, also of a table that is not finished."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from arcface_plus.sphere.table import BEST, Cell, read_table
from arcface_plus.sphere.table_files import markdown, write_table


def test_an_unfinished_table(tmp_path: Path) -> None:
    table = read_table(tmp_path / "none", 5)
    for way, angles in {"mma": (37.0, 38.5), "cosine": (0.0,), BEST: (38.597,)}.items():
        cell = Cell(3, 30, way)
        table[cell] = replace(table[cell], angles=angles, best=torch.zeros(30, 3))
    lines = markdown(table).splitlines()
    assert len(lines) == 2 + 10 + 2
    assert lines[3] == (
        "| 3, 30 | 39.966 | 38.597 | 38.597 | 37.00 to 38.50 (38.5) | 0.00 (0) "
        "| not yet (34.9) | not yet (35.4) |"
    )
    assert lines[5].startswith("| 4, 5 | 104.478 | 104.478 | not yet | not yet (104.5)")
    assert lines[7].startswith("| 4, 130 | 38.207 | 33.4 |")
    assert lines[-1].endswith("of 0 or 1 or 2 seeds.")
    write_table(tmp_path, table)
    assert (tmp_path / "table.md").read_text("utf-8") == markdown(table)
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
