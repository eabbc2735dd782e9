"""Folder trees in, the same trees of crops out; resumed, reported, never overwritten."""

from __future__ import annotations

import csv
import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

import data_prep.align.align as align_module
from data_prep.align.align import align
from data_prep.align.detector import Face, YuNet
from data_prep.align.face_crop import TEMPLATE, center_crop, crop
from data_prep.align.landmarks import Landmarks
from data_prep.align.report import Row, read_rows
from data_prep.errors import DataError, UserError
from data_prep.image_header import image_header
from data_prep.images import Image, decode_rgb, encode_as, read_rgb
from data_prep.pairs import read_pairs

RNG = np.random.default_rng(0)
GOOD = ("anna/1.jpg", "anna/2.PNG", "ben/deep/x.webp", "ben/y.bmp", "top.jpeg")


class Template:
    """A finder that sees the template's face at twice its size, but not in `blind` photos."""

    no_face = "none"

    def __init__(self, blind: tuple[str, ...] = (), several: tuple[str, ...] = ()) -> None:
        self.blind, self.several = blind, several
        self.seen: list[str] = []

    def settings(self) -> dict[str, str | float]:
        return {"detector": "template"}

    def faces(self, name: str, image: Image) -> list[Face]:
        self.seen.append(name)
        if name in self.blind:
            return []
        face = Face((10.0, 10.0, 200.0, 200.0), TEMPLATE * 2, 0.9)
        small = Face((0.0, 0.0, 9.0, 9.0), TEMPLATE / 9, 0.95)
        return [small, face] if name in self.several else [face]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    src = tmp_path / "photos"
    for name in GOOD:
        path = src / name
        path.parent.mkdir(parents=True, exist_ok=True)
        photo = cv2.GaussianBlur(RNG.integers(0, 256, (230, 240, 3), np.uint8), (0, 0), 5)
        path.write_bytes(encode_as(path.suffix, photo))
    (src / "anna" / "notes.txt").write_text("not a photo")
    (src / "anna" / "broken.jpg").write_bytes((src / "anna/1.jpg").read_bytes()[:2000])
    return src


def files(out: Path) -> set[str]:
    return {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}


REPORTS = {"align-report.csv", "align-report.json", "align-report.png"}


def test_makes_the_same_tree_and_reports(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "crops"
    calls: list[tuple[int, int]] = []
    finder = Template(blind=("ben/y.bmp",), several=("anna/1.jpg",))
    summary = align(photos, out, finder, progress=lambda done, total: calls.append((done, total)))
    assert files(out) == set(GOOD) - {"ben/y.bmp"} | REPORTS
    assert (summary.photos, summary.crops, summary.other_files) == (6, 4, 1)
    assert (summary.found, summary.several, summary.none, summary.unreadable) == (3, 1, 1, 1)
    assert calls[-1] == (6, 6)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    for name in set(GOOD) - {"ben/y.bmp"}:
        made = read_rgb(out / name).astype(int)
        wanted = crop(read_rgb(photos / name), TEMPLATE * 2)
        assert np.abs(made - wanted).mean() < 1.5
    assert image_header((out / "anna/2.PNG").read_bytes()) == ("png", 112, 112)
    rows = {row["path"]: row for row in read_rows(out / "align-report.csv")}
    assert list(rows) == ["top.jpeg", "anna/1.jpg", "anna/2.PNG", "anna/broken.jpg", "ben/y.bmp",
                          "ben/deep/x.webp"]  # fmt: skip
    assert rows["anna/1.jpg"]["status"] == "several"
    assert rows["anna/1.jpg"]["faces"] == "2"
    assert rows["ben/y.bmp"]["status"] == "none"
    assert "truncated or corrupt JPEG" in rows["anna/broken.jpg"]["note"]
    assert str(tmp_path) not in rows["anna/broken.jpg"]["note"]
    assert float(rows["top.jpeg"]["crop_side"]) == pytest.approx(224)
    assert [float(x) for x in rows["top.jpeg"]["landmarks"].split()] == pytest.approx(
        (TEMPLATE * 2).ravel(), abs=0.01
    )
    written = json.loads((out / "align-report.json").read_text())
    assert written["summary"]["crops"] == 4
    assert written["summary"]["crop_side"] == [224] * 5
    assert written["settings"]["pick"] == "central-and-large"
    assert image_header((out / "align-report.png").read_bytes()) == ("png", 1200, 360)


def test_fallback_crops_the_centre(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "crops"
    align(photos, out, Template(blind=("ben/y.bmp",)))
    summary = align(photos, out, Template(blind=("ben/y.bmp",)), fallback="center")
    assert (summary.none, summary.crops, summary.already_there) == (1, 5, 4)
    assert (read_rgb(out / "ben/y.bmp") == center_crop(read_rgb(photos / "ben/y.bmp"))).all()
    with pytest.raises(UserError, match="begun with fallback=center"):
        align(photos, out, Template())


def test_a_second_run_does_only_what_is_missing(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "crops"
    align(photos, out, Template())
    before = (out / "anna/1.jpg").stat().st_mtime_ns
    (out / "ben/y.bmp").unlink()
    (out / "top.jpeg").write_bytes(b"")
    (photos / "anna/broken.jpg").write_bytes((photos / "anna/1.jpg").read_bytes())  # mended
    (photos / "new.jpg").write_bytes((photos / "anna/1.jpg").read_bytes())
    finder = Template()
    summary = align(photos, out, finder)
    assert sorted(finder.seen) == ["anna/broken.jpg", "ben/y.bmp", "new.jpg", "top.jpeg"]
    assert (summary.photos, summary.crops, summary.unreadable, summary.already_there) == (
        7,
        7,
        0,
        3,
    )
    assert (out / "anna/1.jpg").stat().st_mtime_ns == before
    paths = [row["path"] for row in read_rows(out / "align-report.csv")]
    assert len(paths) == len(set(paths)) == 7


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_interrupted_it_goes_on_where_it_stopped(
    photos: Path, tmp_path: Path, stop: type[BaseException]
) -> None:
    for k in range(30):
        (photos / f"more{k:02d}.jpg").write_bytes((photos / "top.jpeg").read_bytes())
    out = tmp_path / "crops"

    def interrupt(done: int, total: int) -> None:
        if done == 12:
            raise stop

    others = threading.active_count()
    with pytest.raises(stop):
        align(photos, out, Template(), threads=2, progress=interrupt)
    crops = files(out) - REPORTS
    rows = [row["path"] for row in read_rows(out / "align-report.csv")]
    assert 12 <= len(crops) < 36
    assert crops <= set(rows)  # what is done is recorded
    assert not list(out.rglob("*.partial"))
    finder = Template()
    summary = align(photos, out, finder, threads=2)
    assert summary.crops == 35
    assert not set(finder.seen) & crops
    assert threading.active_count() <= others


def test_killed_between_crop_and_row(photos: Path, tmp_path: Path) -> None:
    """The last row is cut short, a crop has no row, a temporary file lies about."""
    out = tmp_path / "crops"
    align(photos, out, Template())
    report = out / "align-report.csv"
    lines = report.read_text().splitlines(keepends=True)
    report.write_text("".join(lines[:3]) + lines[3][:20])
    (out / "ben" / ".y.bmp.partial").write_bytes(b"half")
    finder = Template()
    summary = align(photos, out, finder)
    assert summary.already_there == 2
    assert (summary.photos, summary.crops) == (6, 5)
    assert not list(out.rglob("*.partial"))


def test_never_overwrites(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "crops"
    out.mkdir()
    (out / "mine.jpg").write_bytes(b"precious")
    with pytest.raises(UserError, match="nothing is overwritten; choose another OUT"):
        align(photos, out, Template())
    assert files(out) == {"mine.jpg"}
    (out / "mine.jpg").unlink()
    align(photos, out, Template())  # an empty folder is fine
    with pytest.raises(UserError, match="begun with pick=central-and-large, quality=95"):
        align(photos, out, Template(), pick="best", quality=90)
    (out / "align-report.json").write_text("{}")
    with pytest.raises(DataError, match=r"align-report\.json: unreadable"):
        align(photos, out, Template())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pick": "any"}, "--pick 'any' is not known"),
        ({"fallback": "crop"}, "--fallback 'crop' is not known"),
        ({"quality": 0}, "--quality 0 is out of range"),
        ({"threads": 0}, "--threads 0"),
    ],
)
def test_wrong_options(
    photos: Path, tmp_path: Path, options: dict[str, str | int], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        align(photos, tmp_path / "crops", Template(), **options)  # type: ignore[arg-type]
    assert not (tmp_path / "crops").exists()


def test_wrong_folders(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder of photos"):
        align(tmp_path / "nowhere", tmp_path / "crops", Template())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF photo"):
        align(tmp_path / "empty", tmp_path / "crops", Template())
    for out in (photos, photos / "crops", tmp_path):
        with pytest.raises(UserError, match="contain each other"):
            align(photos, out, Template())


@pytest.mark.parametrize(
    ("suffix", "crop_format"),
    [(".gif", "png"), (".tif", "tiff"), (".TIFF", "tiff"), (".avif", "avif")],
)
def test_more_formats(tmp_path: Path, suffix: str, crop_format: str) -> None:
    """A crop keeps its format, but a GIF's 256 colours are too few for one."""
    photo = cv2.GaussianBlur(RNG.integers(0, 256, (230, 240, 3), np.uint8), (0, 0), 5)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / f"x{suffix}").write_bytes(
        cv2.imencode(suffix.lower(), photo)[1].tobytes()
    )
    out = tmp_path / "crops"
    assert align(tmp_path / "photos", out, Template()).crops == 1
    target = out / ("x.png" if suffix == ".gif" else f"x{suffix}")
    assert image_header(target.read_bytes()) == (crop_format, 112, 112)
    wanted = crop(read_rgb(tmp_path / "photos" / f"x{suffix}"), TEMPLATE * 2)
    assert np.abs(read_rgb(target).astype(int) - wanted).mean() < 3
    assert align(tmp_path / "photos", out, Template()).already_there == 1


def test_two_photos_never_become_one_crop(photos: Path, tmp_path: Path) -> None:
    photo = np.zeros((230, 240, 3), np.uint8)
    for suffix in (".gif", ".png"):
        (photos / "anna" / f"twin{suffix}").write_bytes(cv2.imencode(suffix, photo)[1].tobytes())
    with pytest.raises(DataError, match=r"anna: twin.gif and twin.png would both become twin.png"):
        align(photos, tmp_path / "crops", Template())


def test_odd_file_names(photos: Path, tmp_path: Path) -> None:
    odd = photos / 'ünï, "quoted"\nline' / b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    odd.parent.mkdir()
    odd.write_bytes((photos / "anna/1.jpg").read_bytes())
    out = tmp_path / "crops"
    assert align(photos, out, Template()).crops == 6
    assert (out / odd.relative_to(photos)).is_file()
    assert align(photos, out, Template()).already_there == 5 + 1


def test_landmark_lists(photos: Path, tmp_path: Path) -> None:
    numbers = [f"{n:.2f}" for n in (TEMPLATE * 2).ravel()]
    path = tmp_path / "list.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([name, *numbers] for name in GOOD[:3])
    summary = align(photos, tmp_path / "crops", Landmarks(path))
    assert (summary.found, summary.none, summary.unreadable) == (3, 0, 1)
    assert summary.unlisted == 2
    rows = {row["path"]: row["status"] for row in read_rows(tmp_path / "crops/align-report.csv")}
    assert rows["ben/y.bmp"] == "unlisted"
    made = read_rgb(tmp_path / "crops" / "anna/2.PNG")
    assert np.abs(made.astype(int) - crop(read_rgb(photos / "anna/2.PNG"), TEMPLATE * 2)).max() < 3
    path.write_text(f"photos/anna/1.jpg {' '.join(numbers)}\n")
    with pytest.raises(
        DataError, match=r"names no photo .* it has 'photos/anna/1.jpg', the folder"
    ):
        align(photos, tmp_path / "other", Landmarks(path))


def test_few_photos_are_in_flight(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flat memory: the walk never runs ahead of the work by more than a few photos a thread."""
    started = 0
    most = 0

    def fake(self: object, src: Path, out: Path, name: str) -> Row:
        nonlocal started
        started += 1
        return Row(name, "none")

    def watch(done: int, total: int) -> None:
        nonlocal most
        most = max(most, started - done)

    monkeypatch.setattr(align_module.Aligner, "align_file", fake)
    monkeypatch.setattr(align_module, "_photos", lambda src: (f"{i}.jpg" for i in range(500)))
    monkeypatch.setattr(align_module, "_count", lambda src: (0, 500))
    align(photos, tmp_path / "crops", Template(), threads=3, progress=watch)
    assert started == 500
    assert most <= 12


def test_real_photos_match_the_published_crops(real_data: Path, tmp_path: Path) -> None:
    """The photos that LFW's pair file shows too give the crops that stand there."""
    model = real_data / "models" / "face_detection_yunet.onnx"
    summary = align(real_data / "photos", tmp_path / "crops", YuNet(model))
    assert (summary.photos, summary.crops, summary.found, summary.several) == (60, 60, 52, 8)
    assert 100 < summary.crop_side[0] <= summary.crop_side[4] < 200
    assert -45 < summary.yaw[0] < 0 < summary.yaw[4] < 45
    crops = [read_rgb(path) for path in sorted((tmp_path / "crops").rglob("*/*.jpg"))]
    judged = list(dict.fromkeys(read_pairs(real_data / "lfw" / "lfw.bin")[0]))
    judged_small = np.stack([small(decode_rgb(data)) for data in judged])
    same = 0
    for image in crops:
        nearest = int(np.abs(judged_small - small(image)).mean((1, 2, 3)).argmin())
        difference = np.abs(decode_rgb(judged[nearest]).astype(int) - image).mean()
        assert not 4 < difference < 12  # the same crop but for its JPEG quality, or another photo
        same += difference <= 4
    assert same == 21


def small(image: Image) -> np.ndarray:
    return cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32)
