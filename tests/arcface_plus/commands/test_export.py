"""`export` on the command line: formats, the user's word on the backbone, one line for mistakes."""

from __future__ import annotations

import os

import pytest
import torch

from arcface_plus.cli import main
from arcface_plus.embedder.load import load_model
from arcface_plus.models.backbones import Tiny


@pytest.fixture
def command(capsys):
    def run(*words: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            main(["export", *(str(word) for word in words)])
        return int(left.value.code or 0), capsys.readouterr().err

    return run


@pytest.fixture
def bare(tmp_path):
    """A state dict that does not say what it is of."""
    torch.save(dict(Tiny(embedding_dim=8, width=0.5).state_dict()), tmp_path / "bare.pth")
    return tmp_path / "bare.pth"


def test_the_users_word_lasts(command, bare, tmp_path):
    """A bare file, named once, is exported as one that says so itself."""
    for suffix, name in ((".safetensors", "safetensors"), (".pt", "torch")):
        out = (tmp_path / "m").with_suffix(suffix)
        words = ("--ckpt", bare, "--format", name, "--out", out)
        code, errors = command(*words)
        assert (code, "--backbone" in errors) == (2, True)
        code, errors = command(*words, "--backbone", "{name: tiny, width: 0.5}")
        assert (code, errors.strip()) == (0, f"wrote {out}")
        card = load_model(out).card
        assert card is not None
        assert (card.backbone, card.parameters) == ("tiny", {"width": 0.5})


def test_a_folder_that_cannot_be_written_is_one_line(command, bare, tmp_path, monkeypatch):
    """It was an internal error of torch.save's."""
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)  # root may write
    code, errors = command("--ckpt", bare, "--format", "torch", "--out", tmp_path / "m.pt")
    assert code == 2
    assert f"m.pt: no permission to write in {tmp_path}" in errors
    assert len(errors.strip().splitlines()) == 1


@pytest.mark.parametrize("text", ["[1]", "{width: 2}", "{name: 3}", "{", "", "[" * 50_000])
def test_what_is_no_backbone_is_named(command, bare, tmp_path, text):
    words = ("--ckpt", bare, "--format", "torch", "--out", tmp_path / "m.pt")
    code, errors = command(*words, "--backbone", text)
    assert code == 2
    assert "give a name (r50) or" in errors


def test_a_dash_is_standard_output(bare, tmp_path, capfdbinary):
    words = ["--ckpt", str(bare), "--backbone", "{name: tiny, width: 0.5}", "--out", "-"]
    with pytest.raises(SystemExit) as left:
        main(["export", "--format", "torch", *words])
    assert not left.value.code
    (tmp_path / "piped.pt").write_bytes(capfdbinary.readouterr().out)
    assert load_model(tmp_path / "piped.pt").name == "tiny"
    with pytest.raises(SystemExit) as left:
        main(["export", "--format", "safetensors", *words])
    assert left.value.code == 2
    assert b"its .json cannot be written next to it" in capfdbinary.readouterr().err


def test_formats_are_choices_and_options_are_short(command, bare, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit):
        main(["export", "-h"])
    assert "safetensors|onnx|torch" in capsys.readouterr().out
    code, errors = command("-c", bare, "-f", "pickle", "-o", tmp_path / "m.pt")
    assert code == 2
    assert "'safetensors', 'onnx', 'torch'" in errors
    words = (
        "-c",
        bare,
        "-f",
        "torch",
        "-o",
        tmp_path / "m.pt",
        "--backbone",
        "{name: tiny, width: 0.5}",
    )
    assert command(*words) == (0, f"wrote {tmp_path / 'm.pt'}\n")
