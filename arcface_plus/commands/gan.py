"""`arcface-plus gan`: train a GAN with a regularized discriminator, score its images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arcface_plus.commands.model_options import SettingsOption


def gan(
    config: Annotated[
        Path,
        typer.Argument(help="A YAML file or a GAN recipe's name (`arcface-plus config list`)."),
    ],
    settings: SettingsOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Run directory. Default: runs/<run.name>."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Discard the run that is in the directory.")
    ] = False,
) -> None:
    """Train a GAN on 32×32 images (MHE paper, appendix G); a run with checkpoints is resumed."""
    from arcface_plus.gan.config import load_gan
    from arcface_plus.gan.run import execute

    loaded = load_gan(config, settings or ())
    execute(loaded, out or Path("runs") / loaded.run.name, fresh)
