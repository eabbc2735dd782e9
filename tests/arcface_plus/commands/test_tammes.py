"""`arcface-plus tammes` from its options to its files; mistakes give one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import arcface_plus


@pytest.mark.parametrize("solver", ["descent", "best"])
def test_from_options_to_files(solver: str, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    done = arcface_plus(
        capsys, "tammes", "--dimension", 3, "--points", 5, "--steps", 20, "--seeds", 2,
        "--solver", solver, "--regularizer", "{name: mhe, power: 1}", "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.status == 0, done
    assert "5 points in 3 dimensions" in done.out
    assert "best known 90.000°" in done.out
    content = json.loads((tmp_path / "out" / "tammes.json").read_text())
    assert (content["solver"], content["regularizer"]) == (solver, "{name: mhe, power: 1}")
    assert len(content["smallest_angle_deg"]) == 2
    if solver == "best":
        assert content["best_deg"] == pytest.approx(90.0, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{name: mhe, powr: 1}", ["unknown key regularizer.powr", "regularizer.power?"]),
        ("mm", ['unknown name "mm"', "did you mean mma?"]),
        ("none", ["--regularizer none: give a name (mma)"]),
        ("[mma]", ["--regularizer [mma]: give a name"]),
        ("{name: mhe, pairs: batch}", ["pairs: batch needs the labels of images"]),
    ],
)
def test_mistakes(text: str, words: list[str], capsys) -> None:  # type: ignore[no-untyped-def]
    done = arcface_plus(capsys, "tammes", "-d", 3, "-n", 5, "--regularizer", text)
    done.assert_one_line(*words)
