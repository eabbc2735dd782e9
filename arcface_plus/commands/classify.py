"""`arcface-plus eval classify`: top-1, top-5 and each class's error of a classification run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from arcface_plus.commands.model_options import (
    BatchSizeOption,
    DeviceOption,
    JsonOption,
    line_printer,
)
from data_prep.files import check_writable


def classify(
    ckpt: Annotated[
        Path, typer.Option("--ckpt", "-c", help="A run of task: classification, or a checkpoint.")
    ],
    data: Annotated[
        Path, typer.Option("--data", "-d", help="Folder of the data set, as data.train.")
    ],
    split: Annotated[Literal["train", "test"], typer.Option(help="Which of its images.")] = "test",
    json_file: JsonOption = None,
    batch_size: BatchSizeOption = 500,
    device: DeviceOption = "auto",
) -> None:
    """Top-1 and top-5 accuracy and the error of each class, of a classification run."""
    from arcface_plus.embedder.classifier import load_classifier
    from arcface_plus.evaluation.classification import (
        ClassificationReport,
        classify_images,
        scoring,
    )
    from arcface_plus.evaluation.classification_text import figure_lines
    from arcface_plus.runtime import resolve_device
    from data_prep.labelled_images import open_labelled_images
    from data_prep.labelled_images.squares import single_view

    check_writable(json_file)
    where = resolve_device(device)
    loaded = load_classifier(ckpt, where)
    images = single_view(open_labelled_images(data, split), loaded.card.resize, loaded.card.crop)
    loaded.check_images(images, ckpt)
    scores = scoring(loaded.network, loaded.classifier)
    result = classify_images(scores, images, loaded.channels, where, batch_size)
    show = line_printer(json_file)
    for line in figure_lines(split, result, loaded.card.class_names):
        show(line)
    if json_file is not None:
        ClassificationReport(result).write(json_file, str(ckpt))
