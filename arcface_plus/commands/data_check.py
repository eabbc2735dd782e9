"""`arcface-plus data check`: read and decode everything, list what is wrong, repair it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.console import output, progress_bar
from data_prep.errors import printable

if TYPE_CHECKING:
    from data_prep.check import Report

_LISTED = 10


def check(
    path: Annotated[
        Path, typer.Argument(help="A .rec, a .bin, or a folder: with train.rec in it or of images.")
    ],
    against: Annotated[
        list[Path] | None,
        typer.Option(help="An evaluation .bin that must share no image with the set; repeatable."),
    ] = None,
    repair: Annotated[
        Path | None, typer.Option(help="Write a new set without the bad images to this folder.")
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write every finding to this CSV file.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Default: one per core.", show_default=False)
    ] = None,
) -> None:
    """Read and decode every image and list what is wrong.

    Exit status 0 if nothing is wrong, 2 otherwise.
    """
    from data_prep.check import check as check_set
    from data_prep.files import check_folder_writable, check_writable
    from data_prep.repair import repair as write_repaired

    check_writable(csv_file)
    if repair is not None:
        check_folder_writable(repair)
    with progress_bar("checking") as progress:
        report = check_set(path, against=against or (), threads=threads, progress=progress)
    for line in _lines(report):
        output(line)
    if csv_file is not None:
        _write_csv(report, csv_file)
    if repair is not None:
        with progress_bar("repairing") as progress:
            repaired = write_repaired(report, repair, progress=progress)
        output(
            f"{repair}: {repaired.images:,} images of {repaired.classes:,} classes; "
            f"{repaired.dropped:,} left out"
        )
        if repaired.renumbered:
            output("classes were renumbered without gaps; labels.json gives their former names")
    if not report.ok:
        raise typer.Exit(2)


def _lines(report: Report) -> list[str]:
    from data_prep.check import KINDS

    lines = [f"{report.collection.path}: {len(report.collection):,} images read and decoded"]
    for kind, meaning in KINDS.items():
        count = report.count(kind)
        if not count:
            continue
        lines.append(f"{kind}: {count:,} · {meaning}")
        # Images with the same bytes under two labels share one message: once is enough here.
        messages = list(dict.fromkeys(f.message for f in report.findings if f.kind == kind))
        lines += [f"  {message}" for message in messages[:_LISTED]]
        if len(messages) > _LISTED:
            lines.append(f"  … and {len(messages) - _LISTED:,} more (--csv FILE lists all)")
    return lines if report.findings else [*lines, "nothing is wrong with them"]


def _write_csv(report: Report, path: Path) -> None:
    """A row a finding; names that are not UTF-8 and formulas are written as harmless text."""
    from data_prep.csv_cells import as_cell
    from data_prep.files import replacing

    with replacing(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["kind", "image", "what"])
        for finding in report.findings:
            name = report.collection.name(finding.image) if finding.image >= 0 else ""
            texts = (printable(name), printable(finding.message))
            writer.writerow([finding.kind, *map(as_cell, texts)])
