"""What `data inspect` says of a set: counted, measured, drawn."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.collection import open_collection
from data_prep.errors import DataError, UserError
from data_prep.image_header import image_header
from data_prep.images import read_rgb
from data_prep.inspect.inspect import inspect
from data_prep.inspect.pictures import write_histogram, write_sheet
from data_prep.inspect.text import describe, histogram_edges, histogram_lines, size
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
    assert found.colour.startswith("as faces are")
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
    [(SKIN, "as faces"), (BLUISH, "swapped"), (GREY, "grey"), ((100, 96, 97), "told")],
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
    assert "says 12 classes, the labels 10" in text


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


@pytest.mark.parametrize(
    ("counts", "edges"),
    [
        ([14, 14], [14, 15]),
        ([1, 3], [1, 2, 3, 4]),
        ([2, 500], [2, 4, 8, 16, 32, 64, 128, 256, 512]),
        ([20, 33], [16, 32, 64]),
    ],
)
def test_histogram_bins_hold_every_count(counts: list[int], edges: list[int]) -> None:
    assert histogram_edges(np.array(counts)) == edges
    rng = np.random.default_rng(0)
    many = rng.integers(min(counts), max(counts) + 1, 1000)
    lines = histogram_lines(many)[1:]
    assert sum(int(line[14:].split()[0].replace(",", "")) for line in lines) == 1000


def test_sizes_for_people() -> None:
    assert [size(n) for n in (0, 999, 1000, 18_437_000_000, 2e15)] == [
        "0 B", "999 B", "1 kB", "18.4 GB", "2e+03 TB",
    ]  # fmt: skip


def test_sheet_of_classes(tmp_path: Path) -> None:
    with TrainingSetWriter(tmp_path / "set") as writer:
        for label in range(3):
            for k in range(2):
                writer.add(label, flat((60 * label, 200, 20 * k)) if label < 2 else b"broken")
    write_sheet(open_collection(tmp_path / "set"), tmp_path / "sheet.png")
    sheet = read_rgb(tmp_path / "sheet.png")
    assert image_header((tmp_path / "sheet.png").read_bytes()) is not None
    assert sheet.shape == (3 * 116 + 4, 92 + 2 * 116 + 4, 3)
    for label in range(2):
        for k in range(2):
            at = sheet[4 + 116 * label + 56, 92 + 116 * k + 56]
            assert at.tolist() == [60 * label, 200, 20 * k]
    assert sheet[4 + 116 * 2 + 56, 92 + 56].tolist() == [180, 40, 30]  # the cross of a broken one
    write_sheet(open_collection(tmp_path / "set"), tmp_path / "two.jpg", rows=2)
    assert read_rgb(tmp_path / "two.jpg").shape[0] == 2 * 116 + 4


def test_sheet_of_pairs_and_of_odd_sizes(tmp_path: Path) -> None:
    images = [flat((k, 2 * k, 3 * k), 112 if k else 30) for k in range(20)]
    write_pairs(tmp_path / "a.bin", images, [k < 3 for k in range(10)])
    write_sheet(open_collection(tmp_path / "a.bin"), tmp_path / "sheet.png")
    sheet = read_rgb(tmp_path / "sheet.png")
    assert sheet.shape == (4 * 116 + 4, 4 * (2 * 112 + 92) + 4, 3)
    left = 2 * (2 * 112 + 92) + 88  # the first different pair: number 3
    assert sheet[60, left + 56].tolist() == [6, 12, 18]
    assert sheet[60, left + 112 + 56].tolist() == [7, 14, 21]
    write_pairs(tmp_path / "same.bin", images[:4], [True, True])
    write_sheet(open_collection(tmp_path / "same.bin"), tmp_path / "same.png")


def test_pictures_that_cannot_be(tmp_path: Path) -> None:
    collection = open_collection(make_set(tmp_path / "set", [1]))
    with pytest.raises(UserError, match=r"must end in .png or .jpg"):
        write_sheet(collection, tmp_path / "sheet.pdf")
    with pytest.raises(UserError, match="its directory does not exist"):
        write_sheet(collection, tmp_path / "none" / "sheet.png")
    write_pairs(tmp_path / "a.bin", [flat(SKIN)] * 2, [True])
    with pytest.raises(UserError, match="no classes to draw"):
        write_histogram(inspect(tmp_path / "a.bin"), tmp_path / "h.png")


def test_histogram_picture(tmp_path: Path) -> None:
    for k, sizes in enumerate(([2, 2, 3], [1, 40])):
        write_histogram(inspect(make_set(tmp_path / str(k), sizes)), tmp_path / f"{k}.png")
        assert read_rgb(tmp_path / f"{k}.png").std() > 10


def test_fifty_thousand_records_in_a_moment(tmp_path: Path) -> None:
    """A tenth of the promised half million in a fifth of its five seconds, on a busy machine."""
    make_set(tmp_path, [1])
    image = RecordReader(tmp_path / "train.rec")[1].image
    with TrainingSetWriter(tmp_path / "big") as writer:
        for k in range(50_000):
            writer.add(k // 100, image)
    start = time.process_time()
    found = inspect(tmp_path / "big")
    assert time.process_time() - start < 2
    assert (found.images, found.classes) == (50_000, 500)


def test_real_data(real_data: Path) -> None:
    found = inspect(real_data / "cfp_train")
    assert (found.images, found.classes, set(found.per_class)) == (4536, 324, {14})
    assert found.colour.startswith("as faces are")
    pairs = inspect(real_data / "lfw" / "lfw.bin")
    assert (pairs.images, pairs.unique_images, pairs.same) == (12000, 7701, 3000)
    assert pairs.colour.startswith("as faces are")
