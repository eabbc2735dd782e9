"""The training loop: batch → losses → update → metrics, verification, checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from arcface_plus.data.loader import Batch, Loader
from arcface_plus.run_directory.finished import classification_figures
from arcface_plus.run_directory.interrupted import mark_interrupted
from arcface_plus.run_directory.metrics import Metrics
from arcface_plus.run_directory.training_state import Training
from arcface_plus.signals import Interrupts
from arcface_plus.training.divergence import DivergenceWatch
from arcface_plus.training.errors import Interrupted, PeerFailed
from arcface_plus.training.saving import Saving
from arcface_plus.training.step_log import StepLog
from arcface_plus.training.update import Update, Updater
from arcface_plus.training.verifying import Verifying

_FAILED = 1000
"""What a process that cannot go on tells the others, who tell the number of their signal or 0."""


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
        """Train to the end; returns what summary.json holds.

        Raises Diverged, Interrupted, PeerFailed.
        """
        with Interrupts(several=self.processes.count > 1) as interrupts:
            with interrupts.watchdog.at_ease():
                self._catch_up(interrupts)
            self._log.begin_window()
            for batch in self._batches(interrupts):
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
                with interrupts.watchdog.at_ease():
                    if self._pause(interrupts):
                        self._log.begin_window()
            with interrupts.watchdog.at_ease():
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

    def _catch_up(self, interrupts: Interrupts) -> None:
        """Complete what was due at the restored step but is absent after a kill."""
        if self.step:
            self._saving.complete()
            if self.processes.first and self._verification_due():
                self._verifying.make_if_absent(
                    self._updater.recognizer.backbone, self.step, interrupts.arrived
                )
        self.processes.barrier()

    def _batches(self, interrupts: Interrupts) -> Iterator[Batch]:
        """The loader's batches, as long as every process has one and none was sent a signal.

        Otherwise all processes save and leave together, between the same two steps.
        """
        batches = self.loader.batches(self.step, self.plan.steps)
        batch: Batch | None
        while True:
            problem = None
            try:
                batch = next(batches, None)
            except Exception as error:
                batch, problem = None, error
            failed = problem is not None or self._saving.failed
            told = _FAILED if failed else interrupts.received or 0
            decided = self.processes.largest(told)
            interrupts.watchdog.step()
            if decided:
                interrupts.watchdog.settle()
                self._leave(decided, problem)
            if batch is None:
                return
            yield batch

    def _update(self, batch: Batch, measure: bool) -> Update:
        """One step; the first step whose loss is not finite is remembered on the device."""
        update = self._updater.make(batch, self.step, measure)
        self._divergence.note(update.losses, self.step)
        return update

    def _pause(self, interrupts: Interrupts) -> bool:
        """Verify and save if due; returns whether anything was done."""
        verifying = self._verification_due()
        saving = self._is_last or self.step % self.plan.checkpoint_every == 0
        saving |= verifying and self.plan.keep_best
        if saving:
            self._save()
        if verifying and self.processes.first:
            self._verifying.make(self._updater.recognizer.backbone, self.step, interrupts.arrived)
        if verifying and self.plan.keep_best:
            self._saving.tidy()
        if saving or verifying:
            self.processes.barrier()
        return saving or verifying

    def _save(self) -> None:
        """Collective: all processes call it at the same step; all raise Diverged if one does."""
        self._saving.wait()
        self._divergence.check_before_saving(self.step)
        self._write()

    def _write(self) -> None:
        """Begin to write a checkpoint; the lines that lead up to it are on the disk before it."""
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

    def _leave(self, decided: int, problem: Exception | None) -> NoReturn:
        """Save the run in all processes; raise `problem`, PeerFailed or Interrupted.

        Or, in all processes, what the save in the background has failed with.
        """
        self._saving.wait()
        saved = self._is_last or self.step % self.plan.checkpoint_every == 0
        if decided != _FAILED:
            if not saved:
                self._save()
                self._saving.wait()
            if self.processes.first:
                mark_interrupted(self.run_folder, decided, self.step)
            self.processes.barrier()
            raise Interrupted(
                decided,
                f"interrupted at step {self.step} of {self.plan.steps}, saved in "
                f"{self.run_folder}; repeat the command to continue",
            )
        finite = not self.processes.any(not self._divergence.all_finite())
        if finite and not saved:
            self._write()
            self._saving.wait()
        self.processes.barrier()
        raise problem or PeerFailed

    def _summary(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "steps": self.step,
            **self._log.summary(self.run_folder, self.step),
            "accuracy": self._verifying.accuracies,
            **classification_figures(self.run_folder, self.step),
            **self._saving.checkpoints.best_facts(),
            "wall_seconds": round(self._saving.elapsed_seconds, 2),
        }
