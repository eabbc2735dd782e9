"""Class folders and lists of images become a training set."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from image_files import class_names, contents, face, tree

from data_prep.errors import DataError, UserError
from data_prep.images import decode_rgb
from data_prep.pack import pack


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
    assert class_names(tmp_path / "out") == {"0": "anna", "1": "bo b", "2": "Öl"}
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


def test_folder_mistakes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder or list"):
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
