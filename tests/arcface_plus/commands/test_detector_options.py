"""The detector's options are the same in `data align`, `embed` and `match`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import arcface_plus
from single_images import MadeUpDetector

from arcface_plus.commands import detector_options
from arcface_plus.commands.detector_options import (
    Detector,
    Fallback,
    Pick,
    chosen_aligner,
    require_no_options,
)
from data_prep.align.align import FALLBACKS
from data_prep.align.detector import PICKS
from data_prep.errors import UserError

COMMANDS = (("data", "align"), ("embed",), ("match",))


def test_the_choices_are_those_of_the_aligner():
    assert tuple(Pick) == PICKS
    assert tuple(Fallback) == FALLBACKS


def test_the_default_score_is_the_detectors():
    import inspect

    from data_prep.align.detector import YuNet

    default = inspect.signature(YuNet).parameters["min_score"].default
    assert default == detector_options.MIN_SCORE


def options_in(shown: str) -> dict[str, str]:
    """What a command's help says of each option of the detector, frames and breaks removed."""
    text = re.sub(r"[│\s]+", " ", shown)
    found = re.findall(r"(--(?:detector|model|pick|fallback|min-score)) (.*?)(?= --|╰)", text)
    return {name: said.removeprefix("-m ") for name, said in found if name != said}


def test_the_help_of_all_three_is_one(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "220")
    shown = [options_in(arcface_plus(capsys, *command, "-h").out) for command in COMMANDS]
    assert shown[0] == shown[1] == shown[2]
    # Older versions of Typer put [] around choices, newer ones <>.
    assert shown[0]["--detector"][1:].startswith("yunet")
    assert "central-and-large|largest|central|best" in shown[0]["--pick"]
    assert "Default: central-and-large." in shown[0]["--pick"]
    assert f"Default: {detector_options.MIN_SCORE}." in shown[0]["--min-score"]
    assert "none|center" in shown[0]["--fallback"]
    assert shown[0].keys() >= {"--model", "--min-score"}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("option", "value", "choices"),
    [
        ("--detector", "mtcnn", Detector),
        ("--pick", "smallest", Pick),
        ("--fallback", "centre", Fallback),
        ("--min-score", "2", ["1"]),
    ],
)
def test_another_choice_is_refused_with_those_there_are(command, option, value, choices, capsys):
    arcface_plus(capsys, *command, "a", "b", option, value).assert_one_line(option, *choices)


def test_a_model_alone_is_the_detector(monkeypatch):
    monkeypatch.setattr(detector_options, "yunet", MadeUpDetector)
    alone = chosen_aligner(None, Path("m"), None, None, None)
    named = chosen_aligner(Detector.yunet, Path("m"), Pick.best, Fallback.center_crop, 0.3)
    assert alone is not None
    assert named is not None
    assert (alone.finder.given, alone.pick, alone.fallback) == (
        (Path("m"), None),
        "central-and-large",
        "none",
    )
    assert (named.finder.given, named.pick, named.fallback) == ((Path("m"), 0.3), "best", "center")


def test_without_a_model_there_is_no_detector_and_no_option_of_it():
    assert chosen_aligner(None, None, None, None, None) is None
    with pytest.raises(
        UserError, match=r"^--fallback needs the face detector's file: give --model"
    ):
        chosen_aligner(None, None, None, Fallback.none, None)
    with pytest.raises(UserError, match=r"^--detector, --min-score need the face detector's file"):
        chosen_aligner(Detector.yunet, None, None, None, 0.0)
    require_no_options(detector=None, min_score=None)
