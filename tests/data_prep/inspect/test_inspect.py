"""What `data inspect` says of a set: counted and measured."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.collection import Records
from data_prep.errors import DataError
from data_prep.inspect.inspect import SAMPLE, inspect
from data_prep.inspect.text import describe
from data_prep.pairs import write_pairs
from data_prep.recordio import RecordReader, RecordWriter
from data_prep.training_set import TrainingSetWriter


def flat(rgb: tuple[int, int, int], side: int = 112, suffix: str = ".png") -> bytes:
    pixels = np.full((side, side, 3), rgb[::-1], np.uint8)
    return cv2.imencode(suffix, pixels)[1].tobytes()


SKIN, BLUISH, GREY = (180, 120, 90), (90, 120, 180), (100, 100, 100)


def make_set(folder: Path, sizes: list[int], rgb: tuple[int, int, int] = SKIN) -> Path:
    with TrainingSetWriter(folder) as writer:
        for label, count in enumerate(sizes):
            for _ in range(count):
                writer.add(label, flat(rgb))
    return folder


def test_a_training_set(tmp_path: Path) -> None:
    found = inspect(make_set(tmp_path, [3, 1, 7]))
    assert (found.kind, found.images, found.classes) == ("record file", 11, 3)
    assert found.per_class.tolist() == [3, 1, 7]
    assert found.gaps == []
    assert found.promised_classes == 3
    assert (found.formats, found.sizes) == ({"PNG": 11}, {"112x112": 11})
    assert found.bytes_on_disk == (tmp_path / "train.rec").stat().st_size
    assert found.cache_bytes == 11 * 112 * 112 * 3
    assert found.steps_per_epoch == 11 / 440
    assert found.mean_rgb == SKIN
    assert found.colour.startswith("redder than blue, as faces are")
    text = "\n".join(describe(found))
    for words in (
        "images         11",
        "classes        3",
        "1 to 7, median 3",
        "label gaps     none",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("rgb", "says"),
    [(SKIN, "as faces"), (BLUISH, "swapped"), (GREY, "grey"), ((100, 96, 97), "unclear")],
)
def test_channel_order(tmp_path: Path, rgb: tuple[int, int, int], says: str) -> None:
    assert says in inspect(make_set(tmp_path, [2], rgb)).colour


def test_gaps_and_property(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "train.rec") as writer:
        for key, label in enumerate([0.0, 3.0, 9.0]):
            writer.write(key, flat(SKIN), [label, 1.0])
    (tmp_path / "property").write_text("12,112,112")
    found = inspect(tmp_path / "train.idx")
    assert found.gaps == [1, 2, 4, 5, 6, 7, 8]
    text = "\n".join(describe(found))
    assert "7 labels have no image: 1, 2, 4, 5, 6, …" in text
    assert "says 12 classes, the labels say 10" in text


def test_a_pair_file(tmp_path: Path) -> None:
    images = [flat((k, 0, 0)) for k in range(3)] + [flat((0, 0, 0))]
    write_pairs(tmp_path / "a.bin", images, [True, False])
    found = inspect(tmp_path / "a.bin")
    assert (found.kind, found.images, found.unique_images, found.same) == ("pair file", 4, 3, 1)
    text = "\n".join(describe(found))
    assert "2: 1 same, 1 different" in text
    assert "2 pairs do not make ten equal folds" in text


def test_a_folder_of_photos(tmp_path: Path) -> None:
    for name, data in {
        "a/1.png": flat(SKIN, 60), "a/sub/2.jpg": flat(SKIN, 112, ".jpg"),
        "b/3.bmp": flat(SKIN, 9, ".bmp"),
        "b/broken.jpg": b"\xff\xd8\xff", "b/list.txt": b"",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    found = inspect(tmp_path)
    assert (found.kind, found.images, found.per_class.tolist()) == ("folder", 4, [2, 2])
    assert found.formats == {"PNG": 1, "JPEG": 1, "BMP": 1}
    assert found.sizes == {"60x60": 1, "112x112": 1, "9x9": 1}
    assert found.other_files == 1
    assert found.unreadable == [
        "b/broken.jpg: not a JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF image (3 bytes)"
    ]
    assert any("UNREADABLE" in line for line in describe(found))


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        inspect(tmp_path / "none")
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(DataError, match=r"neither a .rec, a .bin nor a folder"):
        inspect(tmp_path / "x.txt")
    with pytest.raises(DataError, match=r"holds neither train.rec nor images"):
        inspect(tmp_path)
    make_set(tmp_path / "set", [2])
    index = tmp_path / "set/train.idx"
    index.write_text("".join(index.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(DataError, match=r"lacks record 2 .*`data check`"):
        inspect(tmp_path / "set")


def test_only_a_sample_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are those of all records; images are read for a sample of them."""
    make_set(tmp_path, [1])
    image = RecordReader(tmp_path / "train.rec")[1].image
    with TrainingSetWriter(tmp_path / "big") as writer:
        for k in range(20_000):
            writer.add(k // 100, image)
    read: list[int] = []
    monkeypatch.setattr(Records, "read", lambda self, i: (read.append(i), image)[1])
    found = inspect(tmp_path / "big")
    assert (found.images, found.classes, found.sampled) == (20_000, 200, SAMPLE)
    assert len(set(read)) == len(read) == SAMPLE
    assert (min(read), max(read)) == (0, 19_999)


def test_real_data(real_data: Path) -> None:
    found = inspect(real_data / "cfp_train")
    assert (found.images, found.classes, set(found.per_class)) == (4536, 324, {14})
    assert found.colour.startswith("redder than blue, as faces are")
    pairs = inspect(real_data / "lfw" / "lfw.bin")
    assert (pairs.images, pairs.unique_images, pairs.same) == (12000, 7701, 3000)
    assert pairs.colour.startswith("redder than blue, as faces are")
