"""`arcface-plus bench …`: the published figures, each against its baseline in the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from arcface_plus.commands.model_options import DeviceOption, JsonOption, table_console
from data_prep.files import check_folder_writable, check_writable

bench = typer.Typer(help="Measure, each figure against its baseline.", no_args_is_help=True)


@bench.command()
def step(
    backbone: Annotated[
        str | None, typer.Option(help="Default: r50 on a GPU, r18 on a CPU.", show_default=False)
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(min=2, help="Images. Default: 440 on a GPU, 16 on a CPU.", show_default=False),
    ] = None,
    classes: Annotated[int, typer.Option(min=2, help="Default: as many as CASIA has.")] = 10_575,
    micro_batch: Annotated[
        int | None, typer.Option(min=2, help="Ours takes the batch in parts of so many images.")
    ] = None,
    device: DeviceOption = "auto",
    profile: Annotated[
        Path | None,
        typer.Option(help="Also say where the time goes; the trace is written to this folder."),
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """A training step, ArcFace and ArcFace+, against the reference step."""
    from dataclasses import replace

    from arcface_plus.bench import step_profile
    from arcface_plus.bench.step import default_sizes, run
    from arcface_plus.runtime import resolve_device

    check_writable(json_file)
    if profile is not None:
        check_folder_writable(profile)
    where = resolve_device(device)
    sizes = default_sizes(where)
    sizes = replace(
        sizes,
        backbone=backbone or sizes.backbone,
        batch=batch or sizes.batch,
        classes=classes,
        micro_batch=micro_batch,
    )
    results = [run(where, sizes)]
    if profile is not None:
        rows = results[0]["rows"]
        taken = {row["name"]: row["milliseconds"] for row in rows if "milliseconds" in row}
        results += step_profile.run(where, sizes, profile, taken)
    _publish(results, json_file)


@bench.command()
def mma(
    rows: Annotated[
        list[int] | None,
        typer.Option(min=2, help="Rows (classes); may be repeated.", show_default=False),
    ] = None,
    device: DeviceOption = "auto",
    json_file: JsonOption = None,
) -> None:
    """MMA, forward and backward, against the n×n way; its modes against each other."""
    from arcface_plus.bench.mma import run
    from arcface_plus.runtime import resolve_device

    check_writable(json_file)
    sizes = [(count, 512) for count in rows] if rows else None
    _publish(run(str(resolve_device(device)), sizes), json_file)


@bench.command("eval")
def evaluation(
    pairs: Annotated[
        Path | None, typer.Option(help="A pair file: verify it too, against the naive order.")
    ] = None,
    ckpt: Annotated[Path | None, typer.Option(help="Its model. Default: an untrained one.")] = None,
    device: DeviceOption = "auto",
    json_file: JsonOption = None,
) -> None:
    """All statistics of 6,000 pairs, a million distractors; with --pairs, a whole verification."""
    from arcface_plus.bench import identification, verification
    from arcface_plus.bench.evaluation import run
    from arcface_plus.runtime import resolve_device

    check_writable(json_file)
    results = [run()]
    if pairs is not None:
        results.append(verification.run(pairs, ckpt, resolve_device(device)))
    results.append(identification.run())
    _publish(results, json_file)


@bench.command()
def data(
    train: Annotated[
        Path | None, typer.Option(help="A .rec, or a folder with train.rec, to read as well.")
    ] = None,
    photos: Annotated[Path | None, typer.Option(help="Photos to align; default: noise.")] = None,
    model: Annotated[Path | None, typer.Option(help="YuNet's ONNX file, for detection.")] = None,
    json_file: JsonOption = None,
) -> None:
    """Decoding against the MXNet-like way (PIL and float tensors), and the data tools."""
    from arcface_plus.bench import alignment, data, data_tools
    from data_prep.align.detector import YuNet

    check_writable(json_file)
    if model is not None:
        YuNet(model)  # a wrong file is told now, not after minutes
    _publish([data.run(train=train), data_tools.run(), alignment.run(photos, model)], json_file)


def _publish(results: list[dict[str, Any]], json_file: Path | None) -> None:
    """A table each on stdout, JSON with the machine's facts on request."""
    import json

    from rich.table import Table
    from rich.text import Text

    from arcface_plus.bench.machine import facts
    from data_prep.errors import printable
    from data_prep.files import write_text

    terminal = table_console(json_file)
    for result in results:
        columns = list(dict.fromkeys(key for row in result["rows"] for key in row))
        table = Table(title=Text(printable(result["title"]), "table.title"))
        for column in columns:
            side: Literal["left", "right"] = "left" if column == "name" else "right"
            shown = max(len(str(row.get(column, ""))) for row in result["rows"])
            least = min(shown, 20) if column == "name" else None
            title = column.replace("_", " ")
            table.add_column(title, justify=side, overflow="fold", min_width=least)
        for row in result["rows"]:
            table.add_row(*(Text(printable(_cell(row.get(column)))) for column in columns))
        terminal.print(table)
    if json_file is not None:
        content = {"schema": 1, "results": results, "machine": facts()}
        write_text(json_file, json.dumps(content, indent=2) + "\n")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "–" if value is None else str(value)
