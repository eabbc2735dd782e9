"""Contact sheets and histograms: each picture in its place, each word readable."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from data_prep.collection import open_collection
from data_prep.errors import UserError
from data_prep.image_header import image_header
from data_prep.images import read_rgb
from data_prep.inspect.inspect import inspect
from data_prep.inspect.pictures import CLASS_LABEL, PAIR_LABEL, write_histogram, write_sheet
from data_prep.inspect.sheet import GREEN, INK, RED, Sheet, top_of
from data_prep.pairs import write_pairs
from data_prep.training_set import TrainingSetWriter


def flat(rgb: tuple[int, int, int], side: int = 112, suffix: str = ".png") -> bytes:
    pixels = np.full((side, side, 3), rgb[::-1], np.uint8)
    return cv2.imencode(suffix, pixels)[1].tobytes()


SKIN, BLUISH, GREY = (180, 120, 90), (90, 120, 180), (100, 100, 100)


SKIN = (180, 120, 90)


def make_set(folder: Path, sizes: list[int], rgb: tuple[int, int, int] = SKIN) -> Path:
    with TrainingSetWriter(folder) as writer:
        for label, count in enumerate(sizes):
            for _ in range(count):
                writer.add(label, flat(rgb))
    return folder


def test_sheet_of_classes(tmp_path: Path) -> None:
    with TrainingSetWriter(tmp_path / "set") as writer:
        for label in range(3):
            for k in range(2):
                writer.add(label, flat((60 * label, 200, 20 * k)) if label < 2 else b"broken")
    write_sheet(open_collection(tmp_path / "set"), tmp_path / "sheet.png")
    sheet = read_rgb(tmp_path / "sheet.png")
    assert image_header((tmp_path / "sheet.png").read_bytes()) is not None
    assert sheet.shape == (top_of(3), CLASS_LABEL + 2 * 116 + 4, 3)
    for label in range(2):
        for k in range(2):
            at = sheet[top_of(label) + 56, CLASS_LABEL + 116 * k + 56]
            assert at.tolist() == [60 * label, 200, 20 * k]
    assert sheet[top_of(2) + 56, CLASS_LABEL + 56].tolist() == list(INK)  # a broken one is crossed
    write_sheet(open_collection(tmp_path / "set"), tmp_path / "two.jpg", rows=2)
    assert read_rgb(tmp_path / "two.jpg").shape[0] == top_of(2)


def test_sheet_of_pairs_and_of_odd_sizes(tmp_path: Path) -> None:
    images = [flat((k, 2 * k, 3 * k), 112 if k else 30) for k in range(20)]
    write_pairs(tmp_path / "a.bin", images, [k < 3 for k in range(10)])
    write_sheet(open_collection(tmp_path / "a.bin"), tmp_path / "sheet.png")
    sheet = read_rgb(tmp_path / "sheet.png")
    assert sheet.shape == (top_of(4), 4 * (2 * 112 + 4 + PAIR_LABEL) + 4, 3)
    left = 2 * (2 * 112 + 4 + PAIR_LABEL) + PAIR_LABEL  # the first different pair: number 3
    assert sheet[top_of(0) + 56, left + 56].tolist() == [6, 12, 18]
    assert sheet[top_of(0) + 56, left + 112 + 56].tolist() == [7, 14, 21]
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


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[int, int, int]]]:
    """What is written on sheets, and in which colour."""
    written: list[tuple[str, tuple[int, int, int]]] = []
    label, heading = Sheet.label, Sheet.heading

    def note_label(self: Sheet, row: int, lines: list[str], left: int = 0, colour=INK) -> None:
        written.extend((line, colour) for line in lines)
        label(self, row, lines, left, colour)

    def note_heading(self: Sheet, text: str, left: int = 0, colour=INK) -> None:
        written.append((text, colour))
        heading(self, text, left, colour)

    monkeypatch.setattr(Sheet, "label", note_label)
    monkeypatch.setattr(Sheet, "heading", note_heading)
    return written


def test_words_on_a_sheet_of_classes(tmp_path: Path, words: list) -> None:
    names = {"Zoë": 1, "x" * 30: 2, b"an\xe9".decode("utf-8", "surrogateescape"): 1}
    for name, count in names.items():
        for k in range(count):
            (tmp_path / "set" / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / name / f"{k}.png").write_bytes(flat(SKIN))
    write_sheet(open_collection(tmp_path / "set"), tmp_path / "s.png")
    texts = [text for text, _ in words]
    assert texts[0] == "3 of 3 classes"
    assert {"Zoë", "x" * 19 + "…", "an\\xe9", "1 image", "2 images", "class 2"} <= set(texts)


def test_words_on_a_sheet_of_pairs_have_the_colour_of_their_kind(
    tmp_path: Path, words: list
) -> None:
    write_pairs(tmp_path / "a.bin", [flat((k, k, k)) for k in range(8)], [True, False, False, True])
    write_sheet(open_collection(tmp_path / "a.bin"), tmp_path / "s.png")
    assert ("2 of 2 same pairs", GREEN) in words
    assert ("2 of 2 different pairs", RED) in words
    assert [text for text, colour in words if colour == GREEN and text.startswith("pair")] == [
        "pair 0", "pair 3",
    ]  # fmt: skip
    sheet = read_rgb(tmp_path / "s.png").astype(int)
    green = (sheet[..., 1] > sheet[..., 0] + 60).nonzero()[1]
    red = (sheet[..., 0] > sheet[..., 1] + 60).nonzero()[1]
    assert green.max() < sheet.shape[1] // 2 <= red.min()  # drawn, and on their own half


def test_histogram_has_counts_names_and_whole_ticks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda f, *a, **k: (figures.append(f), save(f, *a, **k)))
    write_histogram(inspect(make_set(tmp_path / "set", [1, 1, 40])), tmp_path / "h.png")
    axes = figures[0].axes[0]
    spans = [label.get_text() for label in axes.get_xticklabels()]
    assert spans == ["1", "2 to 3", "4 to 7", "8 to 15", "16 to 31", "32 to 63"]
    assert [text.get_text() for text in axes.texts] == ["2", "", "", "", "", "1"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("images per class", "number of classes")
    assert axes.get_title() == "42 images of 3 classes"
    assert all(tick == int(tick) for tick in axes.get_yticks())
