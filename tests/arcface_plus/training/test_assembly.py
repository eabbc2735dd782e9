"""The parts of a run match the config, in training and in the benchmark."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from runs import assert_same_bits, configured, lines
from torch import Tensor, nn

from arcface_plus.bench.our_step import OurStep
from arcface_plus.config.faces import Backbone
from arcface_plus.data.loader import Batch
from arcface_plus.models.activation_checkpointing import is_very_deep
from arcface_plus.models.backbones.checks import check_parameters
from arcface_plus.runtime import Processes
from arcface_plus.training.assembly import build_recognizer, build_updater
from arcface_plus.training.optimizers import SGD, AdamW
from arcface_plus.training.run import execute
from arcface_plus.training.schedules import Cosine, Polynomial, Step
from data_prep.errors import UserError

CPU = torch.device("cpu")


def images_and_labels() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(8, 3, 112, 112, generator=generator), torch.arange(8) % 5


def test_the_benchmarks_step_is_the_runs(tiny_settings):
    config = configured(tiny_settings, "optimizer.name=adamw", "optimizer.schedule=cosine")
    images, labels = images_and_labels()
    recognizer = build_recognizer(config, 5)
    updater, uncompiled = build_updater(config, recognizer, CPU, Processes())
    step = OurStep(config, images, labels, 5)
    batch = Batch(images, labels, np.arange(8), 0.0)
    for number in range(3):
        assert torch.equal(updater.make(batch, number, measure=False).losses.total, step())
    assert uncompiled is None
    pairs = zip(recognizer.parameters(), step.recognizer.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    ("settings", "optimizer", "schedule"),
    [
        ([], SGD, Step),
        (["optimizer.name=adamw", "optimizer.schedule=cosine"], AdamW, Cosine),
        (["optimizer.schedule=polynomial"], SGD, Polynomial),
    ],
)
def test_optimizer_and_schedule_are_found_by_name(tiny_settings, settings, optimizer, schedule):
    config = configured(tiny_settings, *settings, "optimizer.warmup_steps=7")
    recognizer = build_recognizer(config, 5)
    updater, _ = build_updater(config, recognizer, CPU, Processes())
    assert type(updater.optimizer) is optimizer
    assert type(updater.schedule) is schedule
    assert (updater.schedule.steps, updater.schedule.warmup_steps) == (2, 7)
    decayed = updater.optimizer.param_groups[0]["params"]
    assert len(decayed) == sum(p.requires_grad for p in recognizer.parameters())


@pytest.mark.parametrize("schedule", ["step", "cosine", "polynomial"])
def test_adamw_resumes_bit_for_bit(tiny_settings, tmp_path, schedule):
    settings = [*tiny_settings, "optimizer.name=adamw", f"optimizer.schedule={schedule}",
                "optimizer.warmup_steps=0", "optimizer.steps=6", "checkpoint.every=3"]  # fmt: skip
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    execute(configured(settings), whole)
    execute(configured(settings), parts)
    last = parts / "checkpoints/step_00000006"
    for file in last.iterdir():
        file.unlink()
    last.rmdir()  # as if killed before it
    execute(configured(settings), parts)
    assert_same_bits(*(run / "checkpoints/step_00000006" for run in (whole, parts)))
    rates = [line["lr"] for line in lines(whole)]
    assert rates == [line["lr"] for line in lines(parts)]
    assert (len(set(rates)) == 1) == (schedule == "step")


def test_a_run_whose_rates_depend_on_its_length_cannot_be_extended(tiny_settings, tmp_path):
    settings = [*tiny_settings, "optimizer.schedule=cosine"]
    execute(configured(settings), tmp_path)
    with pytest.raises(UserError, match=r"optimizer\.steps 2 → 4"):
        execute(configured(settings, "optimizer.steps=4"), tmp_path)


class Deep(nn.Module):
    """Very many units, and each of them next to nothing."""

    def __init__(self, embedding_dim: int, dropout: float) -> None:
        super().__init__()
        check_parameters(embedding_dim, dropout)
        self.layers = nn.Sequential(*(nn.Identity() for _ in range(501)))
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.fc = nn.Linear(12, embedding_dim)

    def units(self) -> list[nn.Module]:
        return list(self.layers)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(torch.flatten(self.pool(self.layers(images)), 1))


def test_a_very_deep_network_always_recomputes_its_activations(tiny_settings, monkeypatch):
    """As r2060 in arcface_torch; it is never compiled then."""
    monkeypatch.setattr(Backbone, "build", lambda _, dim, dropout: Deep(dim, dropout))
    config = configured(tiny_settings, "runtime.compile=auto")
    recognizer = build_recognizer(config, 5)
    assert is_very_deep(recognizer.backbone)
    build_updater(config, recognizer, CPU, Processes())
    assert all("forward" in vars(unit) for unit in recognizer.backbone.units())
    config = configured(tiny_settings, "runtime.compile=true")
    with pytest.raises(
        UserError, match=r"runtime\.compile: true cannot be combined with activation"
    ):
        build_updater(config, build_recognizer(config, 5), CPU, Processes())
