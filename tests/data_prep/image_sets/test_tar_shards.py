"""WebDataset's shards: samples, labels, random reads, and what is broken or has changed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from data_prep.class_names import write_class_names
from data_prep.errors import DataError
from data_prep.image_sets import open_image_set


def samples(first: int, count: int, label: int = 0) -> dict[str, bytes]:
    files = {}
    for k in range(first, first + count):
        files |= {f"{k:04d}.jpg": b"image %d" % k * (k + 1), f"{k:04d}.cls": b"%d\n" % label}
    return files


@pytest.fixture
def shards(tmp_path: Path, write_tar) -> Path:
    for k in range(3):
        write_tar(tmp_path / f"s/train-{k}.tar", samples(4 * k, 4, label=k))
    return tmp_path / "s"


def test_images_of_all_shards_in_order(shards: Path) -> None:
    write_class_names(shards, ["anna", "bob", "Öl"])
    for path in (shards, shards / "train-{0..2}.tar", shards / "*.tar"):
        found = open_image_set(path)
        assert (found.kind, len(found), found.classes) == ("tar shards", 12, 3)
        assert found.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
        assert found.class_names == {0: "anna", 1: "bob", 2: "Öl"}
        assert [found.read(i) for i in range(12)] == [b"image %d" % k * (k + 1) for k in range(12)]
        assert (found.folder, found.stem, found.size) == (shards, "shards", (112, 112))
        assert found.name(5) == "train-1.tar/0005.jpg"
        assert found.bytes_on_disk == sum(p.stat().st_size for p in shards.glob("*.tar"))
    data = (shards / "train-1.tar").read_bytes()
    at = int(found.place(5).removeprefix(f"{shards}/train-1.tar/0005.jpg at byte "))
    assert data[at:].startswith(found.read(5))
    assert len(open_image_set(shards / "train-2.tar")) == 4


def test_samples_as_webdataset_groups_them(tmp_path: Path, write_tar) -> None:
    write_tar(
        tmp_path / "x.tar",
        {
            "a/0001.cls": b"1",  # before its image
            "a/0001.left.png": b"another picture of the sample",
            "a/0001.PNG": b"one",
            "b/0001.jpg": b"two",  # another folder, another key
            "b/0001.json": b'{"label": 0, "age": 30}',
            "._0002.jpg": b"macOS",
            "0002.webp": b"three",
            "._0002.cls": b"macOS",
            "0002.json": b'{"cls": 5}',
            "0002.cls": b" 2 ",  # counts before the JSON
            "0003.txt": b"no image here",
            "README": b"",
        },
    )
    found = open_image_set(tmp_path / "x.tar")
    assert [found.read_with_label(i) for i in range(len(found))] == [
        (b"one", 1), (b"two", 0), (b"three", 2),
    ]  # fmt: skip
    assert found.other_files == 5


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"1.jpg": b"x"}, r"x\.tar/1\.jpg at byte \d+ has no class index; wanted: .*KEY\.cls"),
        ({"1.jpg": b"x", "1.cls": b"anna"}, "has no class index"),
        ({"1.jpg": b"x", "1.cls": b"-3"}, "has label -3, not a class index"),
        ({"1.jpg": b"x", "1.cls": b"16777216"}, r"has label 1\.67772e\+07, not a class index"),
        ({"1.jpg": b"x", "1.json": b'{"label": "anna"}'}, "has no class index"),
        ({"1.jpg": b"x", "1.json": b'{"label": true}'}, "has no class index"),
        ({"1.jpg": b"x", "1.json": b"[1]"}, "has no class index"),
        ({"1.jpg": b"x", "1.json": b"[" * 99999}, "has no class index"),
    ],
)
def test_labels_that_are_none(tmp_path: Path, write_tar, files, words: str) -> None:
    found = open_image_set(write_tar(tmp_path / "x.tar", files))
    with pytest.raises(DataError, match=words):
        _ = found.labels


def test_mistakes(tmp_path: Path, write_tar) -> None:
    with pytest.raises(DataError, match=r"x\.tar: no images \(KEY\.jpg with KEY\.cls\)"):
        open_image_set(write_tar(tmp_path / "x.tar", {"a.txt": b""}))
    with pytest.raises(DataError, match=r"gone\.tar: no such shard"):
        open_image_set(tmp_path / "gone.tar")
    (tmp_path / "x.tar.gz").write_bytes(b"\x1f\x8b" + bytes(1000))
    with pytest.raises(DataError, match=r"x\.tar\.gz: broken at byte 0: no tar header .compressed"):
        open_image_set(tmp_path / "x.tar.gz")
    two = open_image_set(
        write_tar(tmp_path / "two.tar", {"1.jpg": b"x", "1.png": b"y", "1.cls": b"0"})
    )
    assert "two.tar/1.png at byte 1536: 1.jpg has the same key" in two.note
    with pytest.raises(DataError, match="same key"):
        two.require_classes()


def test_a_truncated_shard_is_noted_with_its_byte(shards: Path) -> None:
    path = shards / "train-1.tar"
    whole = open_image_set(shards)
    at = int(whole.place(6).rsplit(" ", 1)[1])
    path.write_bytes(path.read_bytes()[: at + 3])
    found = open_image_set(shards)
    assert found.note.startswith(f"train-1.tar: broken at byte {at - 512}: 0006.jpg has ")
    assert len(found) == 4 + 2 + 4  # what came before, and the other shards
    with pytest.raises(DataError, match=r"s: train-1\.tar: broken at byte .* says what is left"):
        found.require_classes()
    with pytest.raises(DataError, match=rf"^{path}: broken at byte {at - 512}: "):
        open_image_set(path).require_classes()


def test_a_shard_that_changes_later_is_noticed(shards: Path) -> None:
    found = open_image_set(shards)
    os.utime(shards / "train-1.tar", ns=(5, 5))
    assert found.read(0)
    for read in (lambda: found.read(4), found.digest):
        with pytest.raises(DataError, match=r"train-1\.tar: changed since it was opened"):
            read()
    (shards / "train-1.tar").unlink()
    for read in (lambda: found.read(4), found.digest):
        with pytest.raises(DataError, match="No such file"):
            read()


def test_nothing_is_written_beside_the_shards(shards: Path) -> None:
    names = sorted(os.listdir(shards))
    os.chmod(shards, 0o555)
    try:
        open_image_set(shards).digest()
    finally:
        os.chmod(shards, 0o755)
    assert sorted(os.listdir(shards)) == names


def test_many_threads_read_the_same(tmp_path: Path, write_tar) -> None:
    rng = np.random.default_rng(0)
    images = [rng.bytes(int(n)) for n in rng.integers(1, 3000, 60)]
    for k in range(3):
        files = {}
        for i in range(20 * k, 20 * k + 20):
            files |= {f"{i}.jpg": images[i], f"{i}.cls": b"0"}
        write_tar(tmp_path / f"{k}.tar", files)
    found = open_image_set(tmp_path)
    order = rng.integers(0, 60, 600).tolist()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(found.read, order)) == [images[i] for i in order]


def test_python_names_of_members_reach_no_file(tmp_path: Path, write_tar) -> None:
    """A member may be called anything: it is only read, and never written under its name."""
    files = {"../../evil.jpg": b"x", "../../evil.cls": b"0", "/etc/passwd.jpg": b"y"}
    found = open_image_set(write_tar(tmp_path / "x.tar", files | {"/etc/passwd.cls": b"1"}))
    assert [found.read(i) for i in range(2)] == [b"x", b"y"]


def test_an_image_of_half_a_gigabyte_is_not_read(tmp_path: Path, write_tar, monkeypatch) -> None:
    from data_prep.image_sets import tar_shards

    monkeypatch.setattr(tar_shards, "_IMAGE_LIMIT", 1000)
    found = open_image_set(write_tar(tmp_path / "x.tar", {"1.jpg": bytes(1001), "1.cls": b"0"}))
    with pytest.raises(DataError, match="1001 bytes are too many for an image"):
        found.read(0)
