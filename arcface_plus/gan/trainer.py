"""The loop of a GAN's training: step → metrics, picture and score, checkpoint."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from arcface_plus.gan import checkpoints as saved
from arcface_plus.gan.evaluation import Abandoned, Evaluation, text_of
from arcface_plus.gan.update import GanUpdate, GanUpdater
from arcface_plus.run_directory.checkpoint import Checkpoints
from arcface_plus.run_directory.interrupted import mark_interrupted
from arcface_plus.run_directory.metrics import Metrics
from arcface_plus.run_directory.sinks.jsonl import last_logged, plain
from arcface_plus.runtime import peak_memory
from arcface_plus.signals import Interrupts
from arcface_plus.training.errors import Diverged, Interrupted


@dataclass(frozen=True)
class GanPlan:
    """How long to train, and how often to log, to evaluate and to save, in steps."""

    steps: int
    batch_size: int
    log_every: int
    evaluate_every: int
    checkpoint_every: int


class GanTrainer:
    """Trains from the last checkpoint, or from scratch, to `plan.steps`."""

    def __init__(
        self,
        run: Path,
        plan: GanPlan,
        updater: GanUpdater,
        evaluation: Evaluation,
        checkpoints: Checkpoints,
        metrics: Metrics,
    ) -> None:
        self.run_folder, self.plan, self.metrics = run, plan, metrics
        self.step = 0  # steps done
        self._updater, self._evaluation, self._checkpoints = updater, evaluation, checkpoints
        self._run_id = uuid.uuid4().hex
        self._started, self._elapsed_before = time.perf_counter(), 0.0
        self._device = evaluation.real.pixels.device
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=self._device)
        self._figures: dict[str, Any] = {}  # of the last evaluation
        self._last: dict[str, float] = {}  # of the last logged step

    def restore(self, state: saved.GanState) -> None:
        """Continue from a checkpoint of the same config and images."""
        updater = self._updater
        updater.generator.load_state_dict(state.generator)
        updater.discriminator.load_state_dict(state.discriminator)
        updater.regularization.load_state_dict(state.regularizer)
        updater.g_optimizer.load_state_dict(state.generator_optimizer)
        updater.d_optimizer.load_state_dict(state.discriminator_optimizer)
        self.step, self._run_id = state.step, state.run_id
        self._elapsed_before = state.elapsed_seconds

    def train(self) -> dict[str, Any]:
        """Train to the end; returns what summary.json holds. Raises Diverged, Interrupted."""
        with Interrupts() as interrupts:
            if self.step and self._evaluation_due:  # absent after a kill
                self._figures = self._evaluation.made(self.step) or self._evaluate(interrupts)
            begun, images = time.perf_counter(), 0
            while self.step < self.plan.steps or interrupts.received is not None:
                if interrupts.received is not None:
                    self._leave(interrupts.received)
                logging = self._logging_due
                update = self._make(measure=logging)
                images += self.plan.batch_size
                if logging or self._device.type == "cpu":
                    self._check(update)
                if logging:
                    self._log(update, images / (time.perf_counter() - begun))
                self.metrics.advance(self.step)
                if self._pause(interrupts) or logging:
                    begun, images = time.perf_counter(), 0
        self.metrics.finish(_score_of(self._figures))
        return self._summary()

    def close(self) -> None:
        self.metrics.close()

    def _make(self, measure: bool) -> GanUpdate:
        real = self._evaluation.real.batch(self._updater.seed, self.step, self.plan.batch_size)
        update = self._updater.make(real, self.step, measure)
        bad = ~torch.isfinite(update.total) & (self._first_bad < 0)
        self._first_bad.masked_fill_(bad, self.step + 1)
        self.step += 1
        return update

    def _log(self, update: GanUpdate, images_per_second: float) -> None:
        self._last = {
            "step": self.step,
            "epoch": self.step * self.plan.batch_size / len(self._evaluation.real),
            "d_loss": float(update.d_loss),
            "g_loss": float(update.g_loss),
            **_regularizer_figures(update),
            **self._updater.regularization.report(),
            "lr": self._updater.d_optimizer.param_groups[0]["lr"],
            "images_per_second": images_per_second,
            **peak_memory(self._device),
        }
        self.metrics.log(self._last)

    def _check(self, update: GanUpdate) -> None:
        """Raise Diverged if a loss was not finite. Waits for a GPU."""
        bad = int(self._first_bad)
        if bad < 0:
            return
        terms = "" if update.regularizer is None else f", regularizer {float(update.regularizer):g}"
        raise Diverged(
            f"step {bad}: the losses are not finite (at step {self.step}: discriminator "
            f"{float(update.d_loss):g}, generator {float(update.g_loss):g}{terms}); "
            f"{self._way_back()}"
        )

    def _way_back(self) -> str:
        last = self._checkpoints.last()
        return (
            f"last checkpoint: {last.name if last else 'none'}; try a smaller optimizer.lr or "
            "regularizer.weight"
        )

    def _pause(self, interrupts: Interrupts) -> bool:
        """Save and evaluate if due; returns whether anything was done."""
        saving = self._is_last or self.step % self.plan.checkpoint_every == 0
        if saving:
            self._save()
        if self._evaluation_due:
            self._figures = self._evaluate(interrupts)
        return saving or self._evaluation_due

    def _evaluate(self, interrupts: Interrupts) -> dict[str, Any]:
        """Not to the end once a signal has arrived: whoever sends it waits for seconds only."""
        try:
            figures = self._evaluation.make(self._updater.generator, self.step, interrupts.arrived)
        except Abandoned:
            return {}
        if text := text_of(figures):
            self.metrics.log_evaluation(self.step, _score_of(figures), text)
        return figures

    def _save(self) -> None:
        """A checkpoint of the state as it is; Diverged if that is not finite."""
        updater = self._updater
        parameters = [*updater.generator.parameters(), *updater.discriminator.parameters()]
        finite = torch.isfinite(nn.utils.get_total_norm([p.detach() for p in parameters]))
        if int(self._first_bad) >= 0 or not bool(finite):
            raise Diverged(
                f"step {self.step}: the losses or the weights are not finite; {self._way_back()}"
            )
        self.metrics.sync()
        state = saved.GanState(
            step=self.step,
            elapsed_seconds=self._elapsed,
            run_id=self._run_id,
            data_digest=self._evaluation.real.digest,
            generator=updater.generator.state_dict(),
            discriminator=updater.discriminator.state_dict(),
            regularizer=updater.regularization.state_dict(),
            generator_optimizer=updater.g_optimizer.state_dict(),
            discriminator_optimizer=updater.d_optimizer.state_dict(),
        )
        saved.save(self._checkpoints, state)

    def _leave(self, number: int) -> NoReturn:
        """Save, unless the last save was of this step, and raise Interrupted."""
        if not (self.step and self.step % self.plan.checkpoint_every == 0) and not self._is_last:
            self._save()
        mark_interrupted(self.run_folder, number, self.step)
        raise Interrupted(
            number,
            f"interrupted at step {self.step} of {self.plan.steps}, saved in {self.run_folder}; "
            "repeat the command to continue",
        )

    @property
    def _elapsed(self) -> float:
        return self._elapsed_before + time.perf_counter() - self._started

    @property
    def _is_last(self) -> bool:
        return self.step >= self.plan.steps

    @property
    def _evaluation_due(self) -> bool:
        return self._is_last or self.step % self.plan.evaluate_every == 0

    @property
    def _logging_due(self) -> bool:
        """Whether the next step is logged."""
        number = self.step + 1
        return number % self.plan.log_every == 0 or number == self.plan.steps

    def _summary(self) -> dict[str, Any]:
        """The last checkpoint's figures count; the best one is chosen by the score itself."""
        best = self._evaluation.best()
        logged = plain(self._last) if self._last else last_logged(self.run_folder)
        return {
            "schema": 1,
            "steps": self.step,
            **{name: logged.get(name) for name in ("d_loss", "g_loss", "images_per_second")},
            "evaluation": {k: v for k, v in self._figures.items() if k not in ("schema", "task")},
            "best": None if best is None else {k: best[k] for k in ("step", "inception_score")},
            "wall_seconds": round(self._elapsed, 2),
        }


def _score_of(figures: Mapping[str, Any]) -> dict[str, float]:
    if "inception_score" not in figures:
        return {}
    return {"inception_score": float(figures["inception_score"]["mean"])}


def _regularizer_figures(update: GanUpdate) -> dict[str, float]:
    """The value of a single term; of several each value, and their weighted sum."""
    if update.regularizer is None:
        return {}
    ratio: Tensor | None = update.gradient_ratio
    found = {} if ratio is None else {"regularizer_gradient_ratio": float(ratio)}
    if len(update.values) == 1:
        return {"loss_regularizer": float(next(iter(update.values.values()))), **found}
    each = {f"loss_regularizer.{label}": float(value) for label, value in update.values.items()}
    return {"loss_regularizers_weighted": float(update.regularizer), **each, **found}
