"""The one command line: joins the groups of commands and turns errors into exit statuses.

Heavy imports happen inside the commands, so that `--help` and mistakes answer at once.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer

import arcface_plus
from arcface_plus.commands.angles import angles
from arcface_plus.commands.bench import bench
from arcface_plus.commands.data import data
from arcface_plus.commands.demo import demo
from arcface_plus.commands.embed import embed, match
from arcface_plus.commands.evaluate import evaluation
from arcface_plus.commands.export import export
from arcface_plus.commands.identify import identify
from arcface_plus.commands.train import train
from arcface_plus.console import say
from arcface_plus.signals import Stopped, stop_at_signals
from arcface_plus.training.errors import Diverged, Interrupted
from data_prep.errors import UserError, first_line

app = typer.Typer(
    name="arcface-plus",
    help="Train and honestly compare face-verification models: ArcFace and ArcFace+.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.command("demo")(demo)
app.command("train")(train)
app.add_typer(evaluation, name="eval")
app.add_typer(data, name="data")
evaluation.command("identify")(identify)
app.command("export")(export)
app.command("embed")(embed)
app.command("match")(match)
app.command("angles")(angles)
app.add_typer(bench, name="bench")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"arcface-plus {arcface_plus.__version__}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback for every error (anywhere in line).")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print and leave.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 2 the user's mistake, 3 diverged, 128 + n by signal n."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [word for word in given if word != "--debug"]
    raised: list[Stopped] = []
    try:
        with stop_at_signals() as raised:
            status = app(given, prog_name="arcface-plus", standalone_mode=False)
    except BrokenPipeError:  # `arcface-plus … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 128 + 13
    except (Exception, KeyboardInterrupt, Stopped) as error:
        if debug:
            traceback.print_exc()
        status = _report(raised[0] if raised else error)
    finally:
        _leave_processes()
    sys.exit(status if isinstance(status, int) else 0)


def _report(error: BaseException) -> int:
    """One line on stderr; the exit status."""
    status, text = _verdict(error)
    if text:
        say(f"arcface-plus: {' '.join(text.split())}")
    return status


def _verdict(error: BaseException) -> tuple[int, str]:
    if isinstance(error, UserError):
        return 2, str(error)
    if isinstance(error, Diverged):
        return 3, str(error)
    if isinstance(error, Interrupted):
        return 128 + error.signal_number, str(error)
    if isinstance(error, Stopped):
        return 128 + error.number, str(error)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return 128 + 2, "interrupted"
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return 2, f"{named}{error.strerror or error}"
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
