"""The training loop: batch → losses → update → metrics, verification, checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arcface_plus.data.loader import Batch, Loader
from arcface_plus.run_directory.metrics import Metrics
from arcface_plus.run_directory.training_state import Training
from arcface_plus.signals import Interrupts
from arcface_plus.training.divergence import DivergenceWatch
from arcface_plus.training.errors import Interrupted
from arcface_plus.training.saving import Saving
from arcface_plus.training.step_log import StepLog
from arcface_plus.training.update import Update, Updater
from arcface_plus.training.verifying import Verifying


@dataclass(frozen=True)
class Plan:
    """How long to train, and how often to log and save, in steps."""

    steps: int
    log_every: int
    checkpoint_every: int
    keep_best: bool = False
    """Whether each verification needs a checkpoint, since it may be the best."""
    data_advice: str = "data.cache or data.threads"
    """What to change if the trainer waits for images."""


class Trainer:
    """Trains a Recognizer from its last checkpoint (or from scratch) to `plan.steps`.

    Only the first process has `metrics`.
    """

    def __init__(
        self,
        run: Path,
        plan: Plan,
        loader: Loader,
        updater: Updater,
        saving: Saving,
        verifying: Verifying,
        metrics: Metrics | None = None,
    ) -> None:
        self.run_folder, self.plan, self.loader, self.metrics = run, plan, loader, metrics
        self.processes = updater.processes
        self.step = 0  # updates done
        self._updater, self._saving, self._verifying = updater, saving, verifying
        self._divergence = DivergenceWatch(updater, loader, run, saving.last)
        self._log = StepLog(updater, loader, metrics, plan.data_advice)

    def restore(self, checkpoint: Path, training: Training) -> None:
        """Continue from a checkpoint of the same architecture, classes and samples."""
        self._saving.restore(checkpoint, training)
        self.step = training.step

    def run(self) -> dict[str, Any]:
        """Train to the end; returns what summary.json holds. Raises Diverged, Interrupted."""
        with Interrupts() as interrupts:
            self._catch_up()
            self._log.begin_window()
            for batch in self._batches():
                logging = self._logging_due()
                update = self._update(batch, measure=logging)
                self.step += 1
                self._log.count(batch)
                if logging or self._updater.device.type == "cpu":
                    self._divergence.check(self.step, update.losses, self._log.last)
                if logging:
                    self._log.log(self.step, update)
                if self.metrics is not None:
                    self.metrics.advance(self.step)
                if self._pause():
                    self._log.begin_window()
                if self.processes.any(interrupts.received is not None or self._saving.failed):
                    self._leave(interrupts.received)
            self._saving.wait()
        summary = self._summary()
        if self.metrics is not None:
            self.metrics.finish(self._verifying.accuracies)
        return summary

    def close(self) -> None:
        """Release threads and files; a checkpoint that is being written is completed."""
        self.loader.close()
        self._saving.close()
        if self.metrics is not None:
            self.metrics.close()

    def _catch_up(self) -> None:
        """Complete what was due at the restored step but is absent after a kill."""
        if not self.step:
            return
        self._saving.complete()
        if self.processes.first and self._verification_due():
            self._verifying.make_if_absent(self._updater.recognizer.backbone, self.step)
        self.processes.barrier()

    def _batches(self) -> Iterator[Batch]:
        """The loader's batches; if a record cannot be read, the run is saved before it ends.

        With several processes, only one reads the record, so it must not make collective calls: the
        others wait until torchrun ends them, and the updates since the last checkpoint are lost.
        """
        try:
            yield from self.loader.batches(self.step, self.plan.steps)
        except ValueError:
            if self.step and self.processes.count == 1 and self._divergence.all_finite():
                self._save()
                self._saving.wait()
            raise

    def _update(self, batch: Batch, measure: bool) -> Update:
        """One step; the first step whose loss is not finite is remembered on the device."""
        update = self._updater.make(batch, self.step, measure)
        self._divergence.note(update.losses, self.step)
        return update

    def _pause(self) -> bool:
        """Verify and save if due; returns whether anything was done."""
        verifying = self._verification_due()
        saving = self._is_last or self.step % self.plan.checkpoint_every == 0
        saving |= verifying and self.plan.keep_best
        if saving:
            self._save()
        if verifying and self.processes.first:
            self._verifying.make(self._updater.recognizer.backbone, self.step)
        if verifying and self.plan.keep_best:
            self._saving.tidy()
        if saving or verifying:
            self.processes.barrier()
        return saving or verifying

    def _save(self) -> None:
        """Collective: all processes call it at the same step; all raise Diverged if one does.

        Returns while the checkpoint is being written; lines that lead up to it are on the disk.
        """
        self._saving.wait()
        self._divergence.check_before_saving(self.step)
        if self.metrics is not None:
            self.metrics.sync()
        self._saving.save(self.step)

    @property
    def _is_last(self) -> bool:
        return self.step >= self.plan.steps

    def _verification_due(self) -> bool:
        return self._verifying.due(self.step, self._is_last)

    def _logging_due(self) -> bool:
        """Whether the next update is logged."""
        number = self.step + 1
        return number % self.plan.log_every == 0 or number == self.plan.steps

    def _leave(self, signal_number: int | None) -> None:
        """Save the run and raise Interrupted; or raise what a save has failed with."""
        self._saving.wait()
        if self.step % self.plan.checkpoint_every and not self._is_last:
            self._save()
            self._saving.wait()
        self.processes.barrier()
        raise Interrupted(
            signal_number or 15,
            f"interrupted at step {self.step} of {self.plan.steps}, saved in {self.run_folder}; "
            "repeat the command to continue",
        )

    def _summary(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "steps": self.step,
            **self._log.summary(self.run_folder, self.step),
            "accuracy": self._verifying.accuracies,
            **self._saving.checkpoints.best_facts(),
            "wall_seconds": round(self._saving.elapsed_seconds, 2),
        }
