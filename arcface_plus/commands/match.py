"""`arcface-plus match`: do two images show the same person?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.commands.detector_options import (
    DetectorOption,
    FallbackOption,
    MinScoreOption,
    ModelOption,
    PickOption,
    chosen_aligner,
)
from arcface_plus.commands.model_options import (
    BackboneOption,
    BgrOption,
    CkptOption,
    DeviceOption,
    JsonOption,
    MeanOption,
    ScaleOption,
    line_printer,
    load,
)
from arcface_plus.console import say
from data_prep.files import check_writable, is_stream

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from arcface_plus.evaluation.matching import Match, Rule
    from data_prep.align.align import Aligner


def match(
    a: Annotated[Path, typer.Argument(metavar="A", help="A 112x112 crop, or a photo.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    ckpt: CkptOption,
    detector: DetectorOption = None,
    model: ModelOption = None,
    pick: PickOption = None,
    fallback: FallbackOption = None,
    min_score: MinScoreOption = None,
    far: Annotated[
        str | None,
        typer.Option(
            help="False accept rate to decide at. Default: 1e-3, or the lowest one that the "
            "verification's pairs support.",
            show_default=False,
        ),
    ] = None,
    verification: Annotated[
        Path | None,
        typer.Option(
            "--verification",
            "-v",
            help="File of `eval verify --json`. Default: the run's own, of the same step.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            "-t",
            help="Target in it. Default: the one with the most different pairs.",
        ),
    ] = None,
    json_file: JsonOption = None,
    png: Annotated[
        Path | None, typer.Option(help="Draw both crops and the verdict into this file.")
    ] = None,
    device: DeviceOption = "auto",
    mean: MeanOption = None,
    scale: ScaleOption = None,
    bgr: BgrOption = None,
    backbone: BackboneOption = None,
) -> None:
    """Do two images show the same person?

    Give two 112x112 crops, or photos and a face detector (--model). The threshold and its error
    rates come from the model's verification.
    """
    import numpy as np

    from arcface_plus.evaluation.matching import explain
    from arcface_plus.evaluation.matching import match as match_crops

    _check_outputs(json_file, png)
    aligner = chosen_aligner(detector, model, pick, fallback, min_score)
    rule, flip = _rule(ckpt, verification, target, far)
    crops = np.stack([_crop(path, aligner) for path in (a, b)])
    embedder = load(ckpt, device, mean, scale, bgr, backbone)
    found = match_crops(embedder, crops, rule, flip)
    show = line_printer(json_file, png)
    for line in explain(found):
        show(line)
    if json_file is not None:
        of = {"images": [str(a), str(b)], "checkpoint": str(ckpt), "flip": flip}
        _write_match(json_file, of, found)
    if png is not None:
        from arcface_plus.evaluation.match_picture import write_png

        write_png(png, found, crops, (a.name, b.name))
        say(f"wrote {png}")


def _check_outputs(json_file: Path | None, png: Path | None) -> None:
    from data_prep.errors import UserError

    check_writable(json_file)
    check_writable(png)
    if png is not None and png.suffix != ".png" and not is_stream(png):
        raise UserError(f"{png}: --png writes a .png file")


def _write_match(file: Path, of: dict[str, object], found: Match) -> None:
    import json
    from dataclasses import asdict

    from data_prep.files import write_text

    content = of | asdict(found) | {"same_person": found.same_person}
    write_text(file, json.dumps(content, indent=2) + "\n")


def _rule(
    ckpt: Path, verification: Path | None, target: str | None, far: str | None
) -> tuple[Rule | None, bool]:
    """The rule to decide by, and whether its verification used the mirror images."""
    from arcface_plus.evaluation.matching import is_of, own_verification, rule_from
    from data_prep.errors import UserError
    from eval.runs import read_verification

    path = verification or own_verification(ckpt)
    if path is None:
        if far is not None or target is not None:
            raise UserError(
                f"{ckpt}: no verification of this model is known, so no threshold; make one by "
                "`eval verify --json FILE` and give --verification FILE"
            )
        return None, True
    found = read_verification(path)
    if verification is not None and not is_of(found, path, ckpt):
        say(f"{path}: verified {found.checkpoint}; its thresholds are right for that model only")
    return rule_from(found, path, target, far), found.flip is not False


def _crop(path: Path, aligner: Aligner | None) -> NDArray[np.uint8]:
    """A crop as it is, or the face of a photo."""
    from arcface_plus.data.images import UndecodableImage, decode
    from data_prep.errors import DataError
    from data_prep.files import read_file

    if aligner is not None:
        return _face(path, aligner)
    try:
        return decode(read_file(path))
    except UndecodableImage as error:
        raise DataError(
            f"{path} {error}; for photos give the face detector's --model FILE"
        ) from None


def _face(path: Path, aligner: Aligner) -> NDArray[np.uint8]:
    from data_prep.errors import DataError
    from data_prep.images import read_rgb

    crop, row = aligner.align(path.name, read_rgb(path))
    if crop is None:
        raise DataError(
            f"{path}: no face found; take another photo, a lower --min-score, or --fallback "
            "center to crop its centre"
        )
    if row.faces > 1:
        say(f"{path}: {row.faces} faces, {aligner.pick} taken")
    if row.faces == 0:
        say(f"{path}: no face found, cropped at its centre")
    return crop
