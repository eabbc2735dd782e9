"""The commands pack, extract, inspect and check, as a user types them."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from arcface_plus.commands.data_check import check
from arcface_plus.commands.data_extract import extract
from arcface_plus.commands.data_inspect import inspect
from arcface_plus.commands.data_pack import pack
from data_prep.errors import UserError
from data_prep.pairs import write_pairs

app = typer.Typer()
for name, command in {"pack": pack, "extract": extract, "inspect": inspect, "check": check}.items():
    app.command(name)(command)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def face(seed: int, side: int = 112) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), np.uint8)
    pixels = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for k in range(6):
        folder = tmp_path / "photos" / f"person {k // 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{k}.jpg").write_bytes(face(k, 112 if k else 90))
    return tmp_path / "photos"


def test_from_folder_to_folder(photos: Path, tmp_path: Path) -> None:
    packed = run("pack", photos, tmp_path / "set", "--quality", 80)
    assert packed.exit_code == 0
    assert "6 images of 2 classes" in packed.output
    assert "not 112x112 JPEG, so encoded at quality 80: 1" in packed.output
    assert "run `data align` first" in packed.output
    inspected = run(
        "inspect", tmp_path / "set", "--sheet", tmp_path / "s.png", "--rows", 1,
        "--histogram", tmp_path / "h.png",
    )  # fmt: skip
    assert inspected.exit_code == 0
    assert "2; images in each: 3 to 3" in inspected.output
    assert (tmp_path / "s.png").is_file()
    assert (tmp_path / "h.png").is_file()
    extracted = run("extract", tmp_path / "set", tmp_path / "files")
    assert extracted.exit_code == 0
    assert "6 image files of 2 classes" in extracted.output
    assert (tmp_path / "files/person 1/000004.jpg").read_bytes() == face(3)
    assert run("check", tmp_path / "set").exit_code == 0


def test_check_reports_and_repairs(photos: Path, tmp_path: Path) -> None:
    for k in range(12):
        (photos / "person 1" / f"again{k:02d}.jpg").write_bytes(face(4))
    run("pack", photos, tmp_path / "set")
    write_pairs(tmp_path / "lfw.bin", [face(1), face(2)], [True])
    checked = run(
        "check", tmp_path / "set", "--against", tmp_path / "lfw.bin", "--csv", tmp_path / "f.csv",
        "--repair", tmp_path / "mended",
    )  # fmt: skip
    assert checked.exit_code == 2
    assert "duplicate: 12 · " in checked.output
    assert "… and 2 more (--csv FILE lists all)" in checked.output
    assert "leak: 2 · " in checked.output
    assert "4 images of 2 classes; 14 left out" in checked.output
    with open(tmp_path / "f.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    assert rows[-1]["kind"] == "leak"
    again = run("check", tmp_path / "mended", "--against", tmp_path / "lfw.bin")
    assert again.exit_code == 0
    assert "nothing is wrong" in again.output


def test_mistakes_are_user_errors(photos: Path, tmp_path: Path) -> None:
    for arguments in (
        ("pack", tmp_path / "none", tmp_path / "out"),
        ("extract", photos, tmp_path / "out"),
        ("inspect", tmp_path / "none.rec"),
        ("inspect", photos, "--sheet", tmp_path / "x.gif"),
        ("check", tmp_path / "none.bin"),
    ):
        assert isinstance(run(*arguments).exception, UserError), arguments
    assert run("pack", photos, tmp_path / "out", "--quality", 101).exit_code == 2
