"""Images of folders, lists and other sets go into a training set: bytes, labels and names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.errors import DataError, UserError
from data_prep.images import decode_rgb
from data_prep.pack import pack
from data_prep.pairs import write_pairs
from data_prep.recordio import RecordReader
from data_prep.training_set import read_index


def face(seed: int, height: int = 112, width: int = 112, suffix: str = ".jpg") -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
    pixels = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
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


def test_class_folders(tmp_path: Path) -> None:
    images = [face(k) for k in range(4)]
    files = {
        "src/bo b/2.jpg": images[2],
        "src/anna/frontal/1.JPEG": images[0],
        "src/anna/profile/1.jpg": images[1],
        "src/Öl/x.jpg": images[3],
        "src/Öl/notes.txt": b"no image",
        "src/empty/readme.md": b"",
        "src/.hidden/x.jpg": b"no image",
    }
    packed = pack(tree(tmp_path, files) / "src", tmp_path / "out")
    assert contents(tmp_path / "out") == [
        (0, images[0]),
        (0, images[1]),
        (1, images[2]),
        (2, images[3]),
    ]
    assert names(tmp_path / "out") == {"0": "anna", "1": "bo b", "2": "Öl"}
    assert (packed.images, packed.classes, packed.encoded, packed.other_files) == (4, 3, 0, 2)
    assert (tmp_path / "out/property").read_text().strip() == "3,112,112"


def test_others_are_encoded_once(tmp_path: Path) -> None:
    files = {
        "src/a/1.png": face(0, suffix=".png"),
        "src/a/2.jpg": face(1, 224, 300),
        "src/a/3.webp": face(2, 50, 40, ".webp"),
        "src/a/4.jpg": face(3),
    }
    packed = pack(tree(tmp_path, files) / "src", tmp_path / "out", quality=90, threads=3)
    assert (packed.encoded, packed.resized) == (3, 2)
    stored = [image for _, image in contents(tmp_path / "out")]
    assert stored[3] == files["src/a/4.jpg"]
    assert all(decode_rgb(image).shape == (112, 112, 3) for image in stored)
    source = decode_rgb(files["src/a/1.png"]).astype(int)
    assert np.abs(decode_rgb(stored[0]) - source).mean() < 4
    wide = decode_rgb(files["src/a/2.jpg"])[:, 38:262]  # the central square, halved
    halved = cv2.resize(wide, (112, 112), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(decode_rgb(stored[1]) - halved).mean() < 4
    worse = pack(tmp_path / "src", tmp_path / "worse", quality=10)
    assert worse.encoded == 3
    assert len(contents(tmp_path / "worse")[0][1]) < len(stored[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i/0.jpg\tanna\ni/1.jpg\tbob\n\ni/2.jpg\tbob\n", [(0, 0), (1, 1, 2), ("anna", "bob")]),
        ("i/0.jpg,bob\ni/1.jpg,anna\ni/2.jpg,bob\n", [(0, 0, 2), (1, 1), ("bob", "anna")]),
        ("path,label\ni/0.jpg,1\n./i/1.jpg,0\n", [(0, 1), (1, 0), ("0", "1")]),
        ("i/2.jpg 10\ni/1.jpg 2\ni/0.jpg 2\n", [(0, 1, 0), (1, 2), ("2", "10")]),
        ("i/a b.jpg 7\n", [(0, 3), ("7",)]),
        ('"i/a, b.jpg",7\n', [(0, 4), ("7",)]),
        ("\ufeffi/0.jpg;x y\n", [(0, 0), ("x y",)]),
        ("i/plain 1\ni/0.jpg 1\n", [(0, 5, 0), ("1",)]),
    ],
)
def test_list_files(tmp_path: Path, text: str, expected: list[tuple[object, ...]]) -> None:
    images = [face(k) for k in range(6)]
    files = dict(
        zip(
            ["i/0.jpg", "i/1.jpg", "i/2.jpg", "i/a b.jpg", "i/a, b.jpg", "i/plain"],
            images,
            strict=True,
        )
    )
    tree(tmp_path, files)
    (tmp_path / "list.txt").write_text(text, encoding="utf-8")
    pack(tmp_path / "list.txt", tmp_path / "out")
    *classes, class_names = expected
    assert contents(tmp_path / "out") == [
        (label, images[k]) for label, *members in classes for k in members
    ]
    assert tuple(names(tmp_path / "out").values()) == class_names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("i/0.jpg\t1\ni/none.jpg\t1\n", r"list.txt: line 2: .*none.jpg: No such file"),
        ("i/0.jpg\t1\ni/0.jpg\n", r"list.txt: line 2: wanted: a path and a label"),
        ("i/0.jpg\t1\ni/0.jpg\t2\t3\n", r"list.txt: line 2: wanted"),
        ("i/0.jpg\t1\nbad\0name.jpg\t1\n", r"list.txt: line 2: wanted"),
        ("i/0.jpg\t7\ni/0.jpg\t007\n", r"list.txt: one label is written in two ways"),
        ("", r"list.txt: no images in it"),
        ("x" * 70000, r"list.txt: line 1 is over 64 KiB"),
        ("i/broken.jpg\t1\n", r"line 1: .*broken.jpg: truncated JPEG .*data check"),
        ("i/empty.jpg\t1\n", r"line 1: .*empty.jpg: empty"),
    ],
)
def test_list_mistakes_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    tree(tmp_path, {"i/0.jpg": face(0), "i/broken.jpg": face(1)[:-2], "i/empty.jpg": b""})
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(DataError, match=message) as error:
        pack(tmp_path / "list.txt", tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "out").glob("**/*"))


def test_folder_mistakes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder or list file"):
        pack(tmp_path / "none", tmp_path / "out")
    (tmp_path / "src").mkdir()
    with pytest.raises(DataError, match="no images in its folders"):
        pack(tmp_path / "src", tmp_path / "out")
    tree(tmp_path, {"src/x.jpg": face(0)})
    with pytest.raises(DataError, match=r"x.jpg: an image in no class folder; move it to"):
        pack(tmp_path / "src", tmp_path / "out")
    (tmp_path / "src/x.jpg").unlink()
    tree(tmp_path, {"src/a/x.jpg": face(0), "src/a/y.png": face(1, suffix=".png")[:-20]})
    with pytest.raises(DataError, match=r"y.png: truncated PNG"):
        pack(tmp_path / "src", tmp_path / "out")
    (tmp_path / "src/a/y.png").unlink()
    with pytest.raises(UserError, match="--quality 0 is out of range"):
        pack(tmp_path / "src", tmp_path / "out", quality=0)
    pack(tmp_path / "src", tmp_path / "out")
    with pytest.raises(UserError, match=r"train.rec is there already"):
        pack(tmp_path / "src", tmp_path / "out")


def test_killed_while_packing_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    image = face(0)
    tree(tmp_path, {f"src/{k % 20}/{k}.jpg": image for k in range(4000)})
    script = (
        "import signal, sys, time\nfrom data_prep.pack import pack\n"
        # A child of a shell's background job is born deaf to it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def slow(done, total):\n    print(done, flush=True)\n    time.sleep(0.2)\n"
        "pack(sys.argv[1], sys.argv[2], progress=slow)\n"
    )
    for number in (signal.SIGKILL, signal.SIGINT):
        out = tmp_path / number.name
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "src"), str(out)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        process.wait(30)
        assert not {"train.rec", "train.idx"} & set(os.listdir(out))
        pack(tmp_path / "src", out)
        assert len(contents(out)) == 4000


def test_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    """The peak of what Python allocates is the same for ten times the images."""
    image = face(0)
    for k in range(40):
        tree(tmp_path, {f"few/{k:02d}/{j}.jpg": image for j in range(2)})
        folder = tmp_path / "many" / f"{k:02d}"
        folder.mkdir(parents=True)
        for j in range(60):
            os.link(tmp_path / f"few/{k:02d}/0.jpg", folder / f"{j}.jpg")
    (tmp_path / "list.txt").write_text(
        "".join(f"many/{k:02d}/{j}.jpg\t{k}\n" for k in range(40) for j in range(60))
    )
    pack(tmp_path / "few", tmp_path / "warm up")
    peaks = []
    for source in ("few", "many", "list.txt"):
        tracemalloc.start()
        pack(tmp_path / source, tmp_path / f"out {source}", threads=2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    in_flight = 5 * 64 * len(image)  # read ahead, which `few` does not fill
    assert max(peaks[1:]) < peaks[0] + in_flight + 100_000


def test_other_sets_are_packed_in_the_order_of_their_classes(tmp_path: Path, write_tar) -> None:
    """Shards are shuffled as a rule, and their classes may have gaps."""
    labels = [7, 2, 7, 2, 5]
    members = {}
    for k, label in enumerate(labels):
        members |= {f"{k}.jpg": face(k), f"{k}.cls": b"%d" % label}
    write_tar(tmp_path / "s/0.tar", members)
    (tmp_path / "s/labels.json").write_text('{"2": "anna", "7": "bob"}')
    packed = pack(tmp_path / "s", tmp_path / "set")
    assert (packed.images, packed.classes, packed.encoded) == (5, 3, 0)
    in_order = [(0, face(1)), (0, face(3)), (1, face(4)), (2, face(0)), (2, face(2))]
    assert contents(tmp_path / "set") == in_order
    assert names(tmp_path / "set") == {"0": "anna", "1": "5", "2": "bob"}
    pack(tmp_path / "set/train.rec", tmp_path / "again")
    assert contents(tmp_path / "again") == in_order
    assert names(tmp_path / "again") == names(tmp_path / "set")


def test_a_set_that_is_not_whole_or_has_no_classes_is_not_packed(tmp_path: Path, write_tar) -> None:
    write_tar(tmp_path / "0.tar", {"0.jpg": face(0), "0.cls": b"0", "1.jpg": face(1)[:-9]})
    with pytest.raises(DataError, match=r"0\.tar/1\.jpg at byte \d+ has no class index"):
        pack(tmp_path / "0.tar", tmp_path / "out")
    write_tar(tmp_path / "1.tar", {"1.jpg": face(1)[:-9], "1.cls": b"0"})
    with pytest.raises(DataError, match=r"1\.tar/1\.jpg at byte \d+: truncated JPEG.*data check"):
        pack(tmp_path / "1.tar", tmp_path / "out")
    (tmp_path / "1.tar").write_bytes((tmp_path / "1.tar").read_bytes()[:-9000])
    with pytest.raises(DataError, match=r"1\.tar: broken at byte"):
        pack(tmp_path / "1.tar", tmp_path / "out")
    write_pairs(tmp_path / "a.bin", [face(0)] * 2, [True])
    with pytest.raises(DataError, match="who is the same, not who it is"):
        pack(tmp_path / "a.bin", tmp_path / "out")
    assert not (tmp_path / "out/train.rec").exists()
