"""`arcface-plus angles`: the angles between the filters of each layer."""

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
    line_printer,
    table_console,
)
from arcface_plus.console import progress_bar, say

if TYPE_CHECKING:
    from rich.table import Table

    from arcface_plus.evaluation.layer_angles import LayerAngles, ModelAngles


def angles(
    ckpt: CkptsOption,
    json_file: JsonOption = None,
    png: Annotated[Path | None, typer.Option(help="Plot the angles to this .png file.")] = None,
    backbone: BackboneOption = None,
) -> None:
    """Smallest and mean angle of each layer's filters to their nearest other filter, in degrees."""
    from arcface_plus.evaluation.layer_angles import measure, write_json, write_png

    check_output(json_file, ".json")
    check_output(png, ".png")
    choice = backbone_choice(backbone)
    models = []
    with progress_bar("measuring") as progress:
        for done, path in enumerate(ckpt):
            progress(done, len(ckpt))
            models.append(measure(path, choice))
        progress(len(ckpt), len(ckpt))
    terminal = table_console(json_file, png)
    piped = None if terminal.is_terminal else 60 + 30 * len(models)  # a file is never cut off
    terminal.print(_table(models), width=piped)
    show = line_printer(json_file, png)
    for model in models:
        if model.classifier_absent:
            show(f"{model.checkpoint}: no classifier: {model.classifier_absent}")
    if json_file is not None:
        write_json(json_file, models)
        say(f"wrote {json_file}")
    if png is not None:
        write_png(png, models)
        say(f"wrote {png}")


def _table(models: list[ModelAngles]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from arcface_plus.evaluation.layer_angles import layer_names
    from arcface_plus.evaluation.model_labels import labels
    from data_prep.errors import printable

    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title="angle to the nearest other row, degrees",
        title_justify="left",
    )
    table.add_column("layer", no_wrap=True, vertical="bottom")
    table.add_column("rows ×\ndimensions", justify="right", no_wrap=True)
    for label in labels([model.checkpoint for model in models]):
        # Names of files and layers must not be read as markup.
        table.add_column(Text(f"{printable(label)}\nmean"), justify="right", overflow="fold")
        table.add_column("\nsmallest", justify="right", no_wrap=True)
    of_models = [{layer.name: layer for layer in model.layers} for model in models]
    for name in layer_names(models):
        found = [layers.get(name) for layers in of_models]
        cells = [cell for layer in found for cell in _cells(layer)]
        table.add_row(Text(printable(name)), _shape(found), *cells)
    return table


def _cells(layer: LayerAngles | None) -> tuple[str, str]:
    if layer is None or layer.mean_deg is None or layer.smallest_deg is None:
        return "–", "–"
    return f"{layer.mean_deg:.2f}", f"{layer.smallest_deg:.2f}"


def _shape(found: list[LayerAngles | None]) -> str:
    shapes = dict.fromkeys(f"{layer.rows} × {layer.dimensions}" for layer in found if layer)
    return "\n".join(shapes)
