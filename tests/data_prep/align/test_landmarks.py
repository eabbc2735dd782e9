"""Landmark lists in all their spellings, and what is wrong with the others."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.align.landmarks import Landmarks
from data_prep.errors import DataError

TEN = [105, 112, 149, 111, 131, 138, 108, 155, 148, 154]
POINTS = np.array(TEN, float).reshape(5, 2)


def read(tmp_path: Path, text: str | bytes) -> Landmarks:
    path = tmp_path / "list.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Landmarks(path)


@pytest.mark.parametrize(
    "line",
    [
        "a/b.jpg," + ",".join(map(str, TEN)),
        "a/b.jpg\t" + "\t".join(map(str, TEN)),
        "a/b.jpg " + " ".join(map(str, TEN)),
        "a/b.jpg;" + " ;".join(map(str, TEN)),
        '"a/b.jpg", ' + ", ".join(f"{n}.0" for n in TEN),
        "a/b.jpg\t17\t" + "\t".join(map(str, TEN)),
        "./a\\b.jpg\t" + "\t".join(map(str, TEN)),
        "/a//b.jpg\t" + "\t".join(map(str, TEN)),
    ],
    ids=["csv", "tabs", "spaces", "semicolons", "quoted", "casia", "backslash", "absolute"],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_reads_every_spelling(tmp_path: Path, line: str, end: str, start: str) -> None:
    landmarks = read(tmp_path, start + line + end)
    assert len(landmarks) == 1
    np.testing.assert_array_equal(landmarks["a/b.jpg"], POINTS)
    (face,) = landmarks.faces("a/b.jpg", np.zeros((9, 9, 3), np.uint8))
    np.testing.assert_array_equal(face.landmarks, POINTS)
    assert face.box == (105, 111, 44, 44)
    assert landmarks.faces("a/other.jpg", np.zeros((9, 9, 3), np.uint8)) == []


def test_skips_a_header_and_keeps_odd_names(tmp_path: Path) -> None:
    numbers = ",".join(map(str, TEN))
    header = "path,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5\n"
    landmarks = read(tmp_path, f'{header}"a, b/ü.jpg",{numbers}\nc d.jpg,{numbers}\n')
    assert "a, b/ü.jpg" in landmarks
    assert "c d.jpg" in landmarks
    assert read(tmp_path, b"caf\xe9.jpg\t" + b"\t".join(b"%d" % n for n in TEN)).first_name()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line with a path and ten numbers"),
        ("path,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5\n", "no line with a path"),
        ("a.jpg,1,2,3\n", "line 1: expected a path and ten numbers, found 4 fields"),
        ("a.jpg,1,2,3,4,x,6,7,8,9,10\n", "line 1: expected ten numbers"),
        ("a.jpg,1,2,3,4,nan,6,7,8,9,10\n", "line 1: a coordinate is not a number of pixels"),
        ("a.jpg,1,2,3,4,1e9,6,7,8,9,10\n", "line 1: a coordinate is not"),
        ("a.jpg" + ",5" * 10, "line 1: the eyes and the nose are the same point"),
        ("a.jpg,1,2,4,2,3,3,1,4,4,4\n" * 2, "line 2: a.jpg occurs twice"),
        ("a.jpg,4,2,1,2,3,3,4,4,1,4\n", "image left before image right"),
    ],
)
def test_refuses(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


def test_rotated_faces_are_in_order(tmp_path: Path) -> None:
    """Upside down the first eye is on the right, and nothing is wrong with that."""
    down = 250 - POINTS
    assert len(read(tmp_path, "a.jpg " + " ".join(map(str, down.ravel())))) == 1


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: No such file"):
        Landmarks(tmp_path / "none.csv")


def test_settings_tell_lists_apart(tmp_path: Path) -> None:
    one = read(tmp_path, "a.jpg " + " ".join(map(str, TEN))).settings()
    two = read(tmp_path, "b.jpg " + " ".join(map(str, TEN))).settings()
    assert one != two


FIELD = st.one_of(
    st.sampled_from([b"a.jpg", b"1", b"-2.5", b"1e400", b"nan", b"", b'"', b"path", b"\x00\xe9"]),
    st.text(max_size=6).map(lambda text: text.encode("utf-8", "ignore")),
    st.binary(max_size=4),
)
LINE = st.tuples(
    st.sampled_from([b",", b"\t", b" ", b";"]), st.lists(FIELD, min_size=9, max_size=13)
).map(lambda parts: parts[0].join(parts[1]))


@settings(max_examples=300, deadline=None)
@given(st.lists(LINE, max_size=4).map(b"\n".join))
def test_any_bytes_raise_data_error_alone(
    tmp_path_factory: pytest.TempPathFactory, text: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(text)
    with contextlib.suppress(DataError):
        assert len(Landmarks(path)) > 0
