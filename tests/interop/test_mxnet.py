"""Our files read by the real MXNet 1.9.1, its files read by us: bytes and labels equal.

MXNet lives in an environment of its own (make_environment.sh); ARCFACE_PLUS_MXNET_PYTHON names its
python. Skipped, saying so, where that is absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data_prep.extract import extract
from data_prep.pack import pack
from data_prep.pairs import read_pairs, write_pairs
from data_prep.recordio import RecordReader, RecordWriter
from data_prep.training_set import TrainingSetWriter, read_index

MAGIC = (0xCED7230A).to_bytes(4, "little")
Judge = Callable[[str, Path], Any]


@pytest.fixture(scope="session")
def judge() -> Judge:
    """Runs one command of mxnet_judge.py and returns what it printed."""
    python = os.environ.get("ARCFACE_PLUS_MXNET_PYTHON", "")
    if not python or not Path(python).is_file():
        pytest.skip(
            "no MXNet here (sh tests/interop/make_environment.sh FOLDER, then set "
            "ARCFACE_PLUS_MXNET_PYTHON=FOLDER/bin/python)"
        )
    script = Path(__file__).with_name("mxnet_judge.py")
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}

    def run(command: str, path: Path) -> Any:
        done = subprocess.run(
            [python, str(script), command, str(path)],
            capture_output=True, text=True, timeout=240, check=False, env=clean,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def plain(label: object) -> object:
    return label.tolist() if isinstance(label, np.ndarray) else label


@pytest.fixture(scope="session")
def mxnet_sets(judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mxnet_sets")
    judge("write-sets", folder)
    return folder


@pytest.mark.parametrize("name", ["scalar", "vector", "scalar_record_0", "vector_record_0"])
def test_we_read_what_mxnet_wrote(mxnet_sets: Path, tmp_path: Path, name: str) -> None:
    path = mxnet_sets / name / "train.rec"
    manifest = json.loads((path.parent / "manifest.json").read_text())
    with RecordReader(path) as reader, RecordWriter(tmp_path / "train.rec") as writer:
        assert len(reader) == len(manifest["images"]) + len(manifest["others"])
        for key, (label, sha) in manifest["images"].items():
            record = reader[int(key)]
            assert (plain(record.label), digest(record.image)) == (label, sha)
            assert record.id == int(key)
        for key, label in manifest["others"].items():
            assert (plain(reader[int(key)].label), reader[int(key)].image) == (label, b"")
        index = read_index(reader)
        assert index.keys.tolist() == [int(key) for key in manifest["images"]]
        firsts = [label[0] if isinstance(label, list) else label
                  for label, _ in manifest["images"].values()]  # fmt: skip
        assert index.labels.tolist() == firsts
        for key in reader.keys:
            writer.write(int(key), reader[int(key)].image, reader[int(key)].label)
    assert any(MAGIC in reader_image for reader_image in _images(path)), "nothing was split"
    for suffix in (".rec", ".idx"):  # the same file, to the byte
        ours = (tmp_path / "train.rec").with_suffix(suffix).read_bytes()
        assert ours == path.with_suffix(suffix).read_bytes()


def _images(path: Path) -> list[bytes]:
    with RecordReader(path) as reader:
        return [reader[int(key)].image for key in reader.keys]


def face(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
    smooth = cv2.resize(pixels, (112, 112), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", smooth)[1].tobytes()


def test_mxnet_reads_what_we_wrote(judge: Judge, tmp_path: Path) -> None:
    images = [b"", MAGIC, b"ab" + MAGIC, b"abcd" + MAGIC * 3 + b"e", b"z" * 70001, face(0)]
    labels: list[float | list[float]] = [0.0, [1.0, 2.0], 7.0, [5.0], 16777216.0, [0.5] * 9]
    with RecordWriter(tmp_path / "train.rec") as writer:
        for key, (image, label) in enumerate(zip(images, labels, strict=True)):
            writer.write(3 * key, image, label)
    read = judge("read-set", tmp_path / "train.rec")
    assert read == {
        str(3 * key): [label, digest(image), 3 * key]
        for key, (image, label) in enumerate(zip(images, labels, strict=True))
    }


def test_insightface_reads_our_training_set(judge: Judge, tmp_path: Path) -> None:
    sizes = [3, 1, 4]
    images = [face(k) for k in range(7)] + [face(7) + b"\0" * (-len(face(7)) % 4) + MAGIC + b"end"]
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    with TrainingSetWriter(tmp_path) as writer:
        for label, image in zip(labels, images, strict=True):
            writer.add(label, image)
    read = judge("read-insightface", tmp_path / "train.rec")
    assert read["labels"] == labels
    assert read["digests"] == [digest(image) for image in images]
    assert read["ranges"] == [[1, 4], [4, 5], [5, 9]]
    assert read["shapes"] == [[112, 112, 3]]


def test_insightface_reads_our_pairs(judge: Judge, tmp_path: Path) -> None:
    images = [face(k) for k in (0, 1, 0, 2)]
    write_pairs(tmp_path / "ours.bin", images, [True, False])
    read = judge("read-bin", tmp_path / "ours.bin")
    assert read["digests"] == [digest(image) for image in images]
    assert read["same"] == [True, False]
    assert read["shapes"] == [[112, 112, 3]] * 4
    for image, mean in zip(images, read["means"], strict=True):  # MXNet decodes to RGB
        pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
        assert np.abs(pixels.reshape(-1, 3).mean(axis=0) - mean).max() < 1


def test_we_read_pairs_pickled_with_old_numpy(judge: Judge, tmp_path: Path) -> None:
    judge("write-bins", tmp_path)
    paths = sorted(tmp_path.glob("*.bin"))
    assert len(paths) == 48
    for path in paths:
        images, same = read_pairs(path)
        assert images == [b"\xff\xd8image %d" % k for k in range(6)]
        assert same.tolist() == [True, False, True]


def test_mxnet_reads_the_real_set_extracted_and_packed_again(
    judge: Judge, real_data: Path, tmp_path: Path
) -> None:
    source = real_data / "cfp_train" / "train.rec"
    extract(source, tmp_path / "files")
    pack(tmp_path / "files", tmp_path / "set")
    theirs = judge("read-insightface", source)
    assert len(theirs["labels"]) == 4536
    assert judge("read-insightface", tmp_path / "set" / "train.rec") == theirs
