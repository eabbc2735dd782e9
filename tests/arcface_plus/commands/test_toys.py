"""`toys`: pictures and numbers of all figures, and where they cannot be written."""

from __future__ import annotations

import json

import cv2
import pytest

from arcface_plus.commands.toys import toys
from arcface_plus.models.regularizers import MHE
from arcface_plus.sphere import toys as figures
from arcface_plus.sphere.toys import Toy
from data_prep.errors import UserError


def test_pictures_and_points(tmp_path, monkeypatch, capsys):
    few = {
        "one": (Toy("a", MHE()),),
        "two": (Toy("b", MHE(half_space=True), lines=True), Toy("c", MHE(power=1.0), heavy=1)),
    }
    monkeypatch.setattr(figures, "FIGURES", few)
    toys(tmp_path / "out", seed=3)
    written = json.loads((tmp_path / "out/toys.json").read_text("utf-8"))
    assert (written["schema"], written["seed"]) == (1, 3)
    titles = {name: [p["title"] for p in made] for name, made in written["figures"].items()}
    assert titles == {"one": ["a"], "two": ["b", "c"]}
    one, two = (cv2.imread(str(tmp_path / f"out/{name}.png")) for name in few)
    assert two.shape[1] == 2 * one.shape[1]
    shown = capsys.readouterr().out.splitlines()
    angle = written["figures"]["two"][0]["smallest_angle_of_lines_deg"]
    assert shown[1] == f"two: b: smallest angle of lines {angle:.1f}°"
    assert len(shown) == 3


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="out: is a file, not a directory"):
        toys(tmp_path / "out")
