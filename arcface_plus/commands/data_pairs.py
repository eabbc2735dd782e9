"""`arcface-plus data pairs`: a pair list, or class folders, and crops → a .bin pair file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.console import output, progress_bar, say

if TYPE_CHECKING:
    from data_prep.pack_drawn_pairs import DrawnFile
    from data_prep.pack_pairs import PackedPairs


def pairs(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="[LIST ROOT] OUT.bin",
            help="LIST: LFW's pairs.txt, CFP's Protocol folder, or a list (a, b, same). ROOT: "
            "folder of the aligned images in it. OUT.bin: the file to write. With --from-folders, "
            "OUT.bin alone.",
            show_default=False,
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            help="Of LIST: auto (default), lfw, cfp-fp, cfp-ff or list.", show_default=False
        ),
    ] = None,
    from_folders: Annotated[
        Path | None,
        typer.Option(
            metavar="CROPS",
            help="Draw pairs from this folder of one folder per person, instead of a LIST.",
        ),
    ] = None,
    pair_count: Annotated[
        int | None,
        typer.Option(
            "--pairs",
            metavar="N",
            help="Pairs to draw, a multiple of 20. Default: up to 6000, with at most 10 same "
            "pairs of one person.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="The same seed draws the same pairs. Default: 0.", show_default=False
        ),
    ] = None,
    list_file: Annotated[
        Path | None,
        typer.Option(
            "--list",
            metavar="FILE",
            help="Where to write the list of drawn pairs. Default: OUT.csv.",
        ),
    ] = None,
    encode: Annotated[
        bool, typer.Option("--encode", help="Resize and encode images that are not 112x112 JPEG.")
    ] = False,
    quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG quality for --encode.")] = 95,
) -> None:
    """Write a pair file (.bin) from a pair list or from class folders.

    `eval verify` and InsightFace's loader read it. The folds are those of the list.

    From class folders, --from-folders draws ten balanced folds that have no person in common.
    """
    from data_prep.files import check_folder_writable
    from data_prep.pack_drawn_pairs import pack_drawn_pairs
    from data_prep.pack_pairs import pack_pairs

    drawing = {"--pairs": pair_count, "--seed": seed, "--list": list_file}
    _check_words(files, from_folders, kind, drawing)
    out = files[-1]
    check_folder_writable(out.parent)
    with progress_bar("reading images") as progress:
        if from_folders is None:
            source, root, _ = files
            made = pack_pairs(
                source,
                root,
                out,
                kind=kind or "auto",
                encode=encode,
                quality=quality,
                progress=progress,
            )
            drawn = None
        else:
            drawn = pack_drawn_pairs(
                from_folders,
                out,
                list_file=list_file,
                pairs=pair_count,
                seed=seed or 0,
                encode=encode,
                quality=quality,
                progress=progress,
            )
            made = drawn.packed
    output(
        f"{out}: {made.pairs} pairs ({made.same} same) of {made.images} images, "
        f"{made.images - made.encoded} stored byte for byte, {made.encoded} encoded"
    )
    if drawn is not None:
        _report_drawing(drawn)
    for warning in _warnings(made):
        say(f"{out}: {warning}", style="yellow")


def _check_words(
    files: list[Path], from_folders: Path | None, kind: str | None, drawing: Mapping[str, object]
) -> None:
    """Raise UserError unless the words belong to one of the two ways to make a pair file."""
    from data_prep.errors import UserError

    if from_folders is None:
        if len(files) != 3:
            raise UserError(
                "data pairs takes LIST ROOT OUT.bin (see --help); to draw pairs from class "
                "folders: data pairs OUT.bin --from-folders CROPS"
            )
        for option, value in drawing.items():
            if value is not None:
                raise UserError(f"{option} is for --from-folders; a list has its own pairs")
    else:
        if len(files) != 1:
            raise UserError(
                "--from-folders draws the pairs itself: give OUT.bin alone, without LIST and ROOT"
            )
        if kind is not None:
            raise UserError("--kind is for a LIST; leave it out with --from-folders")


def _report_drawing(drawn: DrawnFile) -> None:
    output(
        f"drawn from {drawn.people:,} people, none of them in two folds; same pairs of one person: "
        f"{drawn.most_same} at most"
    )
    if drawn.copies or drawn.shared:
        output(
            f"left out: {drawn.copies:,} copies of a person's image, {drawn.shared:,} image files "
            "that lie in the folders of several people"
        )
    output(f"list: {drawn.list}")


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
