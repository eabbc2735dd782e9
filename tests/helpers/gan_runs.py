"""Small GANs: a shipped recipe with few maps and steps, and images for it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from arcface_plus.gan import checkpoints
from arcface_plus.gan.config import GanConfig, load_gan

QUICK = (
    "data.batch_size=4", "model.width=0.05", "model.latent_dim=5", "optimizer.steps=4",
    "runtime.device=cpu", "checkpoint.every=2", "checkpoint.keep=9", "eval.every=2",
    "eval.samples=20", "logging.every=1",
)  # fmt: skip


def gan_config(folder: Path | None, *settings: str, name: str = "cifar10_gan_mhe_sn") -> GanConfig:
    """A shipped recipe, four steps long, on the data in `folder`."""
    train = "null" if folder is None else folder
    return load_gan(name, [f"data.train={train}", *QUICK, *settings])


def real_batch(count: int = 4, seed: int = 0) -> Tensor:
    """(count, 3, 32, 32) in [−1, 1]."""
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def tensors(checkpoint: Path) -> dict[str, Tensor]:
    """Every tensor that determines how the run continues."""
    state = checkpoints.load(checkpoint)
    found = {f"G.{name}": tensor for name, tensor in state.generator.items()}
    found |= {f"D.{name}": tensor for name, tensor in state.discriminator.items()}
    for which in ("generator_optimizer", "discriminator_optimizer"):
        for number, entry in getattr(state, which)["state"].items():
            found |= {f"{which}.{number}.{key}": value for key, value in entry.items()}
    return found
