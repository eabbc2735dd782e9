"""Small classification runs: data of the official layouts, and configs for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from labelled_files import (
    cifar_10_batches,
    cifar_100_batches,
    write_mnist,
    write_pickles,
    write_tiny_imagenet,
)

from arcface_plus.config.tree import RunConfig, load, shipped

LAYOUTS: dict[str, Callable[[Path], None]] = {
    "mnist": lambda folder: write_mnist(folder, train=120),
    "cifar10": lambda folder: write_pickles(folder, cifar_10_batches(12)),
    "cifar100": lambda folder: write_pickles(folder, cifar_100_batches(120, 40)),
    "tiny_imagenet": lambda folder: write_tiny_imagenet(folder, 4, 4, 2),
}
"""By the first part of a recipe's name."""

QUICK = (
    "data.batch_size=8", "data.threads=1", "optimizer.steps=4", "optimizer.warmup_steps=0",
    "runtime.device=cpu", "runtime.precision=fp32", "checkpoint.every=2", "checkpoint.keep=9",
    "eval.every=2", "logging.every=1",
)  # fmt: skip


def classification(
    folder: Path, *settings: str, name: str = "cifar10_cnn9", width: int | None = 2
) -> RunConfig:
    """A shipped recipe, four steps long, on the data in `folder`."""
    narrow = [] if width is None else [f"model.backbone.width={width}"]
    given = [f"data.train={folder}", *QUICK, "optimizer.milestones=[3]", *narrow, *settings]
    return load(shipped(name), given)
