"""A manifest lists files by size and hash; every difference is named."""

from __future__ import annotations

import hashlib
import json

import pytest

from arcface_plus.run_directory.manifest import (
    Content,
    UnusableState,
    check_files,
    read_manifest,
    write_manifest,
)
from data_prep.errors import DataError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two!")
    write_manifest(tmp_path, 7, "run", ("a", "b"))
    return tmp_path


def test_it_is_read_as_it_was_written(folder):
    found = read_manifest(folder)
    assert found is not None
    assert (found.step, found.run_id, found.schema) == (7, "run", 1)
    assert found.files["b"] == Content(4, hashlib.sha256(b"two!").hexdigest())
    assert check_files(folder) == check_files(folder, ["a"]) == found


def test_without_one_nothing_is_compared(tmp_path):
    assert read_manifest(tmp_path) is check_files(tmp_path, ["a"]) is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"onE", "a: damaged: its content is not what was saved"),
        (b"on", "a: damaged: has 2 bytes instead of 3"),
        (None, r"a: no such file, but manifest\.json lists it"),
    ],
)
def test_a_changed_file_is_named(folder, data, said):
    (folder / "a").unlink()
    if data is not None:
        (folder / "a").write_bytes(data)
    for names in (None, ["a"]):
        with pytest.raises(UnusableState, match=said):
            check_files(folder, names)
    assert check_files(folder, ["b"]) is not None


@pytest.mark.parametrize(
    "changed",
    [{"schema": 0}, {"step": "7"}, {"more": 1}, {"files": {"a": {"bytes": 3}}},
     {"files": {"a": {"bytes": 3, "sha256": "AB" * 32}}}],
)  # fmt: skip
def test_a_damaged_manifest_is_named(folder, changed):
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    with pytest.raises(UnusableState, match=r"manifest\.json: damaged"):
        check_files(folder)
    file.write_text("{")
    with pytest.raises(UnusableState, match=r"manifest\.json: not JSON.*damaged"):
        check_files(folder)


def test_a_file_that_is_not_listed_cannot_be_vouched_for(folder):
    with pytest.raises(UnusableState, match="does not list c"):
        check_files(folder, ["c"])


def test_a_newer_version_is_not_called_damage(folder):
    (folder / "manifest.json").write_text('{"schema": 2}')
    with pytest.raises(DataError, match="from a newer version") as caught:
        check_files(folder)
    assert not isinstance(caught.value, UnusableState)
