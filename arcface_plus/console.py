"""What the command line says and draws on stderr: lines, and the one progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from data_prep.errors import printable

# What users name (runs, targets, files) is never markup, nor an emoji code.
console = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)


def say(line: str, style: str | None = None) -> None:
    """One line on stderr, with control characters shown instead of sent."""
    console.print(printable(line), style=style)


def output(line: str) -> None:
    """One line of a command's result on stdout, with control characters shown instead of sent.

    It is there at once, in a pipe or file too: the next one may be hours away.
    """
    print(printable(line), flush=True)


def new_bar(*columns: TextColumn) -> Progress:
    """A bar with count, `columns`, time spent and time left; draws nothing without a terminal."""
    return Progress(
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        *columns,
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Yields `progress(done, total)`."""
    bar = new_bar()
    with bar:
        task = bar.add_task(printable(description), total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield progress


@contextmanager
def bars_in_turn() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Yields `bar(what)` → `progress(done, total)`: a bar for each step of the work, as it begins.

    The terminal takes one bar at a time, so a step's first progress ends the bar before it.
    """
    drawn: dict[str, Callable[[int, int], None]] = {}
    with ExitStack() as bars:

        def bar(what: str) -> Callable[[int, int], None]:
            def progress(done: int, total: int) -> None:
                if what not in drawn:
                    bars.close()
                    drawn[what] = bars.enter_context(progress_bar(what))
                drawn[what](done, total)

            return progress

        yield bar
