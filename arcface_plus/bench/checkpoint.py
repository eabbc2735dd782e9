"""How long a checkpoint keeps training waiting: until it is copied, against until it is written."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from arcface_plus.bench.memory import MEGABYTE
from arcface_plus.bench.step import CLASSES, Sizes, configured
from arcface_plus.models.nearest.watch import Watch
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.model_file import ModelCard
from arcface_plus.run_directory.training_state import Conditions
from arcface_plus.runtime import Processes
from arcface_plus.training.assembly import build_recognizer, build_updater
from arcface_plus.training.per_class import on_host
from arcface_plus.training.saving import Saving
from arcface_plus.training.update import Updater


def run(
    device: torch.device,
    backbone: str = "r50",
    classes: int = CLASSES,
    folder: Path | None = None,
    rounds: int = 5,
) -> dict[str, Any]:
    """Save the state of a run of one process several times, into `folder` (None: a temporary one).

    Returns ``{"title": str, "rows": [{name, milliseconds, ratio}]}``: medians, and how many times
    less that is than waiting until everything is written, which includes the search for the nearest
    classes. (On a GPU training waits for that search, too; on a CPU the thread makes it.)
    """
    updater = with_momentum(backbone, classes, device)
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        saving = saving_of(updater, Path(name), classes)
        for number in range(rounds + 1):
            found = _round(updater, saving, number)
            for what, taken in found.items() if number else ():  # the first allocates memory
                seconds.setdefault(what, []).append(taken)
        size = sum(file.stat().st_size for file in saving.checkpoints.all()[-1].iterdir())
        saving.close()
    whole = median(list(seconds.values())[-1])
    return {
        "title": f"checkpoint of {backbone} with {classes:,} classes, {size / MEGABYTE:.0f} MB, "
        f"one process, {device.type}",
        "rows": [
            {"name": what, "milliseconds": 1e3 * median(taken), "ratio": whole / median(taken)}
            for what, taken in seconds.items()
        ],
    }


def with_momentum(backbone: str, classes: int, device: torch.device) -> Updater:
    """An updater after a step with gradients of zero, so that the optimizer has its state."""
    config = configured(Sizes(backbone, 2, classes), "ArcFace")
    config = config.model_copy(
        update={"runtime": config.runtime.model_copy(update={"compile": False})}
    )
    updater, _ = build_updater(config, build_recognizer(config, classes), device, Processes())
    for parameter in updater.recognizer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    updater.optimizer.step()
    updater.optimizer.zero_grad(set_to_none=True)
    return updater


def saving_of(updater: Updater, run: Path, classes: int) -> Saving:
    conditions = Conditions(classes, 1, "", "fp32", channels_last=False)
    card = ModelCard("bench", {}, 512)
    return Saving(run, Checkpoints(run, keep=1), updater, card, conditions, {})


def _round(updater: Updater, saving: Saving, number: int) -> dict[str, float]:
    """Seconds of each part; the last is what a save takes that training waits for."""
    recognizer = updater.recognizer

    def copy() -> object:
        return on_host([recognizer.state_dict(), updater.optimizer.state_dict()["state"]])

    def stall() -> None:
        saving.save(number)
        _finish(updater.device)

    def search() -> None:
        Watch().angles(recognizer.classifier.rows())
        _finish(updater.device)

    _finish(updater.device)
    return {
        "copy of the state to the host's memory": _seconds(copy),
        "search for the nearest classes": _seconds(search),
        "training waits": (waited := _seconds(stall)),
        "until everything is written": waited + _seconds(saving.wait),
    }


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
