"""What a run saves while it continues: checkpoints, and with them the nearest classes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from arcface_plus.models.class_rows import class_rows
from arcface_plus.models.nearest.results import NearestAngles
from arcface_plus.models.nearest.watch import Watch
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.class_files import WEIGHT, ClassRows, read_rows
from arcface_plus.run_directory.model_file import MODEL_WEIGHTS, Card, load_weights
from arcface_plus.run_directory.nearest_classes import FILE as NEAREST_CLASSES
from arcface_plus.run_directory.nearest_classes import write_nearest_classes
from arcface_plus.run_directory.training_state import Conditions, Training
from arcface_plus.training.background import Background
from arcface_plus.training.per_class import divided, on_host, reunited
from arcface_plus.training.update import Updater

LAST_SAVE = 30.0
"""Seconds for a save that is under way when one of several processes ends with an error."""


class Saving:
    """Writes the state of `updater` as checkpoints in `run`, and restores it from one.

    All processes save together. Training waits only until the state is copied to the host's memory
    (in the first process backbone and optimizer, in each its rows of the class weights and of their
    optimizer state); a thread writes the copy. One save at a time: the next one waits.

    `conditions`: what the run is trained under; each checkpoint says it.
    """

    def __init__(
        self,
        run: Path,
        checkpoints: Checkpoints,
        updater: Updater,
        card: Card,
        conditions: Conditions,
        class_names: Mapping[int, str],
    ) -> None:
        self.checkpoints = checkpoints
        self._run, self._updater, self._card = run, updater, card
        self._conditions, self._class_names = conditions, class_names
        self._run_id = uuid.uuid4().hex
        self._started, self._elapsed_before = time.perf_counter(), 0.0
        self._writers = updater.processes.apart()
        self._background = Background(f"{run}: the last checkpoint could not be saved")

    @property
    def elapsed_seconds(self) -> float:
        """Of the whole run, with what it took before it was resumed."""
        return self._elapsed_before + time.perf_counter() - self._started

    def restore(self, checkpoint: Path, training: Training) -> None:
        """Put everything where the checkpoint left it; architecture and classes are the same.

        Each process reads its own rows, however many processes have written them.
        """
        recognizer = self._updater.recognizer
        weights = load_weights(checkpoint / MODEL_WEIGHTS)
        own = recognizer.classifier.shards.own
        rows = read_rows(checkpoint, own) if training.rows_apart else {}
        state = reunited(recognizer, self._updater.optimizer, training, rows)
        recognizer.backbone.load_state_dict(weights)
        recognizer.classifier.load_state_dict(state.classifier)
        if state.regularizer:
            recognizer.regularizer.load_state_dict(state.regularizer)
        if recognizer.auxiliary is not None:
            recognizer.auxiliary.load_state_dict(training.auxiliary)
        self._updater.restore(state.optimizer, training.scaler)
        self._run_id = training.run_id or self._run_id
        self._elapsed_before = training.elapsed_seconds

    def save(self, step: int) -> None:
        """Begin to write a checkpoint of the state as it is now, after `step` updates (collective).

        Raises what the save before this one failed with.
        """
        self.wait()
        updater = self._updater
        recognizer, first = updater.recognizer, updater.processes.first
        state = divided(recognizer, updater.optimizer)
        rows = ClassRows(recognizer.classifier.shards, on_host(state.rows) if self._writes else {})
        training = Training(
            step=step,
            seed=updater.settings.seed,
            elapsed_seconds=self.elapsed_seconds,
            classifier=on_host(state.classifier),
            optimizer=on_host(state.optimizer) if first else {},
            regularizer=on_host(state.regularizer),
            auxiliary=on_host(recognizer.auxiliary.state_dict()) if recognizer.auxiliary else {},
            scaler=updater.state()["scaler"],
            run_id=self._run_id,
            **vars(self._conditions),
        )
        backbone = on_host(recognizer.backbone.state_dict()) if first else {}
        angles = None if self._searches_later else self._nearest(recognizer.classifier.weight)

        def write() -> None:
            card = self._card.at(step)
            self.checkpoints.save(training, rows, backbone, card, self._writers)
            if first:
                self._write_nearest_classes(angles or self._nearest(rows.tensors[WEIGHT]))

        self._background.start(write)

    @property
    def failed(self) -> bool:
        """Whether the save in the background has failed here; `wait` raises why, in all processes.

        Other processes may not have seen it yet.
        """
        return self._background.failed

    def wait(self) -> None:
        """Until the checkpoint of the last `save` is complete; raises what that failed with."""
        self._background.wait()

    def last(self) -> Path | None:
        """The newest checkpoint, after the one that is being written is complete or has failed."""
        self._background.settle()
        return self.checkpoints.last()

    def close(self) -> None:
        """As `wait`, but an error becomes a line: the run ends for another reason.

        Of several processes one may be gone, and a save can be completed by all only.
        """
        self._background.close(LAST_SAVE if self._updater.processes.count > 1 else None)

    def tidy(self) -> None:
        """Drop the checkpoints that are not kept: the best one may have changed."""
        self.wait()
        if self._updater.processes.first:
            self.checkpoints.tidy()

    def complete(self) -> None:
        """Make what a kill right after a checkpoint has left undone; again is harmless."""
        self.tidy()
        angles = self._nearest(self._updater.recognizer.classifier.weight)
        if self._updater.processes.first:
            self._write_nearest_classes(angles)

    @property
    def _writes(self) -> bool:
        """Whether this process writes rows: its own, or all of them if it is the first."""
        return self._updater.processes.first or self._updater.recognizer.classifier.shards.count > 1

    @property
    def _searches_later(self) -> bool:
        """Whether the thread searches the nearest classes, in its copy of the weights.

        A GPU is faster in the weights themselves, and shards need all processes.
        """
        sharded = self._updater.recognizer.classifier.shards.count > 1
        return self._updater.device.type == "cpu" and not sharded

    def _nearest(self, weight: Tensor) -> NearestAngles:
        """Of the class weights as they are saved, so that a resumed run writes the same.

        Collective if they are sharded.
        """
        shards = self._updater.recognizer.classifier.shards
        return Watch().angles(class_rows(weight.detach()), shards)

    def _write_nearest_classes(self, angles: NearestAngles) -> None:
        write_nearest_classes(self._run / NEAREST_CLASSES, angles, names=self._class_names)
