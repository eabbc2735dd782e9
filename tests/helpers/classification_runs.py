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

from arcface_plus.config.merging import setting
from arcface_plus.config.tree import RunConfig, load, merged_configs, shipped, validate
from arcface_plus.training.schedules import Step

LAYOUTS: dict[str, Callable[[Path], None]] = {
    "mnist": lambda folder: write_mnist(folder, train=120),
    "cifar10": lambda folder: write_pickles(folder, cifar_10_batches(12)),
    "cifar100": lambda folder: write_pickles(folder, cifar_100_batches(200, 10)),
    "imagenet": lambda folder: write_imagenet(folder, classes=8),
    "tiny_imagenet": lambda folder: write_tiny_imagenet(folder, 4, 4, 2),
}
"""By how a recipe's name begins."""

NARROW = {"width": 2, "widen": 1, "growth": 2}
"""The keys of networks that make them narrow."""

LARGE = ("resnet18", "resnet34")
"""Networks without such a key, too slow for each variant of a study; their recipe has its test."""


def layout_of(recipe: str) -> str:
    """The data set that the recipe is for."""
    (layout,) = (layout for layout in LAYOUTS if recipe.startswith(f"{layout}_"))
    return layout


def write_data_of(recipe: str, folder: Path) -> None:
    """Made data in the layout that the recipe is for."""
    LAYOUTS[layout_of(recipe)](folder)


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


def two_steps(config: RunConfig, folder: Path) -> RunConfig:
    """`config`, narrow and two steps of two images long, on the data in `folder`.

    Rates, weights and numbers of images are made equal, so that variants that differ in these
    alone become equal.
    """
    rates = ("optimizer.lr=0.01", "optimizer.weight_decay=0.0005")
    short = ("optimizer.steps=2", "data.batch_size=2")
    settings = [f"data.train={folder}", *QUICK, *narrowing(config), *rates, *short]
    if isinstance(config.optimizer.build_schedule(), Step):
        settings += ["optimizer.milestones=[1]", "optimizer.gamma=0.1"]
    if config.data.imbalance.kept(100):
        settings.append("data.imbalance={classes: [0], keep: 1, rising: null}")
    tree = config.model_dump(mode="json")
    if config.model.backbone.name in LARGE:
        tree["model"]["backbone"] = {"name": "resnet20", "width": NARROW["width"]}
    for given in settings:
        tree = merged_configs(tree, setting(given))
    terms = tree["regularizer"]
    for term in terms if isinstance(terms, list) else [terms]:
        term["weight"] = 0.5 if term["weight"] else 0.0
    return validate(tree, config.run.name)
