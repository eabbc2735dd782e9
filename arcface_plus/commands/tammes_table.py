"""`arcface-plus tammes-table`: Table 1 of "MMA Regularization", seed by seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arcface_plus.console import output, progress_bar, say


def tammes_table(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder; finished seeds there stay.")],
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each cell: 0, 1, …")] = 3,
    steps: Annotated[int, typer.Option(min=0, help="Steps of a descent.")] = 10_000,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what is done and what is missing.")
    ] = False,
) -> None:
    """Solve the ten Tammes problems of the MMA paper by its four losses, and as well as possible.

    Each cell has a folder like that of `tammes --out`. Run it again to continue after a stop, or
    for more seeds. table.md and table.png show what is there.
    """
    from arcface_plus.sphere.table import add, read_table, to_do
    from arcface_plus.sphere.table_files import write_table
    from data_prep.files import check_folder_writable, make_folder

    check_folder_writable(out)
    table = read_table(out, steps)
    missing = list(to_do(table, seeds))
    if dry_run:
        for cell, found in table.items():
            lacks = sum(1 for other, _ in missing if other == cell)
            where, done = cell.folder(out).relative_to(out), len(found.angles)
            output(f"{where}: {done} seeds done, {lacks} missing")
        return
    make_folder(out)
    for number, (cell, seed) in enumerate(missing, 1):
        name = f"{cell.folder(out).relative_to(out)}, seed {seed}"
        with progress_bar(f"{number} of {len(missing)}: {name}") as progress:
            table[cell] = add(out, cell, seed, steps, progress)
        write_table(out, table)
        output(f"{name}: {table[cell].angles[-1]:.3f}°")
    write_table(out, table)
    say(f"wrote {out / 'table.md'} and {out / 'table.png'}")
