"""`arcface-plus data extract`: .rec or .bin → image files and a list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arcface_plus.console import output, progress_bar


def extract(
    src: Annotated[Path, typer.Argument(help="A .rec, a folder with train.rec, or a .bin.")],
    out: Annotated[Path, typer.Argument(help="New folder for the images and their list.")],
    threads: Annotated[
        int | None, typer.Option(min=1, help="Default: one per core.", show_default=False)
    ] = None,
) -> None:
    """Write every image to a file.

    Bytes are unchanged. The list that is written too is for `data pack` or `data pairs`.
    """
    from data_prep.extract import extract as extract_images
    from data_prep.files import check_folder_writable

    check_folder_writable(out)
    with progress_bar("extracting") as progress:
        done = extract_images(src, out, threads=threads, progress=progress)
    of = f"{done.pairs:,} pairs" if done.pairs else f"{done.classes:,} classes"
    output(f"{out}: {done.files:,} image files of {of}")
    output(f"list: {done.list}")
    if not done.in_order:
        output(
            "the folders sort in another order than the classes: to keep the class numbers, run "
            f"`data pack {done.list} OUT`"
        )
