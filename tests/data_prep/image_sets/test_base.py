"""What holds for every kind: the same images in the same order are the same set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data_prep.errors import DataError
from data_prep.image_sets import KINDS, kind_of, open_image_set
from data_prep.image_sets.base import excerpt
from data_prep.training_set import TrainingSetWriter

Write = Callable[[Path, list[bytes], list[int]], Path]


def records(folder: Path, images: list[bytes], labels: list[int]) -> Path:
    with TrainingSetWriter(folder) as writer:
        for label, image in zip(labels, images, strict=True):
            writer.add(label, image)
    return folder


def files(folder: Path, images: list[bytes], labels: list[int]) -> Path:
    for i, (label, image) in enumerate(zip(labels, images, strict=True)):
        (folder / f"c{label}").mkdir(parents=True, exist_ok=True)
        (folder / f"c{label}" / f"{i:02d}.jpg").write_bytes(image)
    return folder


@pytest.fixture
def kinds(write_tar) -> dict[str, Write]:
    def shards(folder: Path, images: list[bytes], labels: list[int]) -> Path:
        half = len(images) // 2
        for k, part in enumerate((range(half), range(half, len(images)))):
            members = {}
            for i in part:
                members |= {f"{i:02d}.jpg": images[i], f"{i:02d}.cls": b"%d" % labels[i]}
            write_tar(folder / f"{k}.tar", members)
        return folder

    return {"records": records, "files": files, "shards": shards}


IMAGES = [np.random.default_rng(k).bytes(100 + 10 * k) for k in range(7)]
LABELS = [0, 0, 1, 1, 1, 2, 2]


def test_every_kind_says_the_same(tmp_path: Path, kinds: dict[str, Write]) -> None:
    sets = [open_image_set(write(tmp_path / name, IMAGES, LABELS)) for name, write in kinds.items()]
    assert len({found.kind for found in sets}) == 3
    for found in sets:
        assert [found.read(i) for i in range(len(found))] == IMAGES
        assert found.labels.tolist() == LABELS
        assert (found.classes, found.has_classes, found.note) == (3, True, "")
        assert [found.read_with_label(i) for i in range(7)] == list(
            zip(IMAGES, LABELS, strict=True)
        )
    assert len({found.digest() for found in sets}) == 1


@pytest.mark.parametrize("name", ["records", "files", "shards"])
def test_digests_see_order_labels_and_content(
    tmp_path: Path, kinds: dict[str, Write], name: str
) -> None:
    middle = len(IMAGES[0]) // 2
    bitten = IMAGES[0][:middle] + bytes([IMAGES[0][middle] ^ 1]) + IMAGES[0][middle + 1 :]
    variants = [
        (IMAGES, LABELS),
        ([IMAGES[1], IMAGES[0], *IMAGES[2:]], LABELS),
        (IMAGES, [0, 1, 1, 1, 1, 2, 2]),
        ([bitten, *IMAGES[1:]], LABELS),
        ([IMAGES[0] + b"\0", *IMAGES[1:]], LABELS),
    ]
    digests = {
        open_image_set(kinds[name](tmp_path / str(k), *variant)).digest()
        for k, variant in enumerate(variants)
    }
    assert len(digests) == len(variants)
    assert all(len(digest) == 32 for digest in digests)


@pytest.mark.parametrize("name", ["records", "files", "shards"])
def test_a_copy_has_the_same_digest_and_other_stamps(
    tmp_path: Path, kinds: dict[str, Write], name: str
) -> None:
    first = kinds[name](tmp_path / "first", IMAGES, LABELS)
    copy = shutil.copytree(first, tmp_path / "second")
    for folder, _, names in os.walk(copy):
        for file in names:
            os.utime(os.path.join(folder, file), ns=(5, 5))
    one, two = open_image_set(first), open_image_set(copy)
    assert one.digest() == two.digest()
    assert b"".join(one.stamps()) != b"".join(two.stamps())
    assert b"".join(one.stamps()) == b"".join(open_image_set(first).stamps())


def test_a_kind_without_a_way_of_its_own_reads_the_images(
    tmp_path: Path, kinds: dict[str, Write]
) -> None:
    found = open_image_set(kinds["files"](tmp_path, IMAGES, LABELS))
    lengths, excerpts = super(type(found), found).excerpts()
    assert (lengths.tolist(), excerpts) == (
        [len(image) for image in IMAGES],
        found.excerpts()[1],
    )
    assert [len(excerpt(bytes(n))) for n in (0, 1, 64, 127, 128, 1000)] == [0, 1, 32, 64, 64, 64]


def test_what_is_no_set_is_named_with_what_would_be(tmp_path: Path) -> None:
    (tmp_path / "x.txt").touch()
    assert kind_of(tmp_path / "x.txt") is None
    with pytest.raises(DataError) as error:
        open_image_set(tmp_path / "x.txt")
    assert all(kind.described in str(error.value) for kind in KINDS)
    with pytest.raises(DataError, match="gone: no such file or folder"):
        open_image_set(tmp_path / "gone")
