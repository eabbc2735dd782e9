"""Which shards a name, a folder or a pattern stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_prep.errors import DataError
from data_prep.image_sets.shard_names import is_shard_folder, shard_files


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    for k in range(12):
        (tmp_path / f"train-{k:02d}.tar").touch()
    for name in ("val-a.tar", "val-b.tar", ".hidden.tar", "notes.txt"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("train-03.tar", ["train-03.tar"]),
        ("train-{08..11}.tar", ["train-08.tar", "train-09.tar", "train-10.tar", "train-11.tar"]),
        ("train-1{0..1}.tar", ["train-10.tar", "train-11.tar"]),
        ("val-{b,a}.tar", ["val-b.tar", "val-a.tar"]),
        ("{train-0,train-1}{0..1}.tar", [f"train-{k}.tar" for k in ("00", "01", "10", "11")]),
        ("val-*.tar", ["val-a.tar", "val-b.tar"]),
        ("{val-?,train-1[01]}.tar", ["val-a.tar", "val-b.tar", "train-10.tar", "train-11.tar"]),
        ("", [*(f"train-{k:02d}.tar" for k in range(12)), "val-a.tar", "val-b.tar"]),
    ],
)
def test_names(shards: Path, pattern: str, names: list[str]) -> None:
    assert [path.name for path in shard_files(shards / pattern)] == names


def test_a_file_of_that_very_name_comes_first(shards: Path) -> None:
    (shards / "odd{0..1}[x].tar").touch()
    assert shard_files(shards / "odd{0..1}[x].tar") == [shards / "odd{0..1}[x].tar"]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("gone.tar", "gone.tar: no such shard$"),
        ("train-{10..14}.tar", r"train-12\.tar: no such shard \(nor 2 others"),
        ("test-*.tar", r"test-\*\.tar: no shard has such a name"),
        ("train-{3}.tar", r"\{3\} is no range \{0\.\.9\} and no list \{a,b\}"),
        ("train-{9..1}.tar", "no range of up to 100,000"),
        ("train-{0..999999999}.tar", "no range of up to 100,000"),
        ("{0..999}{0..999}.tar", "over 100,000 shards"),
        ("{a,b{1..2}}.tar", "braces within braces"),
        ("train-{00.tar", "braces within braces"),
    ],
)
def test_mistakes(shards: Path, pattern: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        shard_files(shards / pattern)


def test_a_folder_of_shards_holds_no_folders(shards: Path) -> None:
    assert is_shard_folder(shards)
    (shards / ".cache").mkdir()
    assert is_shard_folder(shards)
    (shards / "anna").mkdir()
    assert not is_shard_folder(shards)
    assert not is_shard_folder(shards / "anna")
    assert not is_shard_folder(shards / "gone")
