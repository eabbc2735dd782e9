"""`angles`: models side by side as a table, JSON and picture; where these go."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import cv2
import pytest
import torch
from rich.console import Console

from arcface_plus.commands.angles import _table, angles
from arcface_plus.evaluation.layer_angles import LayerAngles, ModelAngles
from arcface_plus.models.backbones import IResNet
from data_prep.errors import DataError, UserError


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    torch.save(IResNet((1, 1, 1, 1), embedding_dim=4).state_dict(), tmp_path / "m.pth")
    return tmp_path / "m.pth"


def test_side_by_side_as_table_json_and_png(model, tmp_path, capsys):
    torch.manual_seed(1)
    torch.save(IResNet((1, 1, 1, 1), embedding_dim=4).state_dict(), tmp_path / "peer.pth")
    angles([model, tmp_path / "peer.pth"], json_file=tmp_path / "a.json", png=tmp_path / "a.png")
    shown = capsys.readouterr().out
    found = json.loads((tmp_path / "a.json").read_text())
    assert [model["checkpoint"] for model in found["models"]] == [
        str(model),
        str(tmp_path / "peer.pth"),
    ]
    for model in found["models"]:
        for layer in model["layers"]:
            assert f"{layer['mean_deg']:.2f}" in shown
            assert f"{layer['smallest_deg']:.2f}" in shown
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture.shape[1] > 800
    assert picture.std() > 10


def test_mistakes(model, tmp_path):
    with pytest.raises(UserError, match="its directory does not exist"):
        angles([model], png=tmp_path / "no" / "a.png")
    with pytest.raises(UserError, match=r"--png needs a \.png file name"):
        angles([model], png=tmp_path / "a.jpg")
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(DataError, match="layers of an ONNX file cannot be read"):
        angles([tmp_path / "m.onnx"])
    (tmp_path / "a.json").mkdir()
    with pytest.raises(UserError, match=r"a\.json: is a directory"):
        angles([tmp_path / "gone"], json_file=tmp_path / "a.json")


def test_outputs_are_checked_before_the_model_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)  # root may write
    for option, file in (("json_file", "a.json"), ("png", "a.png")):
        with pytest.raises(UserError, match="no permission to write"):
            angles([tmp_path / "gone"], **{option: tmp_path / file})


def test_json_to_standard_output_is_alone_there(model, capsys):
    angles([model], json_file=Path("-"))
    captured = capsys.readouterr()
    assert json.loads(captured.out)["models"][0]["backbone"] == "r10"
    assert "angle to the nearest other row" in captured.err


def test_a_picture_through_a_link(model, tmp_path):
    (tmp_path / "link.png").symlink_to("real.png")
    angles([model], png=tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "real.png").read_bytes().startswith(b"\x89PNG")


def test_names_are_neither_markup_nor_escapes():
    layer = LayerAngles("conv[/bold]\x1b[31m", "convolution", 8, 27, 0, 60.0, 80.0)
    model = ModelAngles("x[bold]y.pt", "r18", None, [layer], "")
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    console.print(_table([model]))
    shown = console.file.getvalue()
    assert "x[bold]y" in shown
    assert "conv[/bold]\\x1b[31m" in shown
    assert "\x1b[31m" not in shown
    assert "80.00" in shown
