"""A loss that is not finite: detected without synchronization, reported with its batch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from arcface_plus.data.loader import Batch, Loader
from arcface_plus.models.recognizer import Losses
from arcface_plus.training.errors import Diverged
from arcface_plus.training.update import Updater
from data_prep.files import write_text

ADVICE = "try a smaller optimizer.lr, optimizer.warmup_steps, or runtime.precision fp32"
SMALLEST_SCALE = 2.0**-10  # with an fp16 loss scale below this, training makes no progress


class DivergenceWatch:
    """Remembers, on the device, the first step whose loss is not finite.

    `last`: finds the newest checkpoint, which errors name.
    """

    def __init__(
        self, updater: Updater, loader: Loader, run: Path, last: Callable[[], Path | None]
    ) -> None:
        self._updater, self._loader = updater, loader
        self._run, self._last = run, last
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=updater.device)

    def note(self, losses: Losses, step: int) -> None:
        """Record the losses of update number `step`, counted from 0. No synchronization."""
        bad = ~torch.isfinite(losses.total) & (self._first_bad < 0)
        self._first_bad.masked_fill_(bad, step)

    def check(self, step: int, losses: Losses, last_finite: Mapping[str, float]) -> None:
        """Raise Diverged, in all processes, if any update was not finite.

        `step`: updates done; `losses`: of the last; `last_finite`: figures of a finite step.
        """
        bad = int(self._first_bad)
        scale = self._updater.loss_scale
        if self._updater.processes.any(bad >= 0):
            raise Diverged(self._post_mortem(bad, losses, last_finite))
        if scale is not None and scale < SMALLEST_SCALE:
            raise Diverged(
                f"step {step}: the fp16 loss scale fell to {scale:g}, so gradients vanish; "
                "use runtime.precision bf16 or fp32, or a smaller optimizer.lr"
            )

    def check_before_saving(self, step: int) -> None:
        """Raise Diverged, in all processes, if any has losses or weights that are not finite.

        A bad checkpoint must not replace a good one: even a finite loss can give an update that is
        not finite.
        """
        if self._updater.processes.any(not self.all_finite()):
            raise Diverged(
                f"step {step}: the loss or the weights are not finite; "
                f"last checkpoint: {self._last_checkpoint()}; {ADVICE}"
            )

    def all_finite(self) -> bool:
        """Whether this process's losses so far and its weights are finite."""
        parameters = [p.detach() for p in self._updater.recognizer.parameters()]
        total = nn.utils.get_total_norm(parameters)
        return int(self._first_bad) < 0 and bool(torch.isfinite(total))

    def _post_mortem(self, bad_step: int, losses: Losses, last_finite: Mapping[str, float]) -> str:
        """Reload the offending batch, a function of the step, and describe it.

        Empty if the batch is another process's, which describes it.
        """
        if bad_step < 0:
            return ""
        batch = next(self._loader.batches(bad_step, bad_step + 1))
        lr = self._updater.schedule.at(bad_step)
        facts = post_mortem(bad_step + 1, batch, losses, lr, last_finite)
        return report(facts, self._run, self._last_checkpoint())

    def _last_checkpoint(self) -> str:
        last = self._last()
        return last.name if last else "none"


def post_mortem(
    step: int, batch: Batch, losses: Losses, lr: float, last_finite: Mapping[str, float]
) -> dict[str, Any]:
    """The statistics of the offending batch and the last figures that were finite."""
    images, labels = batch.images, batch.labels
    return {
        "step": step,
        "lr": lr,
        "loss_margin": float(losses.margin),
        "loss_regularizer": float(losses.regularizer),
        "images": len(labels),
        "pixel_min": float(images.min()),
        "pixel_mean": float(images.mean()),
        "pixel_max": float(images.max()),
        "classes": int(labels.unique().numel()),
        "first_samples": batch.indices[:8].tolist(),
        "last_finite": dict(last_finite),
    }


def report(facts: Mapping[str, Any], run: Path, last_checkpoint: str) -> str:
    """Write diverged.json; return the one line for the user."""
    content = {key: _finite(value) for key, value in facts.items()}
    write_text(run / "diverged.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
    return (
        f"step {facts['step']}: the loss is not finite (margin {facts['loss_margin']:g}, "
        f"regularizer {facts['loss_regularizer']:g}; lr {facts['lr']:g}; {facts['images']} images "
        f"of {facts['classes']} classes, pixels {facts['pixel_min']:.2f} … "
        f"{facts['pixel_max']:.2f}, mean {facts['pixel_mean']:.2f}); "
        f"last checkpoint: {last_checkpoint}; {ADVICE} (details: diverged.json)"
    )


def _finite(value: Any) -> Any:
    """JSON has no NaN or infinity: they become the strings "nan", "inf" and "-inf"."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
