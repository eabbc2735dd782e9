"""`arcface-plus data inspect`: what is in a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arcface_plus.console import output


def inspect(
    path: Annotated[
        Path, typer.Argument(help="A .rec, a .bin, or a folder: with train.rec in it or of images.")
    ],
    sheet: Annotated[
        Path | None,
        typer.Option(help="Write a contact sheet (.png): one row per class or pairs."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, max=500, help="Rows of the sheet.")] = 14,
    histogram: Annotated[
        Path | None, typer.Option(help="Write a histogram of images per class (.png).")
    ] = None,
) -> None:
    """Show what is in a data set.

    Images, classes, sizes, formats, colour, label gaps, and what training will need.
    """
    from data_prep.collection import open_collection
    from data_prep.inspect.inspect import inspect_collection
    from data_prep.inspect.pictures import check_picture_name, write_histogram, write_sheet
    from data_prep.inspect.text import describe

    for picture in (sheet, histogram):
        if picture is not None:
            check_picture_name(picture)
    collection = open_collection(path)
    found = inspect_collection(collection)
    for line in describe(found):
        output(line)
    if histogram is not None:
        write_histogram(found, histogram)
        output(f"histogram: {histogram}")
    if sheet is not None:
        write_sheet(collection, sheet, rows=rows)
        output(f"contact sheet: {sheet}")
