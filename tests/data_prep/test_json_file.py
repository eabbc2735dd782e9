"""JSON from anyone: read, or refused in one line that names the file."""

from __future__ import annotations

import json

import pytest

from data_prep import json_file
from data_prep.errors import DataError
from data_prep.json_file import parse_json, read_json, read_json_mapping


def test_values_come_back(tmp_path):
    file = tmp_path / "a.json"
    for value in ({"a": [1, 2.5, None, True, "é"]}, [], "x", 3):
        file.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
        assert read_json(file) == value
    with pytest.raises(DataError, match=r"a\.json: holds no keys and values"):
        read_json_mapping(file)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "b.json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b"\0" * 30, "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8 .byte 7."),
        (b"1" * 5000, "not JSON"),
        (b"[" * 1000 + b"]" * 1000, "nested too deeply"),
        (b"[" * 500_000 + b"]" * 500_000, "nested too deeply"),
        (b'{"a":' * 60 + b"1" + b"}" * 60, "nested too deeply, more than 50"),
    ],
)
def test_what_is_none_is_one_line(tmp_path, content, words):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.json: {words}") as caught:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def test_fifty_levels_are_enough():
    assert parse_json(b"[" * 50 + b"]" * 50, "x")
    with pytest.raises(DataError, match="x: nested"):
        parse_json(b"[" * 51 + b"]" * 51, "x")


def test_a_large_file_is_not_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(json_file, "LARGEST", 100)
    (tmp_path / "a.json").write_text("[" + "1," * 60 + "1]")
    with pytest.raises(DataError, match="more than 100 bytes"):
        read_json(tmp_path / "a.json")
