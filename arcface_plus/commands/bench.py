"""`arcface-plus bench …`: measure the published speeds, each against a baseline in the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from arcface_plus.commands.model_options import DeviceOption, JsonOption, table_console
from data_prep.errors import UserError
from data_prep.files import check_folder_writable, check_writable

bench = typer.Typer(help="Measure speed against a baseline.", no_args_is_help=True)


@bench.command()
def step(
    backbone: Annotated[
        str | None, typer.Option(help="Default: r50 on a GPU, r18 on a CPU.", show_default=False)
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            min=2, help="Batch size. Default: 440 on a GPU, 16 on a CPU.", show_default=False
        ),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Default: 10575, as CASIA-WebFace; 100000 with --processes.",
            show_default=False,
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=2, help="Time only the head, its classes split over this many CPU processes."
        ),
    ] = None,
    micro_batch: Annotated[
        int | None, typer.Option(min=2, help="Split our batch into parts of this many images.")
    ] = None,
    device: DeviceOption = "auto",
    profile: Annotated[
        Path | None,
        typer.Option(help="Also profile the step and write the trace to this folder."),
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Time a training step, ArcFace and ArcFace+, against the reference step."""
    from dataclasses import replace

    from arcface_plus.bench import sharded_head, step_profile
    from arcface_plus.bench.step import CLASSES, default_sizes, run
    from arcface_plus.runtime import resolve_device

    check_writable(json_file)
    if processes is not None:
        if backbone or micro_batch or profile or device not in ("auto", "cpu"):
            raise UserError("--processes goes with --classes, --batch and --json only")
        given = {"classes": classes, "batch": batch}
        sizes_given = {name: size for name, size in given.items() if size is not None}
        _publish([sharded_head.run(processes, **sizes_given)], json_file)
        return
    if profile is not None:
        check_folder_writable(profile)
    where = resolve_device(device)
    sizes = default_sizes(where)
    sizes = replace(
        sizes,
        backbone=backbone or sizes.backbone,
        batch=batch or sizes.batch,
        classes=classes or CLASSES,
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
        typer.Option(min=2, help="Number of classes; repeatable.", show_default=False),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=2, help="Time only the exact search, its rows split over CPU processes."),
    ] = None,
    regularizer: Annotated[
        Literal["mma", "mhe"], typer.Option(help="Nearest rows, or the energy of all pairs.")
    ] = "mma",
    device: DeviceOption = "auto",
    json_file: JsonOption = None,
) -> None:
    """Time MMA or MHE, forward and backward, against the n × n matrix, and compare MMA's modes."""
    from arcface_plus.bench import sharded_mma
    from arcface_plus.bench.mma import run
    from arcface_plus.runtime import resolve_device

    check_writable(json_file)
    sizes = [(count, 512) for count in rows] if rows else None
    if processes is not None:
        if device not in ("auto", "cpu") or regularizer != "mma":
            raise UserError("--processes times MMA on the CPU: leave out --device, --regularizer")
        _publish([sharded_mma.run(processes, sizes)], json_file)
        return
    found = run(str(resolve_device(device)), sizes, regularizer=regularizer)
    _publish(found, json_file)


@bench.command("eval")
def evaluation(
    pairs: Annotated[
        Path | None,
        typer.Option(help="Pair file (.bin): also time its verification, against a naive one."),
    ] = None,
    ckpt: Annotated[
        Path | None, typer.Option(help="Model for --pairs. Default: an untrained one.")
    ] = None,
    device: DeviceOption = "auto",
    json_file: JsonOption = None,
) -> None:
    """Time statistics of 6,000 pairs, a search in a million distractors, and verification."""
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
def checkpoint(
    backbone: Annotated[str, typer.Option(help="Network.")] = "r50",
    classes: Annotated[
        int, typer.Option(min=2, help="Number of classes; CASIA-WebFace has 10575.")
    ] = 10_575,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where to write, on the disk to measure. Default: the system's."),
    ] = None,
    device: DeviceOption = "auto",
    json_file: JsonOption = None,
) -> None:
    """Time how long a checkpoint keeps training waiting, against waiting until it is written."""
    from arcface_plus.bench.checkpoint import run
    from arcface_plus.runtime import resolve_device

    check_writable(json_file)
    if folder is not None:
        check_folder_writable(folder)
        folder.mkdir(parents=True, exist_ok=True)
    _publish([run(resolve_device(device), backbone, classes, folder)], json_file)


@bench.command()
def data(
    train: Annotated[
        Path | None, typer.Option(help="Also read this .rec, or folder with train.rec.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos to align. Default: noise images.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="YuNet's ONNX file: also time detection with it.")
    ] = None,
    json_file: JsonOption = None,
) -> None:
    """Time decoding against an MXNet-like loader (PIL and float tensors), and the data tools."""
    from arcface_plus.bench import alignment, data, data_tools
    from data_prep.align.detector import YuNet

    check_writable(json_file)
    if model is not None:
        YuNet(model)  # report a wrong file now, not after minutes
    _publish([data.run(train=train), data_tools.run(), alignment.run(photos, model)], json_file)


def _publish(results: list[dict[str, Any]], json_file: Path | None) -> None:
    """Print one table per result; with `json_file`, also write JSON with the machine's details."""
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
