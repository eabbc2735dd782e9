"""`arcface-plus data extract`: .rec, shards or .bin → image files and a list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arcface_plus.console import output, progress_bar


def extract(
    src: Annotated[Path, typer.Argument(help="A .rec, .tar shards, a folder of these, or a .bin.")],
    out: Annotated[Path, typer.Argument(help="New folder for images and list.")],
    threads: Annotated[
        int | None, typer.Option(min=1, help="Default: one a core.", show_default=False)
    ] = None,
) -> None:
    """Write every image as a file, byte for byte, with a list that `data pack` or `pairs` reads."""
    from data_prep.extract import extract as extract_images

    with progress_bar("extracting") as progress:
        done = extract_images(src, out, threads=threads, progress=progress)
    of = f"{done.pairs:,} pairs" if done.pairs else f"{done.classes:,} classes"
    output(f"{out}: {done.files:,} image files of {of}")
    output(f"list: {done.list}")
