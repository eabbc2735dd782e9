"""`arcface-plus data pack`: class folders or a list → train.rec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arcface_plus.console import output, progress_bar


def pack(
    src: Annotated[
        Path,
        typer.Argument(help="Folder of class folders, a list of path and label, or an .lst."),
    ],
    out: Annotated[Path, typer.Argument(help="Folder for train.rec, .idx, property, labels.json.")],
    root: Annotated[
        Path | None,
        typer.Option(help="Folder that a list's paths start from. Default: the list's own."),
    ] = None,
    quality: Annotated[
        int, typer.Option(min=1, max=100, help="JPEG quality of images that must be encoded.")
    ] = 95,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Default: one per core.", show_default=False)
    ] = None,
) -> None:
    """Pack crops into a training set.

    InsightFace's tools can read it too. 112x112 JPEG images are stored byte for byte, everything
    else is encoded once.
    """
    from data_prep.files import check_folder_writable
    from data_prep.pack import pack as pack_images

    check_folder_writable(out)
    with progress_bar("packing") as progress:
        packed = pack_images(
            src, out, root=root, quality=quality, threads=threads, progress=progress
        )
    output(f"{out}: {packed.images:,} images of {packed.classes:,} classes")
    if packed.encoded:
        output(f"not 112x112 JPEG, so encoded at quality {quality}: {packed.encoded:,}")
    if packed.resized:
        output(
            f"not 112x112, so resized: {packed.resized:,}; if these are photos, not crops, run "
            "`data align` first"
        )
    if packed.other_files:
        output(f"left out: {packed.other_files:,} files whose names are not those of images")
