"""Pictures of a data set: a contact sheet of classes or pairs, a histogram of images per class."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.collection import Folder, Pairs, Records
from data_prep.errors import DataError, UserError, printable
from data_prep.files import check_writable, replacing, write_bytes
from data_prep.images import Image, decode_rgb, encode_as
from data_prep.inspect.inspect import Inspection, labels_of
from data_prep.inspect.sheet import GAP, GREEN, INK, RED, SIZE, Sheet, shortened
from data_prep.inspect.text import histogram

ROWS, COLUMNS = 14, 10
CLASS_LABEL, PAIR_LABEL = 160, 80  # pixels for the words beside a class and a pair
_NAME = 20  # letters that fit beside a class
_BAR = "#4878a8"


def write_sheet(
    collection: Records | Pairs | Folder, path: str | os.PathLike[str], *, rows: int = ROWS
) -> None:
    """A PNG or JPEG of `rows` classes spread over the set, or of as many rows of pairs.

    A class's row shows images spread over the class. A row of pairs shows two same pairs (green),
    then two different ones (red). A broken image is a crossed box.
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
    sheet = Sheet(len(chosen), CLASS_LABEL + max(2, columns) * (SIZE + GAP))
    sheet.heading(f"{len(chosen):,} of {len(present):,} classes")
    for row, at in enumerate(chosen):
        label = int(present[at])
        name = printable(collection.class_names.get(label, ""))
        images = "1 image" if counts[at] == 1 else f"{counts[at]:,} images"
        lines = [f"class {label}", shortened(name, _NAME), images]
        sheet.label(row, [line for line in lines if line])
        for column, k in enumerate(_spread(int(counts[at]), columns)):
            picture = _thumbnail(collection, int(order[starts[at] + k]))
            sheet.place(row, CLASS_LABEL + column * (SIZE + GAP), picture)
    return sheet.drawn()


def _sheet_of_pairs(pairs: Pairs, rows: int) -> Image:
    width = PAIR_LABEL + 2 * SIZE + GAP
    kinds = [
        ("same", GREEN, np.flatnonzero(pairs.same)),
        ("different", RED, np.flatnonzero(~pairs.same)),
    ]
    chosen = [kind[_spread(len(kind), 2 * rows)] if len(kind) else kind for *_, kind in kinds]
    sheet = Sheet(max((len(kind) + 1) // 2 for kind in chosen), 4 * width)
    for side, (name, colour, kind) in enumerate(kinds):
        shown = chosen[side].tolist()
        sheet.heading(f"{len(shown):,} of {len(kind):,} {name} pairs", 2 * side * width, colour)
        for at, k in enumerate(shown):
            row, left = at // 2, (2 * side + at % 2) * width
            sheet.label(row, [f"pair {k}", name], left, colour)
            for i in (0, 1):
                picture = _thumbnail(pairs, 2 * k + i)
                sheet.place(row, left + PAIR_LABEL + i * SIZE, picture)
    return sheet.drawn()


def _thumbnail(collection: Records | Pairs | Folder, i: int) -> Image:
    """Image i within 112x112, not distorted; a crossed box if it is broken."""
    try:
        image = decode_rgb(collection.read(i))
    except DataError:
        image = np.full((SIZE, SIZE, 3), 200, np.uint8)
        cv2.line(image, (8, 8), (SIZE - 9, SIZE - 9), INK, 3)
        cv2.line(image, (8, SIZE - 9), (SIZE - 9, 8), INK, 3)
        return image
    scale = SIZE / max(image.shape[:2])
    if scale != 1:
        width, height = (max(1, round(side * scale)) for side in image.shape[1::-1])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return image


def write_histogram(found: Inspection, path: str | os.PathLike[str]) -> None:
    """A PNG or JPEG of how many classes have how many images. UserError for a pair file."""
    path = Path(path)
    check_picture_name(path)
    if not found.classes:
        raise UserError(f"{found.path}: a pair file has no classes to draw a histogram of")
    from matplotlib.figure import Figure  # half a second that only this picture needs
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    counts: NDArray[np.int64] = found.per_class[found.per_class > 0]
    spans, heights = histogram(counts)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.bar(spans, heights, color=_BAR, width=0.9)
    axes.bar_label(bars, [f"{height:,}" if height else "" for height in heights], padding=2)
    axes.set_xlim(min(-0.5, len(spans) / 2 - 2.5), max(len(spans) - 0.5, len(spans) / 2 + 1.5))
    axes.margins(y=0.1)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.tick_params(axis="x", rotation=30 if len(spans) > 8 else 0)
    axes.set_xlabel("images per class")
    axes.set_ylabel("number of classes")
    axes.set_title(f"{found.images:,} images of {len(counts):,} classes")
    with replacing(path) as file:
        figure.savefig(file, format="png" if path.suffix.lower() == ".png" else "jpg", dpi=120)
