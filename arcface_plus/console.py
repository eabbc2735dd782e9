"""The command line's output: lines on stderr and stdout, and progress bars."""

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

# Names from users (runs, targets, files) must not be read as markup or emoji codes.
console = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)


def say(line: str, style: str | None = None) -> None:
    """One line on stderr, with control characters shown instead of sent."""
    console.print(printable(line), style=style)


def output(line: str) -> None:
    """One line of a command's result on stdout, with control characters shown instead of sent.

    Flushed at once, also in a pipe or file: the next line may take hours.
    """
    print(printable(line), flush=True)


class _Bar(Progress):
    """Rich before 14 prints an empty line where it stops a bar that was never drawn."""

    def start(self) -> None:
        if not self.disable:
            super().start()

    def stop(self) -> None:
        if not self.disable:
            super().stop()


def new_bar(*columns: TextColumn) -> Progress:
    """A bar with count, `columns`, elapsed and remaining time; draws nothing without a terminal."""
    return _Bar(
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
    """Yields `bar(what)` → `progress(done, total)`: one bar for each step of the work.

    A terminal shows one bar at a time, so the first progress of a step ends the previous bar.
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
