"""The report of an alignment: rows that survive interruptions, counts, percentiles, a picture."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from data_prep.align.report import (
    COLUMNS,
    CSV_NAME,
    JSON_NAME,
    PNG_NAME,
    Journal,
    Row,
    Summary,
    begin,
    draw,
    finish,
    read_rows,
)  # fmt: skip
from data_prep.errors import DataError, UserError
from data_prep.images import read_rgb


def found(name: str, side: float = 130.0, yaw: float = 5.0, status: str = "found") -> Row:
    return Row(name, status, "landmarks", 1, 250, 250, 0.9, side, yaw, "1 2 3 4 5 6 7 8 9 10")


def crop(out: Path, name: str, data: bytes = b"crop") -> None:
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    (out / name).write_bytes(data)


def write(out: Path, *rows: Row) -> None:
    with Journal(out) as journal:
        for row in rows:
            journal.add(row)


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    names = ["a/1.jpg", 'b, "c"\n.jpg', b"\xe9.png".decode("utf-8", "surrogateescape"), "=x", "'=x"]
    write(tmp_path, *map(found, names))
    rows = list(read_rows(tmp_path / CSV_NAME))
    assert [row["path"] for row in rows] == names
    assert set(rows[0]) == set(COLUMNS)
    assert (rows[0]["status"], rows[0]["crop_side"], rows[0]["yaw"]) == ("found", "130.0", "5.0")


def test_formulas_are_marked_as_text(tmp_path: Path) -> None:
    write(tmp_path, found("=1+1/a.jpg"), found("-x.jpg"))
    cells = (tmp_path / CSV_NAME).read_text().splitlines()[1:]
    assert [cell.split(",")[0] for cell in cells] == ["'=1+1/a.jpg", "'-x.jpg"]


def test_a_journal_keeps_rows_whose_crop_is_there(tmp_path: Path) -> None:
    """Gone: a row without its crop, one with an empty crop, one of a photo without a face."""
    for name in ("a.jpg", "b.png", "=c.jpg"):  # b.png is the crop of b.gif
        crop(tmp_path, name)
    crop(tmp_path, "empty.jpg", b"")
    rows = map(found, ("a.jpg", "b.gif", "=c.jpg", "gone.jpg", "empty.jpg"))
    write(tmp_path, *rows, Row("none.jpg", "none"), Row("u.jpg", "unlisted"))
    with Journal(tmp_path) as journal:
        kept = {name for name in ("a.jpg", "b.gif", "=c.jpg", "gone.jpg", "empty.jpg", "none.jpg")
                if name in journal}  # fmt: skip
    assert kept == {"a.jpg", "b.gif", "=c.jpg"}
    assert [row["path"] for row in read_rows(tmp_path / CSV_NAME)] == ["a.jpg", "b.gif", "=c.jpg"]


def test_a_row_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, found("a.jpg"), found("b.jpg"))
    path = tmp_path / CSV_NAME
    path.write_text(path.read_text()[:-30])
    assert [row["path"] for row in read_rows(path)] == ["a.jpg"]
    assert list(read_rows(tmp_path / "none.csv")) == []


def test_another_versions_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / CSV_NAME).write_text("path,score\n")
    with pytest.raises(DataError, match=r"align-report.csv: not a report of this version"):
        list(read_rows(tmp_path / CSV_NAME))


def test_settings_may_not_change_but_for_a_fallback_that_comes_later(tmp_path: Path) -> None:
    settings = {"detector": "yunet", "fallback": "none", "quality": 95}
    begin(tmp_path, settings)
    begin(tmp_path, settings | {"fallback": "center"})
    with pytest.raises(UserError, match="begun with fallback=center"):
        begin(tmp_path, settings)
    with pytest.raises(UserError, match=r"begun with detector=yunet, quality=95"):
        begin(tmp_path, {"detector": "x", "fallback": "center", "quality": 1})
    (tmp_path / JSON_NAME).write_text("[]")
    with pytest.raises(DataError, match="unreadable"):
        begin(tmp_path, settings)
    crop(tmp_path / "full", "mine.jpg")
    with pytest.raises(UserError, match="nothing is overwritten"):
        begin(tmp_path / "full", settings)


def test_summary_counts_every_status(tmp_path: Path) -> None:
    write(
        tmp_path, *(found(f"{k}.jpg", side=100 + k, yaw=k - 10) for k in range(21)),
        found("s.jpg", status="several"), Row("n.jpg", "none"), Row("u.jpg", "unlisted", "center"),
        Row("x.jpg", "unreadable", note="cut"),
    )  # fmt: skip
    summary = Summary(already_there=3)
    finish(tmp_path, {"pick": "best"}, summary)
    assert (summary.photos, summary.found, summary.several) == (25, 21, 1)
    assert (summary.none, summary.unlisted, summary.unreadable) == (1, 1, 1)
    assert (summary.crops, summary.enlarged) == (23, 12)
    assert summary.crop_side == [101, 105, 110, 116, 120]
    assert summary.yaw == [-9, -5, 1, 6, 10] or summary.yaw == [-9, -5, 0, 5, 9]
    content = json.loads((tmp_path / JSON_NAME).read_text())
    assert content["settings"] == {"pick": "best"}
    assert content["summary"]["unlisted"] == 1
    assert content["summary"]["already_there"] == 3
    assert read_rgb(tmp_path / PNG_NAME).shape == (360, 1200, 3)


@pytest.mark.parametrize("unlisted", [0, 4])
@pytest.mark.parametrize("sides", [Counter(), Counter({90: 2, 130: 5}), Counter({3000: 1, 111: 1})])
def test_picture(
    tmp_path: Path, sides: Counter, unlisted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda f, *a, **k: (figures.append(f), save(f, *a, **k)))
    summary = Summary(photos=1234, found=1229, none=1, unlisted=unlisted)
    draw(tmp_path / "r.png", sides, Counter({-30: 2, 5: 3}), summary)
    outcome, size, yaw = figures[0].axes
    assert outcome.get_title() == "Outcome (1,234 photos)"
    names = [label.get_text().replace("\n", " ") for label in outcome.get_xticklabels()]
    listed = ["not in the list"] if unlisted else []
    assert names == ["one face", "several faces", "no face", *listed, "unreadable"]
    assert outcome.texts[0].get_text() == "1,229"
    assert all(axes.get_ylabel() == "photos" for axes in figures[0].axes)
    assert "(pixels)" in size.get_xlabel()
    assert "degrees" in yaw.get_xlabel()
    assert yaw.get_xticks().tolist() == [-90, -60, -30, 0, 30, 60, 90]
    assert len({bar.get_facecolor() for axes in figures[0].axes for bar in axes.patches}) == 1
    below = sum(b.get_height() for b in size.patches if b.get_x() + b.get_width() <= 112)
    assert below == sum(n for side, n in sides.items() if side < 112)  # no bar on both sides of it
    assert sum(bar.get_height() for bar in size.patches) == sides.total()
