"""An inspection as text: bins that hold every class, numbers for people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_files import face, tree

from data_prep.inspect.inspect import inspect
from data_prep.inspect.text import describe, histogram, histogram_edges, histogram_lines, size


@pytest.mark.parametrize(
    ("counts", "edges"),
    [
        ([14, 14], [14, 15]),
        ([1, 3], [1, 2, 3, 4]),
        ([2, 500], [2, 4, 8, 16, 32, 64, 128, 256, 512]),
        ([20, 33], [16, 32, 64]),
    ],
)
def test_histogram_bins_hold_every_count(counts: list[int], edges: list[int]) -> None:
    assert histogram_edges(np.array(counts)) == edges
    rng = np.random.default_rng(0)
    many = rng.integers(min(counts), max(counts) + 1, 1000)
    lines = histogram_lines(many)[1:]
    assert sum(int(line[14:].split()[0].replace(",", "")) for line in lines) == 1000


def test_sizes_for_people() -> None:
    assert [size(n) for n in (0, 999, 1000, 18_437_000_000, 2e15)] == [
        "0 B", "999 B", "1 kB", "18.4 GB", "2e+03 TB",
    ]  # fmt: skip


def test_spans_and_heights() -> None:
    assert histogram(np.array([2, 2, 4])) == (["2", "3", "4"], [2, 0, 1])
    spans, heights = histogram(np.array([1, 3, 15, 16]))
    assert spans == ["1", "2 to 3", "4 to 7", "8 to 15", "16 to 31"]
    assert heights == [1, 1, 0, 1, 1]
    assert histogram_lines(np.array([2, 2, 4]))[1:] == [
        f"{'2':>14} {'2':>7} {'█' * 40}", f"{'3':>14} {'0':>7} ", f"{'4':>14} {'1':>7} {'█' * 20}",
    ]  # fmt: skip


def test_a_folder_in_words(tmp_path: Path) -> None:
    files = {f"a/{k}.jpg": face(k) for k in range(3)} | {"b/0.png": face(9, suffix=".png")}
    lines = describe(inspect(tree(tmp_path / "set", {**files, "b/x.txt": b"", "b/y.jpg": b"no"})))
    assert lines[0] == f"{tmp_path}/set (folder)"
    for words in (
        "images         5",
        "classes        2; images in each: 2 to 3, median 2.5",
        "other files    1, ignored",
        "formats        JPEG 3, PNG 1 (of all)",
        "UNREADABLE     1 of all; `data check` lists all:",
    ):
        assert words in lines
    assert any(line.startswith("one epoch      0.0 steps at batch 440") for line in lines)
