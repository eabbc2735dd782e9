"""A manifest lists files by size and hash; every difference is named."""

from __future__ import annotations

import hashlib
import json

import pytest

from arcface_plus.run_directory.manifest import (
    Content,
    Manifest,
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
    files = {name: Content.of(tmp_path / name) for name in ("a", "b")}
    write_manifest(tmp_path, Manifest(7, "run", files, rows=0))
    return tmp_path


def test_it_is_read_as_it_was_written(folder):
    found = read_manifest(folder)
    assert found is not None
    assert (found.step, found.run_id, found.schema) == (7, "run", 2)
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
    (folder / "manifest.json").write_text('{"schema": 3}')
    with pytest.raises(DataError, match="from a newer version") as caught:
        check_files(folder)
    assert not isinstance(caught.value, UnusableState)


def held(**rows: tuple[int, int] | None) -> Manifest:
    return Manifest(7, "run", {name: Content(1, "0" * 64, part) for name, part in rows.items()}, 5)


def test_rows_are_listed_in_order_whatever_the_files_are_called(tmp_path):
    manifest = held(b=(0, 2), a=(2, 5), other=None)
    assert manifest.parts == [(0, 2, "b"), (2, 5, "a")]
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"a": (0, 2), "b": (3, 5)}, "rows 2 to 2 of the class weights are in no file"),
        ({"a": (0, 3), "b": (2, 5)}, "rows 2 to 4 of 5 cannot be those of b"),
        ({"a": (0, 5), "b": (0, 5)}, "cannot be those of b"),
        ({"a": (0, 2), "b": (2, 4)}, "rows from 4 to 4 are in no file"),
        ({"a": (0, 2), "b": (2, 6)}, "rows 2 to 5 of 5 cannot be those of b"),
        ({"a": (0, 5), "b": (5, 5)}, "cannot be those of b"),
        ({}, "rows from 0 to 4 are in no file"),
    ],
)
def test_rows_that_are_missing_or_there_twice_are_refused(tmp_path, rows, said):
    (tmp_path / "manifest.json").write_text(held(**rows).to_json())
    with pytest.raises(UnusableState, match=rf"manifest\.json: damaged: .*{said}"):
        read_manifest(tmp_path)
    with pytest.raises(AssertionError, match=said):
        write_manifest(tmp_path, held(**rows))


def test_a_manifest_must_say_how_many_rows_there_are(folder):
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"rows": None}))
    with pytest.raises(UnusableState, match="does not say how many rows"):
        read_manifest(folder)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema": 1}))
    assert read_manifest(folder) is not None  # all rows are in training.pt
