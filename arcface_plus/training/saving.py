"""What a run saves: checkpoints, and with them the nearest classes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from arcface_plus.models.nearest.watch import Watch
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.model_file import MODEL_WEIGHTS, ModelCard, load_weights
from arcface_plus.run_directory.nearest_classes import FILE as NEAREST_CLASSES
from arcface_plus.run_directory.nearest_classes import write_nearest_classes
from arcface_plus.run_directory.training_state import Conditions, Training
from arcface_plus.training.update import Updater


class Saving:
    """Writes the state of `updater` as checkpoints in `run`, and restores it from one.

    `conditions`: what the run is trained under; each checkpoint says it.
    """

    def __init__(
        self,
        run: Path,
        checkpoints: Checkpoints,
        updater: Updater,
        card: ModelCard,
        conditions: Conditions,
        class_names: Mapping[int, str],
    ) -> None:
        self.checkpoints = checkpoints
        self._run, self._updater, self._card = run, updater, card
        self._conditions, self._class_names = conditions, class_names
        self._run_id = uuid.uuid4().hex
        self._started, self._elapsed_before = time.perf_counter(), 0.0

    @property
    def elapsed_seconds(self) -> float:
        """Of the whole run, with what it took before it was resumed."""
        return self._elapsed_before + time.perf_counter() - self._started

    def restore(self, checkpoint: Path, training: Training) -> None:
        """Put everything where the checkpoint left it; architecture and classes are the same."""
        recognizer = self._updater.recognizer
        recognizer.backbone.load_state_dict(load_weights(checkpoint / MODEL_WEIGHTS))
        recognizer.classifier.load_state_dict(training.classifier)
        if training.regularizer:
            recognizer.regularizer.load_state_dict(training.regularizer)
        self._updater.restore(training.optimizer, training.scaler)
        self._run_id = training.run_id or self._run_id
        self._elapsed_before = training.elapsed_seconds

    def save(self, step: int) -> None:
        """A checkpoint after `step` updates."""
        recognizer, state = self._updater.recognizer, self._updater.state()
        training = Training(
            step=step,
            seed=self._updater.settings.seed,
            elapsed_seconds=self.elapsed_seconds,
            classifier=recognizer.classifier.state_dict(),
            regularizer=recognizer.regularizer.state_dict(),
            optimizer=state["optimizer"],
            scaler=state["scaler"],
            run_id=self._run_id,
            **vars(self._conditions),
        )
        self.checkpoints.save(training, recognizer.backbone.state_dict(), self._card.at(step))
        self._write_nearest_classes()

    def complete(self) -> None:
        """Make what a kill right after a checkpoint has left undone; again is harmless."""
        self.checkpoints.tidy()
        self._write_nearest_classes()

    def _write_nearest_classes(self) -> None:
        """Of the weights as they are saved, so that a resumed run writes the same."""
        angles = Watch().angles(self._updater.recognizer.classifier.rows())
        write_nearest_classes(self._run / NEAREST_CLASSES, angles, names=self._class_names)
