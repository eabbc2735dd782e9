"""The metrics of a logged step, and those that go into the run's summary."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from arcface_plus.data.loader import Batch, Loader
from arcface_plus.models.influence import Influence, averaged
from arcface_plus.run_directory.metrics import Metrics
from arcface_plus.run_directory.sinks.jsonl import last_logged, plain
from arcface_plus.runtime import peak_memory
from arcface_plus.training.data_advice import Waiting
from arcface_plus.training.stopwatch import Stopwatch
from arcface_plus.training.update import Update, Updater
from arcface_plus.training.weak_regularizers import WeakRegularizers

_SUMMARY = ("loss", "loss_margin", "loss_regularizer", "min_angle_deg", "mean_min_angle_deg")
Measured = TypeVar("Measured")
_MEASURED = ("images_per_second", "peak_memory_mb", "peak_reserved_memory_mb")


@dataclass
class _Window:
    """Time and images since the last logged step, without verification and checkpoints."""

    started: float = field(default_factory=time.perf_counter)
    images: int = 0
    waited: float = 0.0


class StepLog:
    """Measures windows of steps; each window ends with a logged step.

    `advice`: what to change where training waits for images.
    """

    def __init__(
        self, updater: Updater, loader: Loader, metrics: Metrics | None, advice: str
    ) -> None:
        self._updater, self._loader, self._metrics = updater, loader, metrics
        self._regularizer_time = Stopwatch(updater.recognizer.regularizer, updater.device)
        self._waiting, self._weak = Waiting(advice), WeakRegularizers()
        self._steps = 0  # since the last logged one
        self._batch = 1  # images of the last step
        self._window = _Window()
        self._images, self._seconds = 0, 0.0
        self.last: dict[str, float] = {}
        """The metrics of the last logged step."""

    def begin_window(self) -> None:
        self._regularizer_time.reset()
        self._window = _Window()

    def count(self, batch: Batch) -> None:
        """Count the images of a step, those of all processes."""
        self._batch = sum(batch.sizes)
        self._window.images += self._batch
        self._window.waited += batch.wait_seconds
        self._steps += 1

    def log(self, step: int, update: Update) -> None:
        """Report update number `step` (counted from 1) and begin a new window."""
        window, seconds = self._window, time.perf_counter() - self._window.started
        self._images += window.images
        self._seconds += seconds
        self.last = {
            "step": step,
            "epoch": self._loader.epoch(step),
            "loss": float(update.losses.total),
            "loss_margin": float(update.losses.margin),
            **self._regularizer_losses(update),
            **self._auxiliary(update),
            "accuracy": float(update.losses.accuracy),
            "lr": self._updater.schedule.at(step - 1),
            "grad_norm": float(_known(update.grad_norm)),
            "images_per_second": window.images / seconds,
            "data_wait_fraction": window.waited / seconds,
            **_angles(update),
            "regularizer_time_fraction": self._regularizer_time.read() / seconds,
            **self._updater.recognizer.regularizer.report(),
            **self._influences(step, update),
            **_layer_angles(update),
            **peak_memory(self._updater.device),
        }
        if (scale := self._updater.loss_scale) is not None:
            self.last["loss_scale"] = scale
        if self._metrics is not None:
            self._metrics.log(self.last, _nearest_deg(update))
            if line := self._waiting.after(self.last["data_wait_fraction"]):
                self._metrics.warn(line)
            for label, influence in update.influences.items():
                if line := self._weak.after(label, self._share(label, influence)):
                    self._metrics.warn(line)
        self._steps = 0
        self.begin_window()

    def _auxiliary(self, update: Update) -> dict[str, float]:
        if self._updater.recognizer.auxiliary is None:
            return {}
        return {"loss_auxiliary": float(update.losses.auxiliary)}

    def _regularizer_losses(self, update: Update) -> dict[str, float]:
        """The value of a single regularizer; of several each value, and their weighted sum."""
        regularizer, values = update.losses.regularizer, self._updater.recognizer.regularizer.values
        if len(values) < 2:
            return {"loss_regularizer": float(regularizer)}
        return {
            "loss_regularizers_weighted": float(regularizer),
            **{f"loss_regularizer.{label}": float(value) for label, value in values.items()},
        }

    def _influences(self, step: int, update: Update) -> dict[str, float]:
        """What each regularizer does to the weights it acts on, beside the data loss."""
        rates = sum(self._updater.schedule.at(k) for k in range(step - self._steps, step))
        on_classes = self._updater.recognizer.regularizer.on_classes_alone
        found: dict[str, float] = {}
        for label, influence in update.influences.items():
            ending = f".{label}" if len(update.influences) > 1 else ""
            weights = float(influence.weights)
            figures = {
                "regularizer_gradient_ratio": float(influence.ratio),
                "regularizer_moved": rates * float(influence.term) / weights if weights else 0.0,
                "data_moved": rates * float(influence.data) / weights if weights else 0.0,
            }
            if label in on_classes:
                figures["regularizer_share"] = self._share(label, influence)
            found |= {name + ending: v for name, v in figures.items() if math.isfinite(v)}
        return found

    def _share(self, label: str, influence: Influence) -> float:
        """Of the data loss's pull, averaged over steps; on other layers as in this step."""
        recognizer, ratio = self._updater.recognizer, float(influence.ratio)
        if label not in recognizer.regularizer.on_classes_alone:
            return ratio
        return averaged(ratio, recognizer.classifier.shards.rows, self._batch)

    def summary(self, run: Path, step: int) -> dict[str, Any]:
        """The entries of summary.json for the last step, `step`, and for speed and memory.

        If this process made no steps, they come from the run's metrics.jsonl, where it has them.
        """
        logged = plain(self.last) if self.last else last_logged(run)
        if logged.get("step") != step:
            logged = {}
        found: dict[str, Any] = {key: logged.get(key) for key in _SUMMARY}
        measured = {key: logged[key] for key in _MEASURED if key in logged}
        if self._seconds:
            speed = round(self._images / self._seconds, 2)
            measured = {"images_per_second": speed, **peak_memory(self._updater.device)}
        return found | {"images_per_second": None} | measured


def _known(measured: Measured | None) -> Measured:
    assert measured is not None, "a logged step is a measured one"
    return measured


def _nearest_deg(update: Update) -> np.ndarray:
    """From each class weight that counts, before the update: degrees to its nearest other one."""
    angles = _known(update.angles)
    nearest: np.ndarray = np.degrees(angles.angle[angles.counted].cpu().numpy())
    return nearest


def _layer_angles(update: Update) -> dict[str, float]:
    """Of the regularized hidden layers, if due: degrees to the nearest other row."""
    found = {}
    for layer, angles in update.layer_angles.items():
        found[f"min_angle_deg.{layer}"] = math.degrees(float(angles.smallest()))
        found[f"mean_min_angle_deg.{layer}"] = math.degrees(float(angles.mean()))
    return found


def _angles(update: Update) -> dict[str, float]:
    """Of the class weights before the update: degrees to the nearest other class."""
    angles = _known(update.angles)
    figures = {"min_angle_deg": angles.smallest(), "mean_min_angle_deg": angles.mean()}
    for percent in (1, 10, 50):
        figures[f"min_angle_deg_p{percent:02}"] = angles.quantile(percent / 100)
    return {name: math.degrees(float(angle)) for name, angle in figures.items()}
