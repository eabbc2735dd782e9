"""Metrics sinks by name: ``sink(facts)``, a ``Sink``.

A new sink is one new file and one line in ``SINKS``; ``logging.sinks`` then takes its name. What it
imports beyond our dependencies it imports in its constructor, and names in ``needs``.
"""

from arcface_plus.run_directory.sinks.jsonl import JsonLines
from arcface_plus.run_directory.sinks.mlflow import MLflow
from arcface_plus.run_directory.sinks.sink import RunFacts, Sink
from arcface_plus.run_directory.sinks.tensorboard import TensorBoard
from arcface_plus.run_directory.sinks.wandb import WeightsAndBiases

ALWAYS: dict[str, type[Sink]] = {
    "jsonl": JsonLines,
    "tensorboard": TensorBoard,
}
"""Those that every run has."""

SINKS: dict[str, type[Sink]] = {
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
}
"""Those that a config may add, each with an extra of its name in pyproject.toml."""

__all__ = ["ALWAYS", "SINKS", "RunFacts", "Sink"]
