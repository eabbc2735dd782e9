"""The loop: batch → losses → update → metrics, verification, checkpoint, from parts handed in."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from arcface_plus.data.loader import Batch, Loader
from arcface_plus.models.nearest.watch import Watch
from arcface_plus.models.recognizer import Losses
from arcface_plus.run_directory.checkpoint import (
    MODEL_WEIGHTS,
    Checkpoints,
    ModelCard,
    Training,
    load_weights,
)
from arcface_plus.run_directory.finished import read_accuracies
from arcface_plus.run_directory.metrics import Metrics, last_logged, plain
from arcface_plus.run_directory.nearest_classes import FILE as NEAREST_CLASSES
from arcface_plus.run_directory.nearest_classes import write_nearest_classes
from arcface_plus.runtime import peak_memory
from arcface_plus.signals import Interrupts
from arcface_plus.training.compilation import uncompiled
from arcface_plus.training.data_advice import Waiting
from arcface_plus.training.divergence import ADVICE, post_mortem, report
from arcface_plus.training.errors import Diverged, Interrupted
from arcface_plus.training.stopwatch import Stopwatch
from arcface_plus.training.update import Update, Updater


class Verification(Protocol):
    """What the trainer needs of a verification: 10-fold accuracy by target, and to write it."""

    @property
    def accuracies(self) -> dict[str, float]: ...

    def write(self, file: Path, checkpoint: str) -> None: ...


Verify = Callable[[nn.Module], Verification]
SMALLEST_SCALE = 2.0**-10  # an fp16 loss scale below this means that nothing is learnt any more


@dataclass(frozen=True)
class Plan:
    """How long to train, and what happens how often (in steps)."""

    steps: int
    log_every: int
    verify_every: int
    checkpoint_every: int
    data_advice: str = "data.cache or data.threads"
    """What to change where the trainer waits for images."""
    data_digest: str = ""
    """Hash of the training set's content, for the checkpoints."""
    channels_last: bool = True


@dataclass(frozen=True)
class Outputs:
    """Where a run is written, and what is said of its network and classes."""

    folder: Path
    checkpoints: Checkpoints
    card: ModelCard
    metrics: Metrics | None = None
    """None in all processes but the first."""
    class_names: Mapping[int, str] | None = None


@dataclass
class _Window:
    """What was done since the last logged step, without verification and checkpoints."""

    started: float = field(default_factory=time.perf_counter)
    images: int = 0
    waited: float = 0.0


class Trainer:
    """Trains a Recognizer from its last checkpoint (or from scratch) to `plan.steps`."""

    def __init__(
        self, plan: Plan, updater: Updater, loader: Loader, verify: Verify, outputs: Outputs
    ) -> None:
        self.plan, self.loader, self.verify = plan, loader, verify
        self._updater = updater
        self.recognizer, self.schedule = updater.recognizer, updater.schedule
        self.device, self.processes = updater.device, updater.processes
        self.run_folder, self.checkpoints = outputs.folder, outputs.checkpoints
        self.card, self.metrics = outputs.card, outputs.metrics
        self.class_names = outputs.class_names
        self.step = 0  # updates done
        self._run_id = uuid.uuid4().hex
        self._regularizer_time = Stopwatch(self.recognizer.regularizer, self.device)
        self._elapsed_before = 0.0
        self._started = time.perf_counter()
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=self.device)
        self._images, self._seconds = 0, 0.0
        self._last: dict[str, float] = {}
        self._accuracies: dict[str, float] = {}
        self._waiting = Waiting(plan.data_advice)

    def restore(self, checkpoint: Path, training: Training) -> None:
        """Go on from a checkpoint of the same architecture, classes and samples."""
        self.recognizer.backbone.load_state_dict(load_weights(checkpoint / MODEL_WEIGHTS))
        self.recognizer.classifier.load_state_dict(training.classifier)
        if training.regularizer:
            self.recognizer.regularizer.load_state_dict(training.regularizer)
        self._updater.restore(training.optimizer, training.scaler)
        self.step = training.step
        self._run_id = training.run_id or self._run_id
        self._elapsed_before = training.elapsed_seconds

    def run(self) -> dict[str, Any]:
        """Train to the end; returns what summary.json holds. Raises Diverged, Interrupted."""
        with Interrupts() as interrupts:
            self._catch_up()
            window = self._new_window()
            for batch in self._batches():
                logging = self._due(self.plan.log_every)
                update = self._update(batch, measure=logging)
                self.step += 1
                window.images += len(batch.indices) * self.processes.count
                window.waited += batch.wait_seconds
                if logging or self.device.type == "cpu":
                    self._check_finite(update.losses)
                if logging:
                    self._log(update, window)
                    window = self._new_window()
                if self.metrics is not None:
                    self.metrics.advance(self.step)
                if self._pause():
                    window = self._new_window()
                if self.processes.any(interrupts.received is not None):
                    self._leave(interrupts.received)
        return self._finish()

    def _catch_up(self) -> None:
        """Make what was due at the restored step and is absent, since a kill cut it short."""
        if not self.step:
            return
        if self.processes.first:
            self.checkpoints.tidy()
            self._write_nearest_classes()
            if self._verification_due():
                file = self._verification_file()
                if file.is_file():
                    self._accuracies = read_accuracies(file)
                else:
                    self._verify()
        self.processes.barrier()

    def _verification_due(self) -> bool:
        return self.step >= self.plan.steps or self.step % self.plan.verify_every == 0

    def _verification_file(self) -> Path:
        return self.run_folder / "eval" / f"step_{self.step:08d}.json"

    def _new_window(self) -> _Window:
        self._regularizer_time.reset()
        return _Window()

    def _batches(self) -> Iterator[Batch]:
        """The loader's batches; a record that cannot be read ends the run, but loses nothing.

        Of several processes the one that meets it is alone, so that it asks nothing of the others,
        which wait for it until torchrun ends them. If it is the first, it saves what there is;
        otherwise the updates since the last checkpoint are lost.
        """
        try:
            yield from self.loader.batches(self.step, self.plan.steps)
        except ValueError:
            if self.step and self.processes.first and self._all_finite():
                self._write_checkpoint()
            raise

    def _due(self, every: int) -> bool:
        """Whether the update that is about to be made is one of every `every`, or the last."""
        return (self.step + 1) % every == 0 or self.step + 1 == self.plan.steps

    def _update(self, batch: Batch, measure: bool) -> Update:
        """One step; the first one whose loss is not finite is remembered, on the device."""
        update = self._updater.make(batch, self.step, measure)
        bad = ~torch.isfinite(update.losses.total) & (self._first_bad < 0)
        self._first_bad.masked_fill_(bad, self.step)
        return update

    def _check_finite(self, losses: Losses) -> None:
        bad = int(self._first_bad)
        scale = self._updater.loss_scale
        if self.processes.any(bad >= 0):
            raise Diverged(self._post_mortem(bad, losses))
        if scale is not None and scale < SMALLEST_SCALE:
            raise Diverged(
                f"step {self.step}: the fp16 loss scale fell to {scale:g}, so gradients vanish; "
                "use runtime.precision bf16 or fp32, or a smaller optimizer.lr"
            )

    def _post_mortem(self, bad_step: int, losses: Losses) -> str:
        """The offending batch is loaded again: it is a function of the step."""
        if bad_step < 0:
            return f"step {self.step}: the loss is not finite in another process"
        batch = next(self.loader.batches(bad_step, bad_step + 1))
        lr = self.schedule.at(bad_step)
        facts = post_mortem(bad_step + 1, batch, losses, lr, self._last)
        return report(facts, self.run_folder, self._last_checkpoint())

    def _last_checkpoint(self) -> str:
        last = self.checkpoints.last()
        return last.name if last else "none"

    def _log(self, update: Update, window: _Window) -> None:
        losses, grad_norm, angles = update
        assert grad_norm is not None
        assert angles is not None
        seconds = time.perf_counter() - window.started
        self._images += window.images
        self._seconds += seconds
        self._last = {
            "step": self.step,
            "epoch": self.loader.epoch(self.step),
            "loss": float(losses.total),
            "loss_margin": float(losses.margin),
            "loss_regularizer": float(losses.regularizer),
            "accuracy": float(losses.accuracy),
            "lr": self.schedule.at(self.step - 1),
            "grad_norm": float(grad_norm),
            "images_per_second": window.images / seconds,
            "data_wait_fraction": window.waited / seconds,
            "min_angle_deg": math.degrees(float(angles.smallest())),
            "mean_min_angle_deg": math.degrees(float(angles.mean())),
            **{
                f"min_angle_deg_p{percent:02}": math.degrees(float(angles.quantile(percent / 100)))
                for percent in (1, 10, 50)
            },
            "regularizer_time_fraction": self._regularizer_time.read() / seconds,
            **self.recognizer.regularizer_report(),
            **peak_memory(self.device),
        }
        if (scale := self._updater.loss_scale) is not None:
            self._last["loss_scale"] = scale
        if self.metrics is not None:
            self.metrics.log(self._last)
            if line := self._waiting.after(self._last["data_wait_fraction"]):
                self.metrics.warn(line)

    def _pause(self) -> bool:
        """Verify and save where it is due; whether anything was done."""
        done, last = self.step, self.step == self.plan.steps
        saving = last or done % self.plan.checkpoint_every == 0
        verifying = self._verification_due()
        if saving:
            self._save()
        if verifying and self.processes.first:
            self._verify()
        if saving or verifying:
            self.processes.barrier()
        return saving or verifying

    def _verify(self) -> None:
        backbone = self.recognizer.backbone.eval()
        with uncompiled(backbone):
            result = self.verify(backbone)
        backbone.train()
        if not result.accuracies:
            return
        file = self._verification_file()
        file.parent.mkdir(exist_ok=True)
        result.write(file, file.stem)
        self._accuracies = result.accuracies
        if self.metrics is not None:
            self.metrics.log_verification(self.step, self._accuracies)

    def _save(self) -> None:
        """Save unless something is not finite: no good checkpoint may give way to a bad one.

        All processes come here at the same step, and all leave by Diverged if one has to.
        """
        if self.processes.any(not self._all_finite()):
            raise Diverged(
                f"step {self.step}: the loss or the weights are not finite; "
                f"last checkpoint: {self._last_checkpoint()}; {ADVICE}"
            )
        if self.processes.first:
            self._write_checkpoint()

    def _all_finite(self) -> bool:
        """Whether this process's losses were, and the weights are."""
        parameters = [p.detach() for p in self.recognizer.parameters()]
        total = nn.utils.get_total_norm(parameters)
        return int(self._first_bad) < 0 and bool(torch.isfinite(total))

    def _write_checkpoint(self) -> None:
        state = self._updater.state()
        training = Training(
            step=self.step,
            seed=self._updater.settings.seed,
            elapsed_seconds=self._elapsed(),
            classes=len(self.recognizer.classifier.weight),
            samples=self.loader.samples,
            classifier=self.recognizer.classifier.state_dict(),
            regularizer=self.recognizer.regularizer.state_dict(),
            run_id=self._run_id,
            data_digest=self.plan.data_digest,
            precision=self._updater.settings.precision,
            channels_last=self.plan.channels_last,
            optimizer=state["optimizer"],
            scaler=state["scaler"],
        )
        card = self.card.at(self.step)
        self.checkpoints.save(training, self.recognizer.backbone.state_dict(), card)
        self._write_nearest_classes()

    def _write_nearest_classes(self) -> None:
        """Of the weights as they are saved, so that a resumed run writes the same."""
        angles = Watch().angles(self.recognizer.classifier.weight)
        write_nearest_classes(self.run_folder / NEAREST_CLASSES, angles, names=self.class_names)

    def _elapsed(self) -> float:
        return self._elapsed_before + time.perf_counter() - self._started

    def _leave(self, signal_number: int | None) -> None:
        """Save where we are and say so."""
        if self.step % self.plan.checkpoint_every and self.step != self.plan.steps:
            self._save()
        self.processes.barrier()
        raise Interrupted(
            signal_number or 15,
            f"interrupted at step {self.step} of {self.plan.steps}; saved in {self.run_folder}, "
            "the same command goes on from there",
        )

    def _finish(self) -> dict[str, Any]:
        last = plain(self._last) if self._last else last_logged(self.run_folder)
        return {
            "schema": 1,
            "steps": self.step,
            "loss": last.get("loss"),
            "loss_margin": last.get("loss_margin"),
            "loss_regularizer": last.get("loss_regularizer"),
            "min_angle_deg": last.get("min_angle_deg"),
            "mean_min_angle_deg": last.get("mean_min_angle_deg"),
            "accuracy": self._accuracies,
            "wall_seconds": round(self._elapsed(), 2),
            "images_per_second": round(self._images / self._seconds, 2) if self._seconds else None,
            **peak_memory(self.device),
        }
