"""`arcface-plus embed`: the embeddings of many images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.commands.detector_options import (
    DetectorOption,
    Fallback,
    FallbackOption,
    MinScoreOption,
    ModelOption,
    PickOption,
    chosen_aligner,
)
from arcface_plus.commands.model_options import (
    BackboneOption,
    BatchSizeOption,
    BgrOption,
    CkptOption,
    DeviceOption,
    MeanOption,
    ScaleOption,
    load,
)
from arcface_plus.console import progress_bar, say
from data_prep.files import check_writable, is_stream

if TYPE_CHECKING:
    from arcface_plus.evaluation.image_source import ImageSource
    from data_prep.align.align import Aligner


def embed(
    src: Annotated[
        Path,
        typer.Argument(
            help="A folder, a list (a path and perhaps a label per line), an image, .rec or .bin."
        ),
    ],
    ckpt: CkptOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npz file to write.")],
    detector: DetectorOption = None,
    model: ModelOption = None,
    pick: PickOption = None,
    fallback: FallbackOption = None,
    min_score: MinScoreOption = None,
    skip_faceless: Annotated[
        bool, typer.Option("--skip-faceless", help="List and leave out photos without a face.")
    ] = False,
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
    """Write the embeddings of images to an .npz file.

    The images are 112x112 crops, or photos if you give a face detector (--model). The file also
    holds norms, paths and, where they are known, labels.
    """
    from arcface_plus.evaluation.embedding_file import embed_source, write
    from arcface_plus.evaluation.image_source import open_source
    from data_prep.errors import UserError

    if out.suffix != ".npz" and not is_stream(out):
        raise UserError(f"{out}: --out is an .npz file")
    check_writable(out)
    aligner = chosen_aligner(detector, model, pick, fallback, min_score)
    _check_skip(skip_faceless, aligner)
    source = open_source(src)
    if aligner is None:
        _check_first(source)
    embedder = load(ckpt, device, mean, scale, bgr, backbone)
    if aligner is not None:
        source = _cropped(source, aligner, skip_faceless)
    with progress_bar("embedding") as progress:
        found = embed_source(embedder, source, flip=flip, batch_size=batch_size, progress=progress)
    arrays = write(out, found, source, checkpoint=str(ckpt), flip=flip)
    shape = "×".join(map(str, found.embeddings.shape))
    say(f"wrote {out}: {shape} embeddings ({', '.join(arrays)})")


def _check_skip(skip_faceless: bool, aligner: Aligner | None) -> None:
    from data_prep.errors import UserError

    if skip_faceless and aligner is None:
        raise UserError("--skip-faceless is for photos: give the face detector's --model FILE")
    if skip_faceless and aligner is not None and aligner.fallback == Fallback.center_crop:
        raise UserError(
            "--skip-faceless leaves photos without a face out, --fallback center keeps them: "
            "give one of them"
        )


def _check_first(source: ImageSource) -> None:
    """Before the model is loaded: photos given as crops are mostly seen by the first of them."""
    from data_prep.crop_size import SIDE
    from data_prep.errors import UserError
    from data_prep.image_header import image_header

    header = image_header(source[0])
    if header is not None and header[1:] != (SIDE, SIDE):
        raise UserError(
            f"{source.name(0)} is {header.width}×{header.height}, not {SIDE}×{SIDE}; for photos "
            "give the face detector's --model FILE"
        )


def _cropped(source: ImageSource, aligner: Aligner, skip_faceless: bool) -> ImageSource:
    """The photos' faces as crops; says what was found."""
    from arcface_plus.evaluation.photos import crops_of, find_faces, listed

    with progress_bar("finding faces") as progress:
        found = find_faces(source, aligner, progress)
    center = aligner.fallback == Fallback.center_crop
    crops = crops_of(source, found, center_faceless=center, skip_faceless=skip_faceless)
    if found.several:
        say(f"{found.several} of {len(source)} photos show several faces: {aligner.pick} taken")
    if found.faceless:
        done = "cropped at their centre" if center else "left out"
        names = listed([source.names[k] for k in found.faceless])
        say(f"{len(found.faceless)} of {len(source)} photos show no face, {done}: {names}")
    return crops
