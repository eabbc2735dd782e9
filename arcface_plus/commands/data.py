"""`arcface-plus data …`: everything about data sets on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arcface_plus.commands.data_align import align
from arcface_plus.commands.data_check import check
from arcface_plus.commands.data_extract import extract
from arcface_plus.commands.data_inspect import inspect
from arcface_plus.commands.data_pack import pack
from arcface_plus.commands.data_pairs import pairs
from arcface_plus.console import progress_bar, say

data = typer.Typer(help="Make, inspect, check and repair data sets.", no_args_is_help=True)
data.command("align")(align)
data.command("pack")(pack)
data.command("pairs")(pairs)
data.command("inspect")(inspect)
data.command("check")(check)
data.command("extract")(extract)


@data.command()
def synth(
    out: Annotated[Path, typer.Argument(help="Directory for the new data set.")],
    identities: Annotated[int, typer.Option(help="People in the training set.")] = 200,
    images: Annotated[int, typer.Option(help="Images of each person.")] = 30,
    pair_count: Annotated[
        int, typer.Option("--pairs", help="Pairs in each pair file, a multiple of 20.")
    ] = 600,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
) -> None:
    """Generate a data set of faces.

    A training set, and the pair files synth_frontal.bin, synth_pose.bin and synth_age.bin.
    """
    from data_prep.faces.synthetic import generate
    from data_prep.files import check_folder_writable

    check_folder_writable(out)
    with progress_bar("drawing faces") as progress:
        generate(out, identities, images, seed, pairs=pair_count, progress=progress)
    say(
        f"{out}: {identities * images} images of {identities} people, {pair_count} pairs per file",
    )
