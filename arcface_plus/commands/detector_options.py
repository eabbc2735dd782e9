"""Options that `data align`, `embed` and `match` share: how the face in a photo is found."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from data_prep.align.align import Aligner
    from data_prep.align.detector import YuNet


class Detector(StrEnum):
    yunet = "yunet"


class Pick(StrEnum):
    central_and_large = "central-and-large"
    largest = "largest"
    central = "central"
    best = "best"


class Fallback(StrEnum):
    none = "none"
    center_crop = "center"  # `center` is a method of str


MIN_SCORE = 0.6
_MODEL_FILE = "face_detection_yunet_2023mar.onnx"

# The defaults are None, so that an option without a detector is seen and refused.
DetectorOption = Annotated[
    Detector | None,
    typer.Option(help="Face detector for photos; needs --model. Default: yunet."),
]
ModelOption = Annotated[
    Path | None,
    typer.Option("--model", "-m", help="The detector's ONNX file, e.g. from the OpenCV Zoo."),
]
PickOption = Annotated[
    Pick | None,
    typer.Option(help="Which face of several to take. Default: central-and-large."),
]
FallbackOption = Annotated[
    Fallback | None,
    typer.Option(help="For photos without a face: center crops their centre. Default: none."),
]
MinScoreOption = Annotated[
    float | None,
    typer.Option(min=0, max=1, help=f"Ignore detections below this score. Default: {MIN_SCORE}."),
]


def yunet(model: Path, min_score: float | None) -> YuNet:
    """The detector; DataError if the file is not its model."""
    from data_prep.align.detector import YuNet

    return YuNet(model, MIN_SCORE if min_score is None else min_score)


def chosen_aligner(
    detector: Detector | None,
    model: Path | None,
    pick: Pick | None,
    fallback: Fallback | None,
    min_score: float | None,
) -> Aligner | None:
    """What cuts the face out of a photo; None where no detector is asked for.

    Raises:
        UserError: an option of the detector without --model.
        DataError: --model is missing or not the detector's.
    """
    from data_prep.align.align import Aligner

    if model is None:
        require_no_options(detector=detector, pick=pick, fallback=fallback, min_score=min_score)
        return None
    return Aligner(
        yunet(model, min_score), pick or Pick.central_and_large, fallback or Fallback.none
    )


def require_no_options(**given: object) -> None:
    """UserError that names the options of the detector that were given without --model."""
    from data_prep.errors import UserError

    names = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    if names:
        verb = "needs" if len(names) == 1 else "need"
        raise UserError(
            f"{', '.join(names)} {verb} the face detector's file: give --model {_MODEL_FILE}"
        )
