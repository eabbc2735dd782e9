"""The disk cache: built once, by one process, complete or absent, of this set, undamaged."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest

from arcface_plus.data import disk_cache
from arcface_plus.data.disk_cache import DiskCache
from arcface_plus.data.sources import open_source
from arcface_plus.data.workers import Workers
from data_prep.errors import DataError, UserError
from data_prep.training_set import TrainingSetWriter


class Counting:
    """A source that counts decoded images, and is slow on request."""

    def __init__(self, path, seconds=0.0):
        self._source, self._seconds, self.decoded = open_source(path), seconds, 0

    def __getattr__(self, name):
        return getattr(self._source, name)

    def __len__(self):
        return len(self._source)

    def image(self, index):
        self.decoded += 1
        time.sleep(self._seconds)
        return self._source.image(index)


@pytest.fixture
def data(synthetic, tmp_path):
    """A copy of the generated set that tests may change."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train.rec", "train.idx", "property"):
        shutil.copy(synthetic / name, folder)
    return folder


def build(source, folder=None, say=print, progress=None):
    return DiskCache(source, folder).find_or_build(Workers(2), progress, say)


def all_of(cache, source):
    pixels = np.empty((len(source), 112, 112, 3), np.uint8)
    cache.read(np.arange(len(source)), pixels)
    return pixels


def truth(source):
    return np.stack([source.image(i) for i in range(len(source))])


def test_it_is_numpys_format_next_to_the_data_and_decoded_once(data):
    source, seen = Counting(data), []
    cache = build(source, progress=lambda done, total: seen.append((done, total)))
    assert cache.path.parent == data
    assert np.array_equal(np.load(cache.path, mmap_mode="r"), truth(open_source(data)))
    assert np.array_equal(all_of(cache, source), truth(open_source(data)))
    assert seen[-1] == (len(source), len(source))
    build(source)
    assert source.decoded == len(source)
    assert list(data.glob(".*")) == []


def test_a_changed_or_different_set_has_its_own_cache(data, synthetic):
    def path():
        return DiskCache(open_source(data), None).path

    paths = [path()]
    os.utime(data / "train.rec", ns=(0, 0))
    paths.append(path())
    content = bytearray((data / "train.rec").read_bytes())
    content[100] ^= 1  # and the clock set back
    (data / "train.rec").write_bytes(content)
    os.utime(data / "train.rec", ns=(0, 0))
    paths.append(path())
    lines = (data / "train.idx").read_text().splitlines()
    (data / "train.idx").write_text("\n".join([lines[0], lines[2], lines[1], *lines[3:]]))
    paths.append(path())
    paths.append(DiskCache(open_source(synthetic), data).path)
    assert len(set(paths)) == 5
    assert path() == paths[3]


def test_a_folder_of_images_too(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "0.png"), np.full((112, 112, 3), 7, np.uint8))
    source = open_source(tmp_path)
    first = build(source).path
    assert open_source(tmp_path).classes == 2  # the cache next to them is not a class
    assert DiskCache(open_source(tmp_path), None).path == first
    (tmp_path / "a" / "0.png").rename(tmp_path / "a" / "1.png")
    assert DiskCache(open_source(tmp_path), None).path != first


@pytest.mark.parametrize("too_much", [-(10**9), -(10**6), -8, -1, 1])
def test_a_file_of_another_length_is_built_again(data, too_much):
    source = open_source(data)
    path = build(source).path
    os.truncate(path, max(0, path.stat().st_size + too_much))
    said = []
    assert np.array_equal(all_of(build(source, say=said.append), source), truth(source))
    assert "instead of" in said[0]
    assert "decoding" in said[1]


def test_damage_is_found_wherever_it_is(data):
    source = open_source(data)
    path = build(source).path
    whole = path.read_bytes()
    for at in (3, 90, 128, 128 + 37632 * 5 + 1000, 128 + 37632 * len(source) - 1, len(whole) - 3):
        broken = bytearray(whole)
        broken[at] ^= 1
        path.write_bytes(broken)
        said = []
        assert DiskCache(source, None).find(said.append) is None, at
        assert len(said) == 1
    path.write_bytes(whole[:128] + bytes(len(whole) - 128))  # a hole
    assert DiskCache(source, None).find(print) is None
    swapped = np.frombuffer(whole[128:], np.uint8).copy()
    for start, width in ((0, 37632), (37632 * len(source), 8)):  # with their checksums
        both = swapped[start : start + 2 * width].reshape(2, width)
        both[:] = both[::-1].copy()
    path.write_bytes(whole[:128] + swapped.tobytes())
    assert DiskCache(source, None).find(print) is None
    path.write_bytes(whole)
    assert DiskCache(source, None).find(print) is not None


def test_later_damage_is_found_when_the_image_is_read(data):
    source = open_source(data)
    cache = build(source)
    with open(cache.path, "r+b") as file:
        file.seek(128 + 37632 * 7 + 5)
        file.write(b"\x01\x02")
    with pytest.raises(DataError, match=r"pixels\.npy: image 7 is damaged; remove the file"):
        all_of(cache, source)
    os.truncate(cache.path, 128 + 37632 * 7)
    with pytest.raises(DataError, match="image 7 is damaged"):
        all_of(cache, source)


def test_two_processes_decode_once_and_the_second_reports_that_it_waits(data):
    source, said, found = Counting(data, 0.01), [], []
    threads = [
        threading.Thread(target=lambda: found.append(build(source, say=said.append)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.decoded == len(source)
    assert len(found) == 3
    assert sum("another process is building" in line and "waiting" in line for line in said) == 2
    assert [p.name for p in data.glob("*.npy*")] == [found[0].path.name]


def test_a_waiting_process_takes_over_a_failed_build(data):
    source, said = Counting(data, 0.02), []
    image, broken = source.image, threading.Event()

    def fail_once(index):
        if said and not broken.is_set():  # now that somebody waits
            broken.set()
            raise DataError("a passing failure")
        return image(index)

    def first():
        with pytest.raises(DataError, match="a passing failure"):
            build(source, say=lambda line: None)

    source.image = fail_once
    thread = threading.Thread(target=first)
    thread.start()
    while not source.decoded:
        time.sleep(0.001)
    found = build(source, say=lambda line: said.append(line) if "waiting" in line else None)
    thread.join()
    assert broken.is_set()
    assert np.array_equal(all_of(found, source), truth(open_source(data)))
    assert list(data.glob(".*")) == []


def test_a_killed_build_leaves_no_usable_cache(data):
    program = (
        "import sys, time; from pathlib import Path\n"
        "from arcface_plus.data.disk_cache import DiskCache\n"
        "from arcface_plus.data.sources import open_source\n"
        "from arcface_plus.data.workers import Workers\n"
        "source = open_source(Path(sys.argv[1])); image = source.image\n"
        "source.image = lambda i: (print(i, flush=True), time.sleep(i > 40), image(i))[2]\n"
        "DiskCache(source, None).find_or_build(Workers(1), None, lambda line: None)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(data)], stdout=subprocess.PIPE, text=True
    ) as builder:
        assert builder.stdout is not None
        for line in builder.stdout:
            if line.strip() == "40":
                break
        builder.send_signal(signal.SIGKILL)
    (left,) = data.glob(".*.partial")
    assert list(data.glob("*.npy")) == []
    source = open_source(data)
    assert DiskCache(source, None).find(print) is None
    assert np.array_equal(all_of(build(source), source), truth(source))
    assert not left.exists()


def test_leftovers_of_killed_builds_are_removed_but_not_running_builds(data):
    abandoned, in_work = data / ".x.1.pixels.npy.partial", data / ".y.2.pixels.npy.partial"
    abandoned.touch()
    with open(in_work, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        build(open_source(data))
        assert in_work.exists()
    assert not abandoned.exists()


def test_an_image_that_cannot_be_decoded_ends_the_build_as_it_ends_a_run(tmp_path):
    with TrainingSetWriter(tmp_path) as writer:
        for label in range(200):
            black = cv2.imencode(".png", np.zeros((112, 112, 3), np.uint8))[1].tobytes()
            writer.add(label, b"no image" if label in (70, 199) else black)
    with pytest.raises(DataError, match=r"train\.rec: record 71 at byte \d+ cannot be decoded"):
        build(open_source(tmp_path))
    assert list(tmp_path.glob("*.npy*")) + list(tmp_path.glob(".*")) == []


def test_too_small_a_disk_is_refused_before_anything_is_decoded(data, monkeypatch):
    source = Counting(data)
    old = data / "old.0123.pixels.npy"
    old.touch()
    usage = shutil.disk_usage(data)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(UserError, match=r"1e-06 GB free.*data\.cache_dir.*caches there: old\.0123"):
        build(source)
    monkeypatch.undo()
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match=r"data: .*free.*data\.cache_dir"):
        build(source)
    assert source.decoded == 0
    assert list(data.glob(".*")) == []


def test_a_disk_that_fills_up_is_reported(data, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: None)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(UserError, match=r"disk full \(No space left.*data\.cache_dir"):
        build(open_source(data))
    assert list(data.glob("*.npy*")) + list(data.glob(".*")) == []


def test_a_folder_that_is_not_writable_is_reported(data, monkeypatch):
    source = Counting(data)
    (data / "file").touch()
    with pytest.raises(UserError, match=r"file: cannot be written \(.*data\.cache_dir"):
        build(source, data / "file")

    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(disk_cache.os, "open", refuse)
    with pytest.raises(UserError, match=r"cannot be written \(Read-only file system\); set data"):
        build(source)
    assert source.decoded == 0


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")
