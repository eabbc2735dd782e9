"""What a run reports while it goes: metrics.jsonl, TensorBoard and the progress bar."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from rich.progress import TextColumn
from torch.utils.tensorboard import SummaryWriter

from arcface_plus.console import console, new_bar, say
from data_prep.errors import printable

METRICS_FILE = "metrics.jsonl"


class Metrics:
    """Sinks for the numbers of one run; `quiet` for the processes other than the first."""

    def __init__(self, run: Path, first_step: int, steps: int) -> None:
        _drop_lines_after(run / METRICS_FILE, first_step)
        self._lines = open(run / METRICS_FILE, "a", encoding="utf-8")  # noqa: SIM115
        self._board = SummaryWriter(str(run / "tb"), purge_step=first_step + 1)
        self._bar = new_bar(TextColumn("{task.fields[note]}", markup=False))
        self._task = self._bar.add_task("train", total=steps, completed=first_step, note="")
        self._accuracies = ""
        self._bar.start()

    def advance(self, step: int) -> None:
        self._bar.update(self._task, completed=step)

    def log(self, values: Mapping[str, float]) -> None:
        """One logged step; `values` holds at least step, loss, lr and images_per_second."""
        step = int(values["step"])
        self._lines.write(json.dumps({k: _plain(v) for k, v in values.items()}) + "\n")
        self._lines.flush()
        for name, value in values.items():
            if name != "step":
                self._board.add_scalar(f"train/{name}", value, step)
        note = f"loss {values['loss']:.3f}  {values['images_per_second']:.0f} img/s"
        self._bar.update(
            self._task, completed=step, note=printable(f"{note}  {self._accuracies}".rstrip())
        )
        if not console.is_terminal:
            say(f"step {step}  {note}  lr {values['lr']:g}")

    def log_verification(self, step: int, accuracies: Mapping[str, float]) -> None:
        """Accuracies in [0, 1] by target."""
        for target, value in accuracies.items():
            self._board.add_scalar(f"eval/{target}", value, step)
        self._board.flush()
        self._accuracies = "  ".join(f"{t} {100 * a:.2f}%" for t, a in accuracies.items())
        say(f"step {step}  {self._accuracies}")

    def warn(self, line: str) -> None:
        say(line, style="yellow")

    def close(self) -> None:
        self._bar.stop()
        self._board.close()
        self._lines.close()


def _plain(value: float) -> float | None:
    """JSON knows neither NaN nor infinity."""
    if isinstance(value, int):
        return value
    return float(f"{value:.7g}") if math.isfinite(value) else None


def _drop_lines_after(path: Path, step: int) -> None:
    """After a crash the file may be ahead of the checkpoint: those steps will be run again."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue  # the half line that a killed process left
    path.write_text("".join(kept), encoding="utf-8")
