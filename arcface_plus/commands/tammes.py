"""`arcface-plus tammes`: points on a sphere as far apart as possible, found by a regularizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from arcface_plus.console import output, progress_bar, say

if TYPE_CHECKING:
    from arcface_plus.models.regularizers import Regularizer


def tammes(
    dimension: Annotated[
        int, typer.Option("--dimension", "-d", min=2, help="Of the sphere's space.")
    ],
    points: Annotated[int, typer.Option("--points", "-n", min=2, help="How many.")],
    regularizer: Annotated[
        str, typer.Option(help="What to minimize: mma, cosine, mhe, or '{name: mhe, power: 0}'.")
    ] = "mma",
    solver: Annotated[
        Literal["descent", "best"],
        typer.Option(help="The paper's descent; or go on from it to the best packing found."),
    ] = "descent",
    seeds: Annotated[int, typer.Option(min=1, help="Number of starts: seeds 0, 1, …")] = 1,
    steps: Annotated[int, typer.Option(min=0, help="Steps of a descent.")] = 10_000,
    renormalize: Annotated[
        bool, typer.Option("--renormalize", help="Scale rows to length 1 after each step.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for tammes.json, points.npy and points.png.")
    ] = None,
) -> None:
    """Solve the Tammes problem and compare with the best known packing and the bounds."""
    from arcface_plus.sphere.packing_solver import best_packing
    from arcface_plus.sphere.results import Packings
    from arcface_plus.sphere.tammes import Descent, descend
    from arcface_plus.sphere.tammes_files import write
    from data_prep.files import check_folder_writable

    if out is not None:
        check_folder_writable(out)
    built = _built(regularizer)
    result = Packings(dimension, points, regularizer, solver, steps)
    for seed in range(seeds):
        with progress_bar(f"seed {seed}: descent") as progress:
            rows = descend(
                dimension, points, built(), seed, Descent(steps, renormalize=renormalize), progress
            )
        if solver == "best":
            with progress_bar(f"seed {seed}: packing") as progress:
                rows = best_packing(rows, seed, progress)
        result = result.with_next(rows)
    for line in result.lines():
        output(line)
    if out is not None:
        write(out, result)
        say(f"wrote {out}")


def _built(text: str) -> Any:
    """Parse `--regularizer`, written like `regularizer` in a config; a function that builds it."""
    from arcface_plus.config.tree import validate
    from data_prep.errors import UserError
    from data_prep.yaml_file import parse_yaml

    try:
        given = parse_yaml(text)
    except ValueError:
        given = None
    given = {"name": given} if isinstance(given, str) else given
    if not isinstance(given, dict) or given.get("name", "none") == "none":
        raise UserError(
            f"--regularizer {text[:80]}: give a name (mma) or '{{name: mhe, power: 0}}'"
        )
    tree = {"run": {"name": "tammes"}, "regularizer": {"weight": 1.0, **given}}
    (term,) = validate(tree, "--regularizer").regularizers
    example: Regularizer = term.build()
    if example.needs_labels:
        raise UserError("--regularizer: pairs: batch needs the labels of images; use pairs: all")
    return term.build
