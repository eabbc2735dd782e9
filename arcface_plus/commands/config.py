"""`arcface-plus config …`: list recipes and config keys, show a resolved config."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arcface_plus.commands.model_options import SettingsOption, table_console
from arcface_plus.console import output

config = typer.Typer(help="Show recipes, config keys and resolved configs.", no_args_is_help=True)


@config.command("list")
def list_recipes() -> None:
    """List the recipes of ArcFace+ by name, for `train`, `study` and `gan`."""
    from arcface_plus.config.recipes import gan_recipes, recipes, studies, title

    width = max(map(len, (*recipes(), *studies(), *gan_recipes())), default=0)
    for name, file in recipes().items():
        output(f"{name:{width}}  {title(file)}")
    for name, file in studies().items():
        output(f"{name:{width}}  study: {title(file)}")
    for name, file in gan_recipes().items():
        output(f"{name:{width}}  gan: {title(file)}")


@config.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file or a recipe's name.")],
    settings: SettingsOption = None,
) -> None:
    """Print the resolved config: files merged, overrides applied, defaults filled in."""
    from arcface_plus.config.tree import load

    for line in load(file, settings or ()).to_yaml().splitlines():
        output(line)


@config.command()
def keys(
    prefix: Annotated[
        str, typer.Argument(help="Show only this section or key, e.g. optimizer or head.margin.")
    ] = "",
) -> None:
    """List the config keys: allowed values, default and meaning of each."""
    from rich.table import Table
    from rich.text import Text

    from arcface_plus.config.keys import config_keys
    from data_prep.errors import UserError

    found = config_keys(prefix)
    if not found:
        raise UserError(f"{prefix}: no such key or section; `arcface-plus config keys` lists all")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("key", no_wrap=True)
    for column in ("takes", "default", "meaning", "only for"):
        table.add_column(column, overflow="fold")
    for row in found:
        table.add_row(*(Text(cell) for cell in row))
    table_console().print(table)
