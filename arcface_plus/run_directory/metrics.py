"""What a run reports while it trains: metrics.jsonl, TensorBoard and the progress bar."""

from __future__ import annotations

import contextlib
import json
import math
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.progress import TextColumn
from torch.utils.tensorboard import SummaryWriter

from arcface_plus.console import console, new_bar, say
from data_prep.errors import printable
from data_prep.files import sync_folder, write_text

METRICS_FILE = "metrics.jsonl"


class Metrics:
    """Sinks for the numbers of one run. A sink that fails warns once, and training continues."""

    def __init__(self, run: Path, first_step: int, steps: int) -> None:
        _silence_tensorboard_thread()
        _drop_lines_after(run / METRICS_FILE, first_step)
        self._lines_file, self._board_folder = run / METRICS_FILE, run / "tb"
        self._failed: set[Path] = set()
        self._attempt(self._lines_file, self._open_lines)
        self._attempt(self._board_folder, lambda: self._open_board(first_step))
        self._bar = new_bar(TextColumn("{task.fields[note]}", markup=False))
        self._task = self._bar.add_task("train", total=steps, completed=first_step, note="")
        self._note = self._accuracies = ""
        self._bar.start()

    def _open_lines(self) -> None:
        self._lines = open(self._lines_file, "a", encoding="utf-8")  # noqa: SIM115
        sync_folder(self._lines_file.parent)

    def _open_board(self, first_step: int) -> None:
        self._board = SummaryWriter(str(self._board_folder), purge_step=first_step + 1)

    def advance(self, step: int) -> None:
        self._bar.update(self._task, completed=step)

    def log(self, values: Mapping[str, float]) -> None:
        """One logged step; `values` holds at least step, loss, lr and images_per_second."""
        step = int(values["step"])
        self._attempt(self._lines_file, lambda: self._write_line(values))
        self._attempt(self._board_folder, lambda: self._add_scalars("train", step, values))
        self._note = f"loss {values['loss']:.3f}  {values['images_per_second']:.0f} img/s"
        self._show(step)
        if not console.is_terminal:
            say(f"step {step}  {self._note}  lr {values['lr']:g}")

    def sync(self) -> None:
        """Let the lines so far outlast a power cut: they must not lag behind a checkpoint."""
        self._attempt(self._lines_file, self._sync_lines)

    def log_verification(self, step: int, accuracies: Mapping[str, float]) -> None:
        """Accuracies in [0, 1] by target."""
        self._attempt(self._board_folder, lambda: self._add_scalars("eval", step, accuracies))
        self._attempt(self._board_folder, self._flush_board)
        self._accuracies = "  ".join(f"{t} {100 * a:.2f}%" for t, a in accuracies.items())
        self._show(step)
        say(f"step {step}  {self._accuracies}")

    def _flush_board(self) -> None:
        self._board.flush()

    def _sync_lines(self) -> None:
        os.fsync(self._lines.fileno())

    def _close_lines(self) -> None:
        self._lines.close()

    def _close_board(self) -> None:
        self._board.close()

    def _show(self, step: int) -> None:
        note = printable(f"{self._note}  {self._accuracies}".strip())
        self._bar.update(self._task, completed=step, note=note)

    def _write_line(self, values: Mapping[str, float]) -> None:
        self._lines.write(json.dumps(plain(values)) + "\n")
        self._lines.flush()

    def _add_scalars(self, group: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if name != "step":
                self._board.add_scalar(f"{group}/{name}", value, step)

    def _attempt(self, sink: Path, action: Callable[[], None]) -> None:
        if sink in self._failed:
            return
        try:
            action()
        except OSError as error:
            self._failed.add(sink)
            self.warn(f"{sink}: not written any more ({error.strerror}); training continues")

    def warn(self, line: str) -> None:
        say(line, style="yellow")

    def close(self) -> None:
        self._bar.stop()
        self._attempt(self._lines_file, self._close_lines)
        self._attempt(self._board_folder, self._close_board)


def plain(values: Mapping[str, float]) -> dict[str, float | None]:
    """As metrics.jsonl holds them: seven digits, and null for NaN and infinity (JSON has none)."""
    return {name: _plain(value) for name, value in values.items()}


def last_logged(run: Path) -> dict[str, float | None]:
    """The last whole line of RUN/metrics.jsonl; empty if there is none."""
    lines = _lines(run / METRICS_FILE)
    return json.loads(lines[-1]) if lines else {}


def _plain(value: float) -> float | None:
    if isinstance(value, int):
        return value
    return float(f"{value:.7g}") if math.isfinite(value) else None


def _lines(path: Path) -> list[str]:
    """The lines that are whole: a killed process may leave half a line."""
    if not path.is_file():
        return []
    whole = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            int(json.loads(line)["step"])
            whole.append(line + "\n")
    return whole


def _drop_lines_after(path: Path, step: int) -> None:
    """After a crash the file may be ahead of the checkpoint: those steps will be run again."""
    kept = [line for line in _lines(path) if json.loads(line)["step"] <= step]
    if path.is_file() and "".join(kept).encode() != path.read_bytes():
        write_text(path, "".join(kept))


def _silence_tensorboard_thread() -> None:
    """Its OSError reaches us at the next call; the traceback that it prints helps nobody."""
    former = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        ours = type(args.thread).__module__.startswith("tensorboard.")
        if not (ours and issubclass(args.exc_type, OSError)):
            former(args)

    if getattr(former, "__qualname__", "") != hook.__qualname__:
        threading.excepthook = hook
