"""`arcface-plus embed` and `match`: what a model makes of images."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.commands.model_options import (
    BackboneOption,
    BatchSizeOption,
    BgrOption,
    CkptOption,
    DeviceOption,
    JsonOption,
    MeanOption,
    ScaleOption,
    line_printer,
    load,
)
from arcface_plus.console import progress_bar, say
from data_prep.files import check_writable, is_stream

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from arcface_plus.evaluation.matching import Match, Rule


class Detector(StrEnum):
    yunet = "yunet"


def embed(
    src: Annotated[
        Path,
        typer.Argument(
            help="112x112 crops: a folder, a list (a path, perhaps a label, a line), .rec or .bin."
        ),
    ],
    ckpt: CkptOption,
    out: Annotated[Path, typer.Option(help="The .npz file to write.")],
    flip: Annotated[
        bool, typer.Option(help="Sum image and mirror image, as verification does.")
    ] = True,
    batch_size: BatchSizeOption = 128,
    device: DeviceOption = "auto",
    mean: MeanOption = None,
    scale: ScaleOption = None,
    bgr: BgrOption = None,
    backbone: BackboneOption = None,
) -> None:
    """Embeddings of images as .npz: embeddings, norms, paths, and labels where they are known."""
    from arcface_plus.evaluation.embedding_file import embed_source, write
    from arcface_plus.evaluation.image_source import open_source
    from data_prep.errors import UserError

    if out.suffix != ".npz" and not is_stream(out):
        raise UserError(f"{out}: --out is an .npz file")
    check_writable(out)
    source = open_source(src)
    embedder = load(ckpt, device, mean, scale, bgr, backbone)
    with progress_bar("embedding") as progress:
        found = embed_source(embedder, source, flip=flip, batch_size=batch_size, progress=progress)
    arrays = write(out, found, source, checkpoint=str(ckpt), flip=flip)
    shape = "×".join(map(str, found.embeddings.shape))
    say(f"wrote {out}: {shape} embeddings ({', '.join(arrays)})")


def match(
    a: Annotated[Path, typer.Argument(metavar="A", help="An image.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    ckpt: CkptOption,
    detector: Annotated[
        Detector | None, typer.Option(help="For photos: find the face (needs --model).")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="The detector's ONNX file.")] = None,
    far: Annotated[
        str | None,
        typer.Option(help="Decide at this false accept rate. Default: the lowest one known."),
    ] = None,
    verification: Annotated[
        Path | None,
        typer.Option(help="File of `eval verify --json`. Default: the run's own of this step."),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Its target. Default: the one with most different pairs.")
    ] = None,
    json_file: JsonOption = None,
    device: DeviceOption = "auto",
    mean: MeanOption = None,
    scale: ScaleOption = None,
    bgr: BgrOption = None,
    backbone: BackboneOption = None,
) -> None:
    """Do two images show one person? With the error rates that the model's verification found."""
    import numpy as np

    from arcface_plus.evaluation.matching import explain
    from arcface_plus.evaluation.matching import match as match_crops
    from data_prep.errors import UserError

    check_writable(json_file)
    if (detector is None) != (model is None):
        raise UserError("--detector yunet and --model FILE belong together: give both or neither")
    rule, flip = _rule(ckpt, verification, target, far)
    crops = [_crop(path, model) for path in (a, b)]
    embedder = load(ckpt, device, mean, scale, bgr, backbone)
    found = match_crops(embedder, np.stack(crops), rule, flip)
    show = line_printer(json_file)
    for line in explain(found):
        show(line)
    if json_file is not None:
        of = {"images": [str(a), str(b)], "checkpoint": str(ckpt), "flip": flip}
        _write_match(json_file, of, found)


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
    from eval.runs import read_results

    path = verification or own_verification(ckpt)
    if path is None:
        if far is not None or target is not None:
            raise UserError(
                f"{ckpt}: no verification of this model is known, so no threshold; make one by "
                "`eval verify --json FILE` and give --verification FILE"
            )
        return None, True
    found = read_results(path)
    if verification is not None and not is_of(found, path, ckpt):
        say(f"{path}: verified {found.checkpoint}; its thresholds are right for that model only")
    return rule_from(found, path, target, far), found.flip is not False


def _crop(path: Path, detector_model: Path | None) -> NDArray[np.uint8]:
    """A crop as it is, or the face of a photo."""
    from arcface_plus.data.images import UndecodableImage, decode
    from data_prep.errors import DataError
    from data_prep.files import read_file

    if detector_model is not None:
        return _face(path, detector_model)
    try:
        return decode(read_file(path))
    except UndecodableImage as error:
        raise DataError(f"{path} {error}; for photos give --detector yunet --model FILE") from None


def _face(path: Path, detector_model: Path) -> NDArray[np.uint8]:
    from data_prep.align.align import Aligner
    from data_prep.align.detector import YuNet
    from data_prep.errors import DataError
    from data_prep.images import read_rgb

    crop, row = Aligner(YuNet(detector_model)).align(path.name, read_rgb(path))
    if crop is None:
        raise DataError(f"{path}: no face found in it; give a photo that shows one more clearly")
    if row.faces > 1:
        say(
            f"{path}: {row.faces} faces; the central and large one is taken",
        )
    return crop
