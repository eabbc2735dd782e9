"""`arcface-plus data pairs`: a pair list and crops → a .bin pair file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arcface_plus.console import output, progress_bar, say


def pairs(
    source: Annotated[
        Path,
        typer.Argument(help="LFW's pairs.txt, CFP's Protocol folder, or a list (a, b, same)."),
    ],
    root: Annotated[Path, typer.Argument(help="Folder of the aligned images it names.")],
    out: Annotated[Path, typer.Argument(help="The .bin to write, e.g. lfw.bin.")],
    kind: Annotated[str, typer.Option(help="auto, lfw, cfp-fp, cfp-ff or list.")] = "auto",
    encode: Annotated[
        bool, typer.Option("--encode", help="Resize and encode what is no 112x112 JPEG.")
    ] = False,
    quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG quality of --encode.")] = 95,
) -> None:
    """Write a pair file that `eval verify` and InsightFace's loader read, in the source's folds."""
    from data_prep.pack_pairs import pack_pairs

    with progress_bar("reading images") as progress:
        made = pack_pairs(
            source, root, out, kind=kind, encode=encode, quality=quality, progress=progress
        )
    output(
        f"{out}: {made.pairs} pairs ({made.same} same) of {made.images} images, "
        f"{made.images - made.encoded} stored byte for byte, {made.encoded} encoded"
    )
    if not made.usable:
        say(
            f"{out}: some of its ten folds lack same or different pairs, so that ten-fold accuracy "
            "will mean little or fail: add pairs",
        )
