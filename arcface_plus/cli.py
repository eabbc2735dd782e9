"""The one command line: joins the groups of commands and turns errors into exit statuses.

Heavy imports happen inside the commands, so that `--help` and mistakes answer at once.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer
import typer.core

import arcface_plus
from arcface_plus.commands.angles import angles
from arcface_plus.commands.bench import bench
from arcface_plus.commands.config import config
from arcface_plus.commands.data import data
from arcface_plus.commands.demo import demo
from arcface_plus.commands.embed import embed
from arcface_plus.commands.evaluate import evaluation
from arcface_plus.commands.export import export
from arcface_plus.commands.identify import identify
from arcface_plus.commands.match import match
from arcface_plus.commands.train import train
from arcface_plus.console import say
from arcface_plus.signals import Terminated, forget_sigterm, sigterm_came, stop_at_sigterm
from arcface_plus.training.errors import Diverged, Interrupted
from data_prep.errors import UserError, first_line

_ORDER = ["demo", "train", "config", "data", "eval", "embed", "match", "export", "angles", "bench"]


class _Commands(typer.core.TyperGroup):
    """Commands and groups of commands in one order; Typer lists all groups last."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=_ORDER.index)


app = typer.Typer(
    name="arcface-plus",
    cls=_Commands,
    help="Train and honestly compare face-verification models: ArcFace and ArcFace+.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_TRAIN, _JUDGE, _USE, _LOOK = "Train", "Data and evaluation", "Use a model", "Look and measure"
app.command("demo", rich_help_panel=_TRAIN)(demo)
app.command("train", rich_help_panel=_TRAIN)(train)
app.add_typer(config, name="config", rich_help_panel=_TRAIN)
app.add_typer(data, name="data", rich_help_panel=_JUDGE)
app.add_typer(evaluation, name="eval", rich_help_panel=_JUDGE)
evaluation.command("identify")(identify)
app.command("embed", rich_help_panel=_USE)(embed)
app.command("match", rich_help_panel=_USE)(match)
app.command("export", rich_help_panel=_USE)(export)
app.command("angles", rich_help_panel=_LOOK)(angles)
app.add_typer(bench, name="bench", rich_help_panel=_LOOK)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"arcface-plus {arcface_plus.__version__}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback with every error; in any place.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it and exit.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 2 the user's mistake, 3 diverged, 128 + n by signal n."""
    forget_sigterm()
    former = stop_at_sigterm()
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [word for word in given if word != "--debug"]
    try:
        status = app(given, prog_name="arcface-plus", standalone_mode=False)
    except BrokenPipeError:  # `arcface-plus … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 128 + 13
    except (Exception, KeyboardInterrupt, Terminated) as error:
        if debug:
            traceback.print_exc()
        status = _report(error)
    finally:
        _leave_processes()
        if former is not None:
            signal.signal(signal.SIGTERM, former)
    sys.exit(status if isinstance(status, int) else 0)


def _report(error: BaseException) -> int:
    """One line on stderr; the exit status."""
    status, text = _verdict(error)
    if text:
        say(f"arcface-plus: {' '.join(text.split())}")
    return status


def _verdict(error: BaseException) -> tuple[int, str]:
    if sigterm_came():
        return 128 + signal.SIGTERM, "stopped by SIGTERM"
    if isinstance(error, UserError):
        return 2, str(error)
    if isinstance(error, Diverged):
        return 3, str(error)
    if isinstance(error, Interrupted):
        return 128 + error.signal_number, str(error)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return 128 + 2, "interrupted"
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return 2, f"{named}{error.strerror or error}"
    if type(error).__name__ == "NoArgsIsHelpError":  # a group alone: its help has been printed
        return 0, ""
    if _is_usage(error):
        return 2, f"{error.format_message()} (see --help)"  # type: ignore[attr-defined]
    if type(error).__name__ == "OutOfMemoryError":
        return 2, f"{first_line(error)} Lower data.batch_size, or data.cache."
    return 1, f"internal error: {type(error).__name__}: {first_line(error)} (--debug shows where)"


def _is_usage(error: Any) -> bool:
    """A wrong option or argument. Typer brings its own Click in some versions, so ask by shape."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def _leave_processes() -> None:
    if "torch" in sys.modules:
        from arcface_plus.runtime import leave_processes

        leave_processes()
