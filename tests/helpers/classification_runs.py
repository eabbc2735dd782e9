"""Small classification runs: data of the official layouts, and configs for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from labelled_files import (
    cifar_10_batches,
    cifar_100_batches,
    write_imagenet,
    write_mnist,
    write_pickles,
    write_tiny_imagenet,
)

from arcface_plus.config.tree import RunConfig, load, shipped

LAYOUTS: dict[str, Callable[[Path], None]] = {
    "mnist": lambda folder: write_mnist(folder, train=120),
    "cifar10": lambda folder: write_pickles(folder, cifar_10_batches(12)),
    "cifar100": lambda folder: write_pickles(folder, cifar_100_batches(20, 10)),
    "imagenet": lambda folder: write_imagenet(folder, classes=8),
    "tiny_imagenet": lambda folder: write_tiny_imagenet(folder, 4, 4, 2),
}
"""By how a recipe's name begins."""

NARROW = {"width": 2, "widen": 1, "growth": 2}
"""The keys of networks that make them narrow; those of VGG have none."""


def write_data_of(recipe: str, folder: Path) -> None:
    """Made data in the layout that the recipe is for."""
    (layout,) = (layout for layout in LAYOUTS if recipe.startswith(f"{layout}_"))
    LAYOUTS[layout](folder)


QUICK = (
    "data.batch_size=8", "data.threads=1", "optimizer.steps=4", "optimizer.warmup_steps=0",
    "runtime.device=cpu", "runtime.precision=fp32", "checkpoint.every=2", "checkpoint.keep=9",
    "eval.every=2", "logging.every=1",
)  # fmt: skip


def narrowing(config: RunConfig) -> list[str]:
    """Settings that make the network of `config` narrow, and its images small."""
    backbone, small = config.model.backbone, ["data.resize=40", "data.crop=32"]
    narrow = [f"model.backbone.{k}={NARROW[k]}" for k in backbone.parameters if k in NARROW]
    return narrow + (small if config.data.crop else [])


def classification(folder: Path, *settings: str, name: str = "cifar10_cnn9") -> RunConfig:
    """A shipped recipe, narrow and four steps long, on the data in `folder`."""
    recipe = shipped(name)
    given = [f"data.train={folder}", *QUICK, "optimizer.milestones=[3]", *narrowing(load(recipe))]
    return load(recipe, [*given, *settings])
