"""`arcface-plus data check`: read and decode everything, list what is wrong, mend it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arcface_plus.console import output, progress_bar

if TYPE_CHECKING:
    from data_prep.check import Report

_LISTED = 10


def check(
    path: Annotated[
        Path, typer.Argument(help="A .rec, a .bin, .tar shards, or a folder of these or of images.")
    ],
    against: Annotated[
        list[Path] | None,
        typer.Option(help="An evaluation .bin whose images must not be in the set; repeatable."),
    ] = None,
    repair: Annotated[
        Path | None, typer.Option(help="Folder for a new set without what is wrong.")
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write every finding into this CSV file.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Default: one a core.", show_default=False)
    ] = None,
) -> None:
    """Read and decode everything. Exit status 0 if nothing is wrong, 2 otherwise."""
    from data_prep.check import check as check_set
    from data_prep.repair import repair as write_repaired

    with progress_bar("checking") as progress:
        report = check_set(path, against=against or (), threads=threads, progress=progress)
    for line in _lines(report):
        output(line)
    if csv_file is not None:
        _write_csv(report, csv_file)
    if repair is not None:
        with progress_bar("repairing") as progress:
            mended = write_repaired(report, repair, progress=progress)
        output(
            f"{repair}: {mended.images:,} images of {mended.classes:,} classes; "
            f"{mended.dropped:,} left out"
        )
        if mended.renumbered:
            output("classes were renumbered without gaps; labels.json says what each was before")
    if not report.ok:
        raise typer.Exit(2)


def _lines(report: Report) -> list[str]:
    from data_prep.check import KINDS

    lines = [f"{report.images.path}: {len(report.images):,} images read and decoded"]
    for kind, meaning in KINDS.items():
        messages = [finding.message for finding in report.findings if finding.kind == kind]
        if messages:
            lines.append(f"{kind}: {len(messages):,} · {meaning}")
            lines += [f"  {message}" for message in messages[:_LISTED]]
        if len(messages) > _LISTED:
            lines.append(f"  … and {len(messages) - _LISTED:,} more (--csv FILE lists all)")
    return lines if report.findings else [*lines, "nothing is wrong with them"]


def _write_csv(report: Report, path: Path) -> None:
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "image", "what"])
        for finding in report.findings:
            name = report.images.name(finding.image) if finding.image >= 0 else ""
            writer.writerow([finding.kind, name, finding.message])
