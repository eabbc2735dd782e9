"""What to say when the loss is not finite: the step, its batch, and what to try."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arcface_plus.data.loader import Batch
from arcface_plus.models.recognizer import Losses
from data_prep.files import write_text

ADVICE = "try a smaller optimizer.lr, optimizer.warmup_steps, or runtime.precision fp32"


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
    """Write diverged.json; the one line for the user."""
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
    """JSON has no NaN and no infinity: they become the texts "nan", "inf" and "-inf"."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
