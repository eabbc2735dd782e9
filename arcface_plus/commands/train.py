"""`arcface-plus train`: put the parts of a run together and let the trainer go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arcface_plus.commands.model_options import SettingsOption
from arcface_plus.console import output
from data_prep.errors import UserError


def train(
    config: Annotated[
        Path, typer.Argument(help="A YAML file or a recipe's name (`arcface-plus config list`).")
    ],
    settings: SettingsOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Run directory. Default: runs/<run.name>."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="Begin with the weights of a run, checkpoint, .safetensors or .pth (model.init).",
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Discard the run that is in the directory.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check everything, make one step in memory, write nothing."),
    ] = False,
) -> None:
    """Train; a run directory with checkpoints is resumed unless --fresh."""
    from arcface_plus.config.faces import FaceConfig
    from arcface_plus.config.tree import load
    from arcface_plus.training.dry_run import rehearse
    from arcface_plus.training.run import execute

    loaded = load(config, settings or ())
    if start is not None:
        if not isinstance(loaded, FaceConfig):
            raise UserError("--from is for face models, not for task: classification")
        model = loaded.model.model_copy(update={"init": start})
        loaded = loaded.model_copy(update={"model": model})
    run = out or Path("runs") / loaded.run.name
    if dry_run:
        for line in rehearse(loaded, run, fresh):
            output(line)
    else:
        execute(loaded, run, fresh)
