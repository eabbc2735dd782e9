"""The .idx file: two numbers a line, in any spacing that tools have written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_prep.errors import DataError
from data_prep.record_index import read_record_index


@pytest.mark.parametrize(
    "text",
    [
        b"0\t0\n1\t40\n7\t88\n",
        b"0\t0\r\n1\t40\r\n7\t88",  # Windows, and no end of line
        b"\n 0  0 \n\n1\t 40\n7 88\n\n",
    ],
)
def test_keys_and_offsets(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.idx").write_bytes(text)
    keys, offsets = read_record_index(tmp_path / "a.idx")
    assert keys.tolist() == [0, 1, 7]
    assert offsets.tolist() == [0, 40, 88]
    assert keys.dtype == offsets.dtype == np.int64
    assert keys.flags.owndata


def test_an_empty_index(tmp_path: Path) -> None:
    (tmp_path / "a.idx").write_bytes(b" \n")
    assert [len(column) for column in read_record_index(tmp_path / "a.idx")] == [0, 0]


def test_numbers_up_to_18_digits(tmp_path: Path) -> None:
    (tmp_path / "a.idx").write_text(f"5\t{10**18 - 1}\n")
    assert read_record_index(tmp_path / "a.idx")[1].tolist() == [10**18 - 1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("0\t0\n1\n", 2),
        ("0\t0\n1\t2\t3\n", 2),
        ("0\n0\n", 1),  # as many numbers as there should be, but on other lines
        ("0\t0\n\n1\t-4\n", 3),
        ("0\t0.5\n", 1),
        ("0\t0\nx\t1\n", 2),
        (f"0\t{10**18}\n", 1),
    ],
)
def test_the_bad_line_is_named(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "a.idx").write_text(text)
    with pytest.raises(DataError, match=rf"a.idx: line {line} is not `key<TAB>byte offset`"):
        read_record_index(tmp_path / "a.idx")
