"""What a run reports while it trains: to its sinks, the progress bar and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from rich.progress import TextColumn

from arcface_plus.config.sections import StoredConfig
from arcface_plus.console import console, new_bar, say
from arcface_plus.run_directory.entries import ENVIRONMENT_FILE
from arcface_plus.run_directory.prepare import flattened
from arcface_plus.run_directory.sinks import ALWAYS, SINKS, RunFacts, Sink
from arcface_plus.run_directory.sinks.jsonl import last_logged
from data_prep.errors import first_line, printable
from data_prep.json_file import read_json_mapping


class Metrics:
    """The numbers of one run. A sink that fails warns once, and training continues.

    `steps`: the length of the run; `names`: sinks beside those that every run has; `shown`: the
    figures that stand in its lines on the terminal.
    """

    def __init__(
        self,
        facts: RunFacts,
        steps: int,
        names: Iterable[str] = (),
        shown: Iterable[str] = ("loss",),
    ) -> None:
        self._facts, self._shown = facts, tuple(shown)
        self._sinks: dict[str, Sink] = {}
        for name in (*ALWAYS, *names):
            self._open(name)
        self._bar = new_bar(TextColumn("{task.fields[note]}", markup=False))
        self._task = self._bar.add_task("train", total=steps, completed=facts.first_step, note="")
        self._note = self._accuracies = ""
        self._bar.start()

    def advance(self, step: int) -> None:
        self._bar.update(self._task, completed=step)

    def log(self, values: Mapping[str, float], angles: np.ndarray | None = None) -> None:
        """One logged step; `values` holds at least step, lr, images_per_second and what is shown.

        `angles`: from each class weight to its nearest other one, (classes,), degrees, if there are
        classes.
        """
        step = int(values["step"])
        self._tell(lambda sink: sink.log(step, values))
        if angles is not None:
            self._tell(lambda sink: sink.log_angles(step, angles))
        figures = "  ".join(f"{name} {values[name]:.3f}" for name in self._shown)
        self._note = f"{figures}  {values['images_per_second']:.0f} img/s"
        self._show(step)
        if not console.is_terminal:
            say(f"step {step}  {self._note}  lr {values['lr']:g}")

    def log_verification(self, step: int, accuracies: Mapping[str, float]) -> None:
        """Accuracies in [0, 1] by target."""
        text = "  ".join(f"{t} {100 * a:.2f}%" for t, a in accuracies.items())
        self.log_evaluation(step, accuracies, text)

    def log_evaluation(self, step: int, figures: Mapping[str, float], text: str) -> None:
        """The figures of an evaluation, and what the terminal shows of them."""
        self._tell(lambda sink: sink.log_verification(step, figures))
        self._accuracies = text
        self._show(step)
        say(f"step {step}  {text}")

    def sync(self) -> None:
        """Let the figures so far outlast a power cut: they must not lag behind a checkpoint."""
        self._tell(lambda sink: sink.sync())

    def finish(self, accuracies: Mapping[str, float]) -> None:
        """The last step is made; accuracies in [0, 1] by target."""
        self._tell(lambda sink: sink.finish(accuracies))

    def warn(self, line: str) -> None:
        say(line, style="yellow")

    def close(self) -> None:
        self._bar.stop()
        self._tell(lambda sink: sink.close())
        self._sinks.clear()

    def _show(self, step: int) -> None:
        note = printable(f"{self._note}  {self._accuracies}".strip())
        self._bar.update(self._task, completed=step, note=note)

    def _open(self, name: str) -> None:
        kind = (ALWAYS | SINKS)[name]
        try:
            self._sinks[name] = kind(self._facts)
        except Exception as error:
            self._warn_of(name, error)

    def _tell(self, action: Callable[[Sink], None]) -> None:
        """Call every sink that has not failed. Libraries of others raise whatever they like."""
        for name, sink in list(self._sinks.items()):
            try:
                action(sink)
            except Exception as error:
                del self._sinks[name]
                self._warn_of(name, error)

    def _warn_of(self, name: str, error: Exception) -> None:
        file = (ALWAYS | SINKS)[name].file
        place = self._facts.run / file if file else f"logging.sinks: {name}"
        reason = error.strerror if isinstance(error, OSError) and error.strerror else None
        self.warn(f"{place}: not written any more ({reason or first_line(error)}); "
                  "training continues")  # fmt: skip


def facts_of(config: StoredConfig, run: Path, first_step: int) -> RunFacts:
    """Of a run whose config.yaml and environment.json are written."""
    return RunFacts(
        run=run,
        name=config.name,
        first_step=first_step,
        last_logged=int(last_logged(run).get("step") or 0),
        config=flattened(config.model_dump(mode="json")),
        config_yaml=config.to_yaml(),
        environment=read_json_mapping(run / ENVIRONMENT_FILE),
    )
