"""The command line: combines the commands and turns errors into exit statuses.

Heavy imports happen inside the commands, so that `--help` and usage errors respond at once.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
import typer.core

import arcface_plus
from arcface_plus import torchrun
from arcface_plus.commands.angles import angles
from arcface_plus.commands.bench import bench
from arcface_plus.commands.classify import classify
from arcface_plus.commands.config import config
from arcface_plus.commands.cosines import cosines
from arcface_plus.commands.data import data
from arcface_plus.commands.demo import demo
from arcface_plus.commands.embed import embed
from arcface_plus.commands.evaluate import evaluation
from arcface_plus.commands.export import export
from arcface_plus.commands.features import features
from arcface_plus.commands.gan import gan
from arcface_plus.commands.identify import identify
from arcface_plus.commands.match import match
from arcface_plus.commands.report import report
from arcface_plus.commands.study import study
from arcface_plus.commands.tammes import tammes
from arcface_plus.commands.tammes_table import tammes_table
from arcface_plus.commands.toys import toys
from arcface_plus.commands.train import train
from arcface_plus.console import say
from arcface_plus.signals import Stopped, stop_at_signals
from arcface_plus.training.errors import Diverged, Interrupted, PeerFailed
from arcface_plus.watchdog import STOPPING
from data_prep.errors import UserError, first_line

_PANELS = {
    "Train": ("demo", "train", "study", "gan", "config"),
    "Data and evaluation": ("data", "eval", "report"),
    "Use a model": ("embed", "match", "export"),
    "Look and measure": (
        "angles",
        "cosines",
        "features",
        "toys",
        "tammes",
        "tammes-table",
        "bench",
    ),
}
_PANEL = {name: panel for panel, names in _PANELS.items() for name in names}


class _Commands(typer.core.TyperGroup):
    """Commands and groups of commands in one order; Typer lists all groups last."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=list(_PANEL).index)


app = typer.Typer(
    name="arcface-plus",
    cls=_Commands,
    help="Train and honestly compare face-verification models: ArcFace and ArcFace+.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "train": train,
    "study": study,
    "gan": gan,
    "report": report,
    "embed": embed,
    "match": match,
    "export": export,
    "angles": angles,
    "cosines": cosines,
    "features": features,
    "toys": toys,
    "tammes": tammes,
    "tammes-table": tammes_table,
}
for _name, _command in _COMMANDS.items():
    app.command(_name, rich_help_panel=_PANEL[_name])(_command)
for _name, _group in {"config": config, "data": data, "eval": evaluation, "bench": bench}.items():
    app.add_typer(_group, name=_name, rich_help_panel=_PANEL[_name])
evaluation.command("identify")(identify)
evaluation.command("classify")(classify)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"arcface-plus {arcface_plus.__version__}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback with errors; works in any position.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show version and exit."),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 success, 2 user error, 3 diverged, 128 + n after signal n."""
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
        if torchrun.several():  # the process group and its threads may wait for processes that
            sys.stdout.flush()  # are gone, and would be waited for
            sys.stderr.flush()
            os._exit(status)
    _leave_processes()
    sys.exit(status if isinstance(status, int) else 0)


def _report(error: BaseException) -> int:
    """Print one line on stderr, in one of several processes; return the exit status."""
    if torchrun.several():
        for number in STOPPING:  # torchrun sends SIGTERM once the first process has ended
            signal.signal(number, signal.SIG_IGN)
    status, text = _verdict(error)
    line = text and f"arcface-plus: {' '.join(text.split())}"
    if torchrun.several():
        torchrun.announce(line, say)
    elif line:
        say(line)
    return status


def _verdict(error: BaseException) -> tuple[int, str]:
    if isinstance(error, UserError):
        return 2, str(error)
    if isinstance(error, Diverged):
        return 3, str(error)
    if isinstance(error, PeerFailed):
        return 1, str(error)
    if isinstance(error, Interrupted):
        return 128 + error.signal_number, str(error)
    if isinstance(error, Stopped):
        return 128 + error.number, str(error)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return 128 + 2, "interrupted"
    if torchrun.several() and torchrun.is_lost_connection(error):
        return 1, (
            f"{torchrun.lost_processes()} ended or does not answer; the last checkpoint stays, "
            "repeat the command to continue"
        )
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return 2, f"{named}{error.strerror or error}"
    if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command: help was printed
        return 0, ""
    if _is_usage(error):
        return 2, f"{error.format_message()} (see --help)"  # type: ignore[attr-defined]
    if type(error).__name__ == "OutOfMemoryError":
        return 2, f"{first_line(error)} Lower data.batch_size, or use another data.cache."
    return 1, f"internal error: {type(error).__name__}: {first_line(error)} (--debug shows where)"


def _is_usage(error: Any) -> bool:
    """A wrong option or argument; by attributes, since some versions of Typer bundle Click."""
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def _leave_processes() -> None:
    if "torch" in sys.modules:
        from arcface_plus.runtime import leave_processes

        leave_processes()
