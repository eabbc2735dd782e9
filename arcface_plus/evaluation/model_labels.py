"""Short names for the models that a table or picture shows side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def labels(checkpoints: Sequence[str]) -> list[str]:
    """A label for each model: the last part of its path, or more parts if these are equal."""
    for parts in range(1, 8):
        short = ["/".join(Path(checkpoint).parts[-parts:]) for checkpoint in checkpoints]
        if len(set(short)) == len(checkpoints):
            return short
    return [f"{number + 1}: {checkpoint}" for number, checkpoint in enumerate(checkpoints)]
