"""`cosines`: the counts as table, JSON and picture; mistakes."""

from __future__ import annotations

import json

import pytest
import torch

from arcface_plus.cli import main
from arcface_plus.models.backbones import IResNet


@pytest.fixture
def models(tmp_path):
    for seed, name in enumerate(("plain", "mma")):
        torch.manual_seed(seed)
        torch.save(IResNet((1, 1, 1, 1), embedding_dim=4).state_dict(), tmp_path / f"{name}.pth")
    return tmp_path


@pytest.fixture
def command(capsys):
    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["cosines", *(str(word) for word in words)])
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return run


def test_two_models_as_table_json_and_png(models, command, tmp_path):
    code, out, _ = command("-c", models / "plain.pth", "-c", models / "mma.pth",
                           "--json", tmp_path / "c.json", "--png", tmp_path / "c.png")  # fmt: skip
    assert code == 0
    plain, mma = json.loads((tmp_path / "c.json").read_text())["layers"]
    assert plain["pairs"] == 2016
    rows = [line.split() for line in out.splitlines() if "conv1" in line]
    assert [row[0] for row in rows] == ["plain.pth", "mma.pth"]
    assert [int(row[-2]) for row in rows] == [plain["above"], mma["above"]]
    assert plain["above"] != mma["above"]
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_mistakes_are_one_line(models, command, tmp_path):
    for words, said in (
        (("--layer", "convl"), "has no layer convl; did you mean conv1?"),
        (("--png", tmp_path / "c.jpg"), "--png needs a .png file name"),
    ):
        code, _, err = command("-c", models / "plain.pth", *words)
        assert (code, len(err.strip().splitlines())) == (2, 1)
        assert said in err
