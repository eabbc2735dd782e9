"""The .idx file of a RecordIO pair: text, one `key<TAB>byte offset` per line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError

_LINE = re.compile(rb"[ \t]*[0-9]{1,18}[ \t]+[0-9]{1,18}[ \t\r]*|[ \t\r]*")


def read_record_index(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keys and offsets of an .idx file: exactly two numbers on every line that is not blank.

    All characters are checked at once, for speed.
    """
    text = path.read_bytes()
    characters = np.frombuffer(text, np.uint8)
    digit = (characters >= ord("0")) & (characters <= ord("9"))
    newline = characters == ord("\n")
    blank = (characters == ord("\t")) | (characters == ord(" ")) | (characters == ord("\r"))
    edges = np.diff(digit.view(np.int8), prepend=np.int8(0), append=np.int8(0))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    lines = np.searchsorted(np.flatnonzero(newline), starts)
    if (
        not (digit | newline | blank).all()
        or len(starts) % 2
        or (lines[0::2] != lines[1::2]).any()
        or (np.diff(lines[0::2]) == 0).any()
        or (ends - starts > 18).any()
    ):
        raise DataError(f"{path}: line {_bad_line(text)} is not `key<TAB>byte offset`")
    if not len(starts):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    numbers = np.fromstring(text, np.int64, sep=" ").reshape(-1, 2)
    return numbers[:, 0].copy(), numbers[:, 1].copy()


def _bad_line(text: bytes) -> int:
    return next(
        number for number, line in enumerate(text.split(b"\n"), 1) if not _LINE.fullmatch(line)
    )
