"""TensorBoard: curves, histograms of angles, the config as text, hyperparameters and accuracies."""

from __future__ import annotations

import json
import textwrap
import threading
from collections.abc import Mapping

import numpy as np

from arcface_plus.run_directory.sinks.sink import RunFacts, Sink

_BINS = 360  # of half a degree, from 0° to 180°


class TensorBoard(Sink):
    """Event files in RUN/tb. TensorBoard drops what was logged there after the checkpoint."""

    file = "tb"

    def __init__(self, facts: RunFacts) -> None:
        from torch.utils.tensorboard import SummaryWriter

        _silence_tensorboard_thread()
        self._config = facts.config
        self._board = SummaryWriter(str(facts.run / "tb"), purge_step=facts.first_step + 1)
        self._add_text("config", facts.config_yaml, facts.first_step)
        self._add_text("environment", json.dumps(facts.environment, indent=2), facts.first_step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._add_scalars("train", step, values)

    def log_angles(self, step: int, degrees: np.ndarray) -> None:
        degrees = degrees[np.isfinite(degrees)].astype(np.float64)
        if not len(degrees):
            return
        counts, edges = np.histogram(degrees, bins=_BINS, range=(0.0, 180.0))
        filled = np.flatnonzero(counts)
        seen = slice(int(filled[0]), int(filled[-1]) + 1)
        self._board.add_histogram_raw(
            "angles/nearest_class_deg",
            min=degrees.min(),
            max=degrees.max(),
            num=len(degrees),
            sum=degrees.sum(),
            sum_squares=degrees @ degrees,
            bucket_limits=edges[1:][seen].tolist(),
            bucket_counts=counts[seen].tolist(),
            global_step=step,
        )

    def log_verification(self, step: int, accuracies: Mapping[str, float]) -> None:
        self._add_scalars("eval", step, accuracies)
        self._board.flush()

    def finish(self, accuracies: Mapping[str, float]) -> None:
        """As `SummaryWriter.add_hparams`, which would make a second run folder for it.

        The metrics are named by the tags of their curves: TensorBoard shows the last values there.
        """
        from torch.utils.tensorboard.summary import hparams

        metrics = {f"eval/{target}": value for target, value in accuracies.items()}
        settings = {key: _hyperparameter(value) for key, value in self._config.items()}
        for summary in hparams(settings, metrics):
            self._board._get_file_writer().add_summary(summary)  # as add_hparams itself does

    def close(self) -> None:
        self._board.close()

    def _add_scalars(self, group: str, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if name != "step":
                self._board.add_scalar(f"{group}/{name}", value, step)

    def _add_text(self, tag: str, text: str, step: int) -> None:
        self._board.add_text(tag, textwrap.indent(text, "    "), step)  # a code block of Markdown


def _hyperparameter(value: object) -> object:
    """A number, a truth value or text: TensorBoard takes no others."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)


def _silence_tensorboard_thread() -> None:
    """Its OSError reaches us at the next call; the traceback that it prints helps nobody."""
    former = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        ours = type(args.thread).__module__.startswith("tensorboard.")
        if not (ours and issubclass(args.exc_type, OSError)):
            former(args)

    if getattr(former, "__qualname__", "") != hook.__qualname__:
        threading.excepthook = hook
