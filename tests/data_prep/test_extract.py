"""Images come out of a set with their bytes, classes and names, and can go in again."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.errors import DataError, UserError
from data_prep.extract import extract
from data_prep.image_sets import open_image_set
from data_prep.pack import pack
from data_prep.pairs import read_pairs, write_pairs
from data_prep.recordio import RecordReader, RecordWriter
from data_prep.training_set import read_index


def face(seed: int, suffix: str = ".jpg") -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
    pixels = cv2.resize(small, (112, 112), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def tree(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def contents(folder: Path) -> list[tuple[int, bytes]]:
    with RecordReader(folder / "train.rec") as reader:
        index = read_index(reader)
        return [
            (label, reader[key].image)
            for key, label in zip(index.keys.tolist(), index.labels.tolist(), strict=True)
        ]


def names(folder: Path) -> dict[str, str]:
    return json.loads((folder / "labels.json").read_text(encoding="utf-8"))


def test_shards_become_class_folders(tmp_path: Path, write_tar) -> None:
    """Shuffled shards come out class by class, their order kept by numbers."""
    labels = [1, 0, 1, 0]
    members = {}
    for k, label in enumerate(labels):
        members |= {f"../{k}.png": face(k, suffix=".png"), f"../{k}.cls": b"%d" % label}
    write_tar(tmp_path / "s/0.tar", members)
    (tmp_path / "s/labels.json").write_text('{"0": "anna", "1": "bob"}')
    done = extract(tmp_path / "s", tmp_path / "out")
    assert (done.images, done.files, done.classes) == (4, 4, 2)
    lines = (tmp_path / "out/images.tsv").read_text().splitlines()
    assert lines == [
        f"{n}/00000{k}.png\t{n}" for n, k in [("anna", 1), ("anna", 3), ("bob", 0), ("bob", 2)]
    ]
    assert (tmp_path / "out/bob/000002.png").read_bytes() == face(2, suffix=".png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "s"]
    write_tar(tmp_path / "s/0.tar", {"0.jpg": face(0)})
    with pytest.raises(DataError, match="has no class index"):
        extract(tmp_path / "s", tmp_path / "none")
    assert not list(tmp_path.glob("none/*"))


def test_what_is_extracted_is_the_same_set(tmp_path: Path) -> None:
    tree(tmp_path, {f"src/{name}/{k}.jpg": face(k) for name in ("a", "b") for k in range(4)})
    pack(tmp_path / "src", tmp_path / "set")
    extract(tmp_path / "set", tmp_path / "files")
    sets = [open_image_set(tmp_path / name) for name in ("src", "set", "files")]
    assert len({found.digest() for found in sets}) == 1


def test_extract_and_pack_again(tmp_path: Path) -> None:
    files = {f"src/{name}/{k}.jpg": face(k) for name in ("anna", "b b") for k in range(3)}
    files["src/anna/9.jpg"] = face(9)
    tree(tmp_path, files)
    pack(tmp_path / "src", tmp_path / "set")
    done = extract(tmp_path / "set", tmp_path / "files")
    assert (done.images, done.files, done.classes) == (7, 7, 2)
    assert (tmp_path / "files/anna/000004.jpg").read_bytes() == face(9)
    lines = (tmp_path / "files/images.tsv").read_text().splitlines()
    assert lines[0] == "anna/000001.jpg\tanna"
    assert lines[-1] == "b b/000007.jpg\tb b"
    for k, source in enumerate((tmp_path / "files", tmp_path / "files/images.tsv")):
        pack(source, tmp_path / f"again{k}")
        assert (tmp_path / f"again{k}/train.rec").read_bytes() == (
            tmp_path / "set/train.rec"
        ).read_bytes()
        assert names(tmp_path / f"again{k}") == {"0": "anna", "1": "b b"}


def test_extract_gives_folders_names_only_where_that_is_safe(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with RecordWriter(tmp_path / "set/train.rec") as writer:
        for key, label in enumerate([2.0, 0.0, 7.0]):
            writer.write(key, face(key), [label, 1.0])
    for unsafe in ("../evil", "/etc/x", "", ".", "..", "a\nb", "zz", "x" * 300):
        text = json.dumps({"0": "m", "2": unsafe, "7": "z"})
        (tmp_path / "set/labels.json").write_text(text)
        done = extract(tmp_path / "set/train.rec", tmp_path / "out")
        assert done.classes == 3
        folders = sorted(p.name for p in (tmp_path / "out").iterdir() if p.is_dir())
        assert folders == ["000000", "000002", "000007"]
        assert (tmp_path / "out/000002/000000.jpg").read_bytes() == face(0)
        pack(tmp_path / "out", tmp_path / "packed")
        assert names(tmp_path / "packed") == {"0": "000000", "1": "000002", "2": "000007"}
        subprocess.run(["rm", "-r", str(tmp_path / "out"), str(tmp_path / "packed")], check=True)
    (tmp_path / "set/labels.json").write_text("[1]")
    with pytest.raises(DataError, match=r"labels.json: it maps no class indices"):
        extract(tmp_path / "set/train.rec", tmp_path / "out")


def test_extract_pairs(tmp_path: Path) -> None:
    images = [face(k, suffix=".png" if k == 2 else ".jpg") for k in (0, 1, 0, 2)] * 5
    write_pairs(tmp_path / "a.bin", images, [True, False] * 5)
    done = extract(tmp_path / "a.bin", tmp_path / "out")
    assert (done.images, done.files, done.pairs) == (20, 3, 10)
    lines = (tmp_path / "out/pairs.csv").read_text().splitlines()
    assert lines[:3] == ["a,b,same,fold", "01.jpg,02.jpg,1,1", "01.jpg,03.png,0,2"]
    assert (tmp_path / "out/03.png").read_bytes() == images[3]


def test_extracted_pairs_are_packed_again_unchanged(tmp_path: Path) -> None:
    pack_pairs = pytest.importorskip("data_prep.pack_pairs").pack_pairs
    images = [face(k % 7) for k in range(50)]
    write_pairs(tmp_path / "a.bin", images, [k % 2 == 0 for k in range(25)])
    extract(tmp_path / "a.bin", tmp_path / "out")
    pack_pairs(tmp_path / "out/pairs.csv", tmp_path / "out", tmp_path / "b.bin")
    assert read_pairs(tmp_path / "b.bin")[0] == images
    assert read_pairs(tmp_path / "b.bin")[1].tolist() == [k % 2 == 0 for k in range(25)]


def test_extract_mistakes(tmp_path: Path) -> None:
    tree(tmp_path, {"src/a/x.jpg": face(0), "full/x": b""})
    with pytest.raises(DataError, match="is a folder of images already"):
        extract(tmp_path / "src", tmp_path / "out")
    pack(tmp_path / "src", tmp_path / "set")
    with pytest.raises(UserError, match="is there already and not empty"):
        extract(tmp_path / "set", tmp_path / "full")
    data = (tmp_path / "set/train.rec").read_bytes()
    (tmp_path / "set/train.rec").write_bytes(data[:200])
    with pytest.raises(DataError, match="record 1 at byte 40 is broken"):
        extract(tmp_path / "set", tmp_path / "out")
    assert not (tmp_path / "out/images.tsv").exists()


def test_real_set_comes_back(real_data: Path, tmp_path: Path) -> None:
    start = time.perf_counter()
    extract(real_data / "cfp_train", tmp_path / "files")
    pack(tmp_path / "files", tmp_path / "set")
    assert time.perf_counter() - start < 60
    assert contents(tmp_path / "set") == contents(real_data / "cfp_train")
