"""`arcface-plus cosines`: how alike the filters of a layer are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.commands.model_options import (
    BackboneOption,
    CkptsOption,
    JsonOption,
    backbone_choice,
    check_output,
    table_console,
)
from arcface_plus.console import progress_bar, say

if TYPE_CHECKING:
    from rich.table import Table

    from arcface_plus.evaluation.filter_cosines import FilterCosines


def cosines(
    ckpt: CkptsOption,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a layer, as `angles` prints it; repeatable. Default: the first layer.",
            show_default=False,
        ),
    ] = None,
    json_file: JsonOption = None,
    png: Annotated[Path | None, typer.Option(help="Draw the histograms to this .png file.")] = None,
    backbone: BackboneOption = None,
) -> None:
    """Count the pairs of a layer's filters by their cosine, as in Figure 1 of the MMA paper."""
    from arcface_plus.evaluation.cosine_picture import write_png
    from arcface_plus.evaluation.filter_cosines import measure, write_json

    check_output(json_file, ".json")
    check_output(png, ".png")
    choice = backbone_choice(backbone)
    models = []
    with progress_bar("measuring") as progress:
        for done, path in enumerate(ckpt):
            progress(done, len(ckpt))
            models.append(measure(path, layer or (), choice))
        progress(len(ckpt), len(ckpt))
    table_console(json_file, png).print(_table(models))
    if json_file is not None:
        write_json(json_file, [found for model in models for found in model])
        say(f"wrote {json_file}")
    if png is not None:
        write_png(png, models)
        say(f"wrote {png}")


def _table(models: list[list[FilterCosines]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from arcface_plus.evaluation.filter_cosines import HIGH
    from arcface_plus.evaluation.model_labels import labels
    from data_prep.errors import printable

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("model", overflow="fold")
    table.add_column("layer", no_wrap=True)
    for name in ("filters ×\ndimensions", "pairs", f"cosine\nabove {HIGH}", "largest\ncosine"):
        table.add_column(name, justify="right", no_wrap=True)
    shown = labels([model[0].checkpoint for model in models])
    for label, model in zip(shown, models, strict=True):
        for found in model:
            # Names of files and layers must not be read as markup.
            table.add_row(
                Text(printable(label)), Text(printable(found.layer)),
                f"{found.filters} × {found.dimensions}", f"{found.pairs:,}", f"{found.above:,}",
                "–" if found.largest is None else f"{found.largest:.3f}",
            )  # fmt: skip
    return table
