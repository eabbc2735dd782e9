"""YAML that is safe to read: bounded, each key once, and no error that repeats the file."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from data_prep.errors import DataError
from data_prep.yaml_file import DEEPEST, LARGEST, parse_yaml, read_yaml

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{n}: &{n} [{', '.join([f'*{p}'] * 9)}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
)
SECRET = "hunter2"


def refused(tmp_path: Path, content: bytes | str) -> str:
    """The complaint about a file of this content: quick, one line, and without the content."""
    file = tmp_path / "c.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    started = time.perf_counter()
    with pytest.raises(DataError) as caught:
        read_yaml(file)
    assert time.perf_counter() - started < 5
    text = str(caught.value)
    assert text.startswith(f"{file}: ")
    assert "\n" not in text
    assert SECRET not in text
    return text


def test_plain_yaml_and_reused_values(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "run: {name: é, seed: 3}\nsteps: &s [1, 2]\nagain: *s\n"
        "base: &b {x: 1}\nmore: {<<: *b, y: 2}\n"
    )
    assert read_yaml(tmp_path / "c.yaml") == {
        "run": {"name": "é", "seed": 3}, "steps": [1, 2], "again": [1, 2],
        "base": {"x": 1}, "more": {"x": 1, "y": 2},
    }  # fmt: skip
    assert parse_yaml("[1, 2.5, null, off]") == [1, 2.5, None, False]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BOMB, "more than 20000 values, aliases repeated"),
        ("a: &a [*a]\n", "line 1: an alias inside what it stands for"),
        ("a: " + "[" * 5000 + "]" * 5000, f"line 1: nested more than {DEEPEST} deep"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "nested more than"),
        ("".join(" " * n + "a:\n" for n in range(400)), f"line {DEEPEST}: nested more"),
        ("x: 1\nrun: {a: 1}\ny: 1\nrun: {b: 1}\n", "key run stands in line 2 and again in line 4"),
        ("run:\n  seed: 1\n  seed: 2\n", "key seed stands in line 2 and again in line 3"),
        (f"{SECRET} is the word: 1\n{SECRET} is the word: 2\n", "a key stands in line 1 and again"),
        (f"root:x:{SECRET}\nbin:*:{SECRET}\n", "expected a mapping"),
        (f"a: 1\n{SECRET}: [\n", "not YAML"),
        (f"a: 1\nb: *{SECRET}\n", "line 2: not YAML"),
        (f"a: !{SECRET} 1\n", "line 1: not YAML"),
        ("a: !!python/object/apply:os.system [true]\n", "line 1: not YAML"),
        ("a:\n\tb: 1\n", "line 2: not YAML (a tab; indent with spaces)"),
        ("a: 1\n---\nb: 2\n", "not YAML"),
        (b"a: 1\nb: \xff\n", "line 2: not UTF-8"),
        ("a: 1\nb: \x07\n", "line 2: a control character"),
        (f"a: {'9' * 5000}\n", "looks like a number"),
        ("a: 2026-13-45\n", "looks like a number or date"),
        ("1: 2\n", "expected a mapping"),
        ("- 1\n", "expected a mapping"),
        ("", "expected a mapping"),
        ("a: " + "x" * LARGEST, "larger than"),
    ],
    ids=range(23),
)  # fmt: skip
def test_refusals_name_the_line_and_repeat_nothing(tmp_path, content, words):
    assert words in refused(tmp_path, content)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_yaml(tmp_path / "gone.yaml")


def test_the_largest_file_taken_is_read_in_seconds(tmp_path):
    rows = "".join(f"k{number}: [1, 2, 3]\n" for number in range(3900))
    (tmp_path / "c.yaml").write_text(rows)
    started = time.perf_counter()
    assert len(read_yaml(tmp_path / "c.yaml")) == 3900
    assert time.perf_counter() - started < 30
