"""`arcface-plus data pairs`: a pair list and crops → a .bin pair file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.console import output, progress_bar, say

if TYPE_CHECKING:
    from data_prep.pack_pairs import PackedPairs


def pairs(
    source: Annotated[
        Path,
        typer.Argument(help="LFW's pairs.txt, CFP's Protocol folder, or a list (a, b, same)."),
    ],
    root: Annotated[Path, typer.Argument(help="Folder of the aligned images in the list.")],
    out: Annotated[Path, typer.Argument(help="The .bin to write, e.g. lfw.bin.")],
    kind: Annotated[str, typer.Option(help="auto, lfw, cfp-fp, cfp-ff or list.")] = "auto",
    encode: Annotated[
        bool, typer.Option("--encode", help="Resize and encode images that are not 112x112 JPEG.")
    ] = False,
    quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG quality for --encode.")] = 95,
) -> None:
    """Write a pair file (.bin) from a pair list.

    `eval verify` and InsightFace's loader read it. The folds are those of the list.
    """
    from data_prep.files import check_folder_writable
    from data_prep.pack_pairs import pack_pairs

    check_folder_writable(out.parent)
    with progress_bar("reading images") as progress:
        made = pack_pairs(
            source, root, out, kind=kind, encode=encode, quality=quality, progress=progress
        )
    output(
        f"{out}: {made.pairs} pairs ({made.same} same) of {made.images} images, "
        f"{made.images - made.encoded} stored byte for byte, {made.encoded} encoded"
    )
    for warning in _warnings(made):
        say(f"{out}: {warning}", style="yellow")


def _warnings(made: PackedPairs) -> list[str]:
    warnings = []
    if made.resized:
        warnings.append(
            f"{made.resized} of {made.images} images were not 112x112 and were cut to a square and "
            "resized; if they are photos and not aligned crops, accuracy will be wrong: run "
            "`data align` first"
        )
    if made.same in (0, made.pairs):
        kind = "same" if made.same else "different"
        warnings.append(
            f"all {made.pairs} pairs are {kind}, so accuracy means nothing: add pairs of the other "
            "kind"
        )
    elif not made.usable:
        warnings.append(
            "some of the ten folds lack same or different pairs, so ten-fold accuracy will mean "
            "little or fail: add pairs"
        )
    return warnings
