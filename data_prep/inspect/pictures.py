"""Pictures of a data set: a contact sheet of classes or pairs, a histogram of images per class."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.collection import Folder, Pairs, Records
from data_prep.errors import DataError, UserError
from data_prep.files import check_writable, write_bytes
from data_prep.images import Image, decode_rgb, encode_as
from data_prep.inspect.inspect import Inspection, labels_of
from data_prep.inspect.text import histogram_edges

SIZE, GAP, LABEL = 112, 4, 92
ROWS, COLUMNS = 14, 10
_INK, _PAPER = (40, 40, 40), 250
_GREEN, _RED = (20, 130, 40), (180, 40, 30)


def write_sheet(
    collection: Records | Pairs | Folder, path: str | os.PathLike[str], *, rows: int = ROWS
) -> None:
    """A PNG or JPEG of `rows` classes spread over the set, or of as many rows of pairs.

    A class's row shows images spread over the class. A row of pairs shows two same pairs, then two
    different ones. A broken image is a crossed box.
    """
    path = Path(path)
    check_picture_name(path)
    if isinstance(collection, Pairs):
        sheet = _sheet_of_pairs(collection, rows)
    else:
        sheet = _sheet_of_classes(collection, rows)
    write_bytes(path, encode_as(path.suffix, sheet))


def check_picture_name(path: Path) -> None:
    """UserError unless a picture can be written to `path`."""
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"{path}: a picture's name must end in .png or .jpg")
    check_writable(path)


def _spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` numbers of 0 … count − 1, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(int)).tolist()


def _sheet_of_classes(collection: Records | Folder, rows: int) -> Image:
    labels, _ = labels_of(collection)
    order = np.argsort(labels, kind="stable")
    present, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    chosen = _spread(len(present), rows)
    columns = min(COLUMNS, int(counts[chosen].max()))
    sheet = _paper(len(chosen), LABEL + columns * (SIZE + GAP))
    for row, at in enumerate(chosen):
        label = int(present[at])
        name = collection.class_names.get(label, "")
        _write(sheet, row, [str(label), name[:14], f"{counts[at]} images"])
        for column, k in enumerate(_spread(int(counts[at]), columns)):
            picture = _thumbnail(collection, int(order[starts[at] + k]))
            _place(sheet, row, LABEL + column * (SIZE + GAP), picture)
    return sheet


def _sheet_of_pairs(pairs: Pairs, rows: int) -> Image:
    kinds = [np.flatnonzero(pairs.same), np.flatnonzero(~pairs.same)]
    width = 2 * SIZE + LABEL
    chosen = [kind[_spread(len(kind), 2 * rows)] if len(kind) else kind for kind in kinds]
    height = max((len(kind) + 1) // 2 for kind in chosen)
    sheet = _paper(height, 4 * width)
    for side, (kind, colour) in enumerate(zip(chosen, (_GREEN, _RED), strict=True)):
        for at, k in enumerate(kind.tolist()):
            row, left = at // 2, (2 * side + at % 2) * width
            _write(sheet, row, [f"pair {k}", "different" if side else "same"], left, colour)
            for i in (0, 1):
                picture = _thumbnail(pairs, 2 * k + i)
                _place(sheet, row, left + LABEL - GAP + i * SIZE, picture)
    return sheet


def _thumbnail(collection: Records | Pairs | Folder, i: int) -> Image:
    """Image i within 112x112, not distorted; a crossed box if it is broken."""
    try:
        image = decode_rgb(collection.read(i))
    except DataError:
        image = np.full((SIZE, SIZE, 3), 200, np.uint8)
        cv2.line(image, (8, 8), (SIZE - 9, SIZE - 9), _RED, 3)
        cv2.line(image, (8, SIZE - 9), (SIZE - 9, 8), _RED, 3)
        return image
    scale = SIZE / max(image.shape[:2])
    if scale != 1:
        width, height = (max(1, round(side * scale)) for side in image.shape[1::-1])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return image


def _paper(rows: int, width: int) -> Image:
    return np.full((rows * (SIZE + GAP) + GAP, width + GAP, 3), _PAPER, np.uint8)


def _place(sheet: Image, row: int, left: int, picture: Image) -> None:
    top = GAP + row * (SIZE + GAP)
    height, width = picture.shape[:2]
    sheet[top : top + height, left : left + width] = picture


def _write(
    sheet: Image,
    row: int,
    words: list[str],
    left: int = 0,
    colour: tuple[int, int, int] = _INK,
) -> None:
    top = GAP + row * (SIZE + GAP) + 44
    for k, word in enumerate(words):
        plain = word.encode("ascii", "replace").decode()  # OpenCV's letters are ASCII
        at = (left + 6, top + 18 * k)
        cv2.putText(sheet, plain, at, cv2.FONT_HERSHEY_SIMPLEX, 0.38, colour, 1, cv2.LINE_AA)


def write_histogram(found: Inspection, path: str | os.PathLike[str]) -> None:
    """A PNG of how many classes have how many images. UserError for a pair file."""
    path = Path(path)
    check_picture_name(path)
    if not found.classes:
        raise UserError(f"{found.path}: a pair file has no classes to draw a histogram of")
    from matplotlib.figure import Figure  # half a second that only this picture needs
    from matplotlib.ticker import MaxNLocator

    counts: NDArray[np.int64] = found.per_class[found.per_class > 0]
    edges = histogram_edges(counts)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    wide = edges[-1] - edges[0] > 12
    axes.hist(counts, bins=[edge if wide else edge - 0.5 for edge in edges], color="#4878a8")
    if wide:
        axes.set_xscale("log", base=2)
        axes.set_xticks(edges, [str(edge) for edge in edges])
    else:
        axes.set_xlim(edges[0] - 2, edges[-1] + 1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("images of the class")
    axes.set_ylabel("classes")
    axes.set_title(f"{found.images:,} images of {len(counts):,} classes")
    figure.savefig(path, dpi=120)
