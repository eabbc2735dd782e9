"""`arcface-plus features`: the two features of each image as points in the plane."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from arcface_plus.commands.model_options import (
    BatchSizeOption,
    DeviceOption,
    check_output,
    line_printer,
)
from arcface_plus.console import progress_bar, say
from data_prep.errors import UserError


def features(
    ckpt: Annotated[
        list[Path],
        typer.Option(
            "--ckpt",
            "-c",
            help="Classification run or checkpoint with two features; repeat to compare several.",
        ),
    ],
    data: Annotated[
        Path, typer.Option("--data", "-d", help="Folder of the data set, as data.train.")
    ],
    png: Annotated[Path | None, typer.Option(help="Draw the points to this .png file.")] = None,
    npz: Annotated[Path | None, typer.Option(help="Write the points to this .npz file.")] = None,
    split: Annotated[Literal["train", "test"], typer.Option(help="Which of its images.")] = "test",
    batch_size: BatchSizeOption = 500,
    device: DeviceOption = "auto",
) -> None:
    """Draw the images of a network with two features as points, and its class weights as arrows."""
    from arcface_plus.embedder.classifier import load_classifier
    from arcface_plus.evaluation.plane_features import plane_features, write_npz
    from arcface_plus.evaluation.plane_picture import summary, write_png
    from arcface_plus.runtime import resolve_device
    from data_prep.labelled_images import open_labelled_images

    if png is None and npz is None:
        raise UserError("nothing to write: give --png FILE.png, --npz FILE.npz or both")
    check_output(png, ".png")
    check_output(npz, ".npz")
    where = resolve_device(device)
    images = open_labelled_images(data, split)
    show = line_printer(png, npz)
    models = []
    with progress_bar("measuring") as progress:
        for done, path in enumerate(ckpt):
            progress(done, len(ckpt))
            loaded = load_classifier(path, where)
            loaded.check_images(images, path)
            rare = _rarest(path, images.classes)
            models.append(plane_features(str(path), loaded, images, where, rare, batch_size))
        progress(len(ckpt), len(ckpt))
    for model in models:
        show(f"{model.checkpoint}: {summary(model)}")
    if png is not None:
        write_png(png, models)
        say(f"wrote {png}")
    if npz is not None:
        write_npz(npz, models)
        say(f"wrote {npz}")


def _rarest(checkpoint: Path, classes: int) -> tuple[int, ...]:
    """The classes that `data.imbalance` of the run's config leaves fewest images; often none."""
    from arcface_plus.config.classification import ImageData
    from arcface_plus.config.tree import load

    for run in (checkpoint, *checkpoint.resolve().parents[:2]):
        if (run / "config.yaml").is_file():
            data = load(run / "config.yaml").data
            kept = data.imbalance.kept(classes) if isinstance(data, ImageData) else {}
            return tuple(k for k in kept if kept[k] == min(kept.values()))
    return ()
