"""`arcface-plus eval identify`: find probes in a gallery among up to millions of distractors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.commands.model_options import (
    BackboneOption,
    BatchSizeOption,
    BgrOption,
    DeviceOption,
    JsonOption,
    MeanOption,
    ScaleOption,
    line_printer,
    load,
)
from arcface_plus.console import bars_in_turn, say
from data_prep.files import check_writable

if TYPE_CHECKING:
    from eval.identification import IdentificationResult

KINDS = "folder of identity folders, .rec, training set, or .npz with embeddings and labels"


def identify(
    gallery: Annotated[Path, typer.Option(help=f"Images of known identities: {KINDS}.")],
    distractors: Annotated[
        Path,
        typer.Option(help="Images of people who are not in the gallery; labels are optional."),
    ],
    probes: Annotated[
        Path | None,
        typer.Option(help="Images to search for. Default: each image of the gallery in turn."),
    ] = None,
    ckpt: Annotated[
        Path | None,
        typer.Option(
            "--ckpt", "-c", help="Model to embed images with; same formats as for verify."
        ),
    ] = None,
    json_file: JsonOption = None,
    batch_size: BatchSizeOption = 128,
    device: DeviceOption = "auto",
    mean: MeanOption = None,
    scale: ScaleOption = None,
    bgr: BgrOption = None,
    backbone: BackboneOption = None,
) -> None:
    """1:N identification by MegaFace's protocol: rank-k against the number of distractors."""
    from functools import cache

    from arcface_plus.embedder.load import Embedder
    from arcface_plus.evaluation.identification import identify_files
    from arcface_plus.runtime import resolve_device

    check_writable(json_file)

    @cache
    def embedder() -> Embedder:
        assert ckpt is not None
        return load(ckpt, device, mean, scale, bgr, backbone)

    with bars_in_turn() as progress:
        result = identify_files(
            gallery,
            probes,
            distractors,
            embedder=None if ckpt is None else embedder,
            device=resolve_device(device),
            batch_size=batch_size,
            progress=progress,
            warn=lambda text: say(f"warning: {text}"),
        )
    _show(result, line_printer(json_file))
    if json_file is not None:
        sources = {
            "checkpoint": ckpt, "gallery": gallery, "probes": probes, "distractors": distractors,
        }  # fmt: skip
        _write(json_file, sources, result)


def _write(file: Path, sources: Mapping[str, Path | None], result: IdentificationResult) -> None:
    import json

    from data_prep.files import write_text

    named = {name: None if path is None else str(path) for name, path in sources.items()}
    content = {"schema": 1, "protocol": "megaface", **named, **result.to_json()}
    write_text(file, json.dumps(content, indent=2) + "\n")


def _show(result: IdentificationResult, output: Callable[[str], None]) -> None:
    """Figures to `output`, notes and warnings to stderr."""
    output(
        f"{result.probes} probes, {result.trials} trials (probe and mate) of {result.identities} "
        f"identities, {result.distractors:,} distractors"
    )
    for size, rates in result.rank_rates.items():
        shown = "  ".join(f"rank-{k} {100 * rate:6.2f}%" for k, rate in rates.items())
        output(f"{size:>10,} distractors: {shown}")
    for far, tar in result.tar_at_far.items():
        if tar is None:
            output(f"TAR@FAR {far}: – ({result.unavailable[far]})")
        else:
            output(f"TAR@FAR {far}: {100 * tar:.2f}% (cosine above {result.thresholds[far]:.4f})")
    if result.without_mate:
        say(
            f"note: {result.without_mate} images of the gallery are the only one of their identity "
            "and were not used as probes"
        )
    if result.identical:
        say(
            f"warning: in {result.identical} trials probe and mate have cosine 1; they are "
            "probably the same image, which makes the figures too good: remove the duplicates"
        )
