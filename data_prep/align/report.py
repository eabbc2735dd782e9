"""The report of an alignment: a CSV that grows as photos are done, a JSON, a picture.

An interrupted run resumes from the CSV: a photo is done if its row and its crop exist. Rows are
read and written one at a time, so memory does not grow with the photos.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_prep.crop_size import SIDE
from data_prep.csv_cells import as_cell, from_cell
from data_prep.errors import DataError, UserError
from data_prep.files import replacing, write_text
from data_prep.images import ALIGN_REPORT_PICTURE, crop_name

CSV_NAME, JSON_NAME, PNG_NAME = "align-report.csv", "align-report.json", ALIGN_REPORT_PICTURE
REPORT_NAMES = frozenset({CSV_NAME, JSON_NAME, PNG_NAME})
STATUSES = ("found", "several", "none", "unlisted", "unreadable")


@dataclass(frozen=True)
class Row:
    """One photo: its path in SRC and in OUT; `crop` is how it was cut (landmarks, center or "").

    Lengths are in pixels of the photo, yaw in degrees; `landmarks` are x y of the five points.
    """

    path: str
    status: str
    crop: str = ""
    faces: int = 0
    width: int = 0
    height: int = 0
    score: float | str = ""
    crop_side: float | str = ""
    yaw: float | str = ""
    landmarks: str = ""
    note: str = ""


COLUMNS = tuple(column.name for column in fields(Row))


@dataclass
class Summary:
    """Counts over the whole of OUT, earlier runs included, except `already_there` and `seconds`.

    `crop_side` and `yaw` hold the 5th, 25th, 50th, 75th and 95th percentile, in photo pixels and
    degrees.
    """

    photos: int = 0
    found: int = 0
    several: int = 0
    none: int = 0
    unlisted: int = 0  # the landmark list does not name them
    unreadable: int = 0
    crops: int = 0
    enlarged: int = 0
    already_there: int = 0
    other_files: int = 0
    seconds: float = 0.0
    crop_side: list[float] = field(default_factory=list)
    yaw: list[float] = field(default_factory=list)


class Journal:
    """The CSV of an OUT folder, opened for adding rows (a context manager)."""

    def __init__(self, out: Path) -> None:
        """Keeps the rows of earlier runs whose crop is there, drops the rest: it is done again."""
        path = out / CSV_NAME
        self._done = _hashes(_prune(path, out))
        self._file = path.open("a", newline="", encoding="utf-8", errors="surrogateescape")
        self._writer = csv.writer(self._file)
        if self._file.tell() == 0:
            self._writer.writerow(COLUMNS)

    def __contains__(self, path: str) -> bool:
        key = _hash(path)
        at = int(np.searchsorted(self._done, key))
        return at < len(self._done) and bool(self._done[at] == key)

    def add(self, row: Row) -> None:
        self._writer.writerow(astuple(replace(row, path=as_cell(row.path))))
        self._file.flush()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a report, column name → text; a truncated row is left out."""
    if not path.is_file():
        return
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.reader(file)
        if tuple(next(rows, COLUMNS)) != COLUMNS:
            raise DataError(f"{path}: not a report of this version; choose another OUT folder")
        try:
            for row in rows:
                if len(row) == len(COLUMNS) and row[1] in STATUSES:
                    yield dict(zip(COLUMNS, [from_cell(row[0]), *row[1:]], strict=True))
        except csv.Error as error:
            raise DataError(f"{path}: line {rows.line_num}: {error}; delete the file") from None


def _prune(path: Path, out: Path) -> Iterator[str]:
    """Rewrite the report without rows that lack their crop; yields the paths that stay."""
    if not path.is_file():
        return
    with replacing(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in read_rows(path):
            name, *others = row.values()
            if row["crop"] and _has_bytes(out / crop_name(name)):
                writer.writerow([as_cell(name), *others])
                yield name


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _hash(path: str) -> np.uint64:
    digest = hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return np.frombuffer(digest, np.uint64)[0]


def _hashes(paths: Iterator[str]) -> NDArray[np.uint64]:
    """Eight bytes a path: a set of 10 million strings would need a gigabyte."""
    return np.sort(np.fromiter((_hash(path) for path in paths), np.uint64))


def begin(out: Path, settings: dict[str, Any]) -> None:
    """Make or re-open OUT for these settings; UserError where a run would mix or overwrite."""
    path = out / JSON_NAME
    if path.is_file():
        try:
            earlier = json.loads(path.read_text())["settings"]
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{path}: unreadable; delete the folder or choose another") from None
        changed = [k for k, v in settings.items() if earlier.get(k) != v]
        if changed == ["fallback"] and earlier["fallback"] == "none":
            changed = []  # faces that were not found may still be cropped
        if changed:
            was = ", ".join(f"{k}={earlier.get(k)}" for k in changed)
            raise UserError(
                f"{out} was begun with {was}: two kinds of crops would mix; use the same options "
                "or another OUT folder"
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            f"{out} exists and was not made by data align: nothing is overwritten; "
            "choose another OUT folder"
        )
    out.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps({"settings": settings, "summary": None}, indent=1) + "\n")


def finish(out: Path, settings: dict[str, Any], summary: Summary) -> None:
    """Fill the summary's counts and percentiles from the CSV; write the JSON and the picture."""
    sides: Counter[int] = Counter()
    yaws: Counter[int] = Counter()
    for row in read_rows(out / CSV_NAME):
        summary.photos += 1
        setattr(summary, row["status"], getattr(summary, row["status"]) + 1)
        summary.crops += bool(row["crop"])
        if row["yaw"]:
            sides[round(float(row["crop_side"]))] += 1
            yaws[round(float(row["yaw"]))] += 1
            summary.enlarged += float(row["crop_side"]) < SIDE
    summary.crop_side, summary.yaw = _percentiles(sides), _percentiles(yaws)
    content = {"settings": settings, "summary": asdict(summary)}
    write_text(out / JSON_NAME, json.dumps(content, indent=1) + "\n")
    draw(out / PNG_NAME, sides, yaws, summary)


def _percentiles(counts: Counter[int]) -> list[float]:
    """5th, 25th, 50th, 75th and 95th percentile of whole numbers given as counts."""
    if not counts:
        return []
    values = sorted(counts)
    cumulative = np.cumsum([counts[value] for value in values])
    wanted = np.array((0.05, 0.25, 0.5, 0.75, 0.95)) * cumulative[-1]
    return [float(values[at]) for at in np.searchsorted(cumulative, wanted)]


_BAR = "#4878a8"
_OUTCOMES = {
    "found": "one face",
    "several": "several\nfaces",
    "none": "no face",
    "unlisted": "not in\nthe list",
    "unreadable": "unreadable",
}


def draw(path: Path, sides: Counter[int], yaws: Counter[int], summary: Summary) -> None:
    """A picture of three panels: outcomes, face sizes, yaw."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    outcome, size, yaw = figure.subplots(1, 3)
    shown = [status for status in STATUSES if status != "unlisted" or summary.unlisted]
    heights = [getattr(summary, status) for status in shown]
    bars = outcome.bar([_OUTCOMES[status] for status in shown], heights, color=_BAR)
    outcome.bar_label(bars, [f"{height:,}" for height in heights], padding=2)
    outcome.set(title=f"Outcome ({summary.photos:,} photos)")
    largest = max(224, *sides) if sides else 224
    # Parts or multiples of 112, so that no bar is on both sides of it; some 45 bars at most.
    step = next((s for s in (8, 16, 28, 56) if largest <= 45 * s), -(-largest // 5040) * SIDE)
    edges = np.arange(0, largest + step + 1, step)
    size.hist(list(sides), edges, weights=list(sides.values()), color=_BAR)
    size.axvline(SIDE, color="black", linestyle=":", label=f"{SIDE}: smaller faces are enlarged")
    size.set(title="Face size", xlabel="side of the crop in the photo (pixels)")
    size.legend(fontsize=8, loc="upper right", framealpha=1)
    yaw.hist(list(yaws), np.arange(-90, 91, 5), weights=list(yaws.values()), color=_BAR)
    yaw.set(title="Yaw (rough)", xlabel="degrees; positive: nose to image right", xlim=(-90, 90))
    yaw.set_xticks(range(-90, 91, 30))
    for axes in (outcome, size, yaw):
        axes.set_ylabel("photos")
        axes.margins(y=0.2)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    FigureCanvasAgg(figure)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=100)
