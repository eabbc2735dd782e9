"""Divides the state of a run into what has a row per class and the rest, and puts it together.

Rows are those of this process: class weights and the classifier's other tensors, their optimizer
state, and what the regularizer keeps under "by_row" in its extra state. A margin head's own state
is no row's and stays with the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from arcface_plus.models.classifier import Classifier
from arcface_plus.models.recognizer import Recognizer
from arcface_plus.models.shards import Shards
from arcface_plus.run_directory.training_state import Training

BY_ROW = "by_row"


@dataclass(frozen=True)
class Divided:
    """`rows`: tensors by name, a row per class of this process; the rest as `state_dict` has it."""

    rows: dict[str, Tensor]
    classifier: dict[str, Any]
    optimizer: dict[str, Any]
    regularizer: dict[str, Any]


def divided(recognizer: Recognizer, optimizer: torch.optim.Optimizer) -> Divided:
    """The state of a run. Tensors are those of the run, not copies."""
    rows: dict[str, Tensor] = {}
    classifier: dict[str, Any] = {}
    for name, value in recognizer.classifier.state_dict().items():
        if _has_rows(name):
            rows[f"classifier.{name}"] = value
        else:
            classifier[name] = value
    whole = optimizer.state_dict()
    state = {number: dict(entry) for number, entry in whole["state"].items()}
    for number, length in _numbers(recognizer, optimizer):
        for key, value in list(state.get(number, {}).items()):
            if _is_rows(value, length):
                rows[f"optimizer.{number}.{key}"] = state[number].pop(key)
    regularizer = dict(recognizer.regularizer.state_dict())
    for name, value in regularizer.items():
        if isinstance(value, Mapping) and _of_classes(value, recognizer.classifier):
            rows |= {f"regularizer.{name}.{key}": one for key, one in value[BY_ROW].items()}
            regularizer[name] = {**value, BY_ROW: {}}
    return Divided(rows, classifier, {**whole, "state": state}, regularizer)


def reunited(
    recognizer: Recognizer,
    optimizer: torch.optim.Optimizer,
    training: Training,
    rows: Mapping[str, Tensor],
) -> Divided:
    """The state that a checkpoint holds, as the `load_state_dict` of this process expect it.

    rows: those of this process; none where all rows are in `training`, of which it takes its own.
    """
    classifier = dict(training.classifier)
    state = {number: dict(entry) for number, entry in training.optimizer["state"].items()}
    regularizer = dict(training.regularizer)
    shards = recognizer.classifier.shards
    if not training.rows_apart:
        own = _Own(shards)
        classifier = {n: own.part(v) if _has_rows(n) else v for n, v in classifier.items()}
        for number, _ in _numbers(recognizer, optimizer):
            state[number] = own.part(state.get(number, {}))
        for name, value in regularizer.items():
            if isinstance(value, Mapping) and value.get("rows") == shards.rows:
                regularizer[name] = own.part(value)
    for name, value in rows.items():
        part, _, key = name.partition(".")
        if part == "classifier":
            classifier[key] = value
        elif part == "optimizer":
            place, _, key = key.partition(".")
            state.setdefault(int(place), {})[key] = value
        else:
            place, _, key = key.rpartition(".")
            kept = regularizer[place]
            regularizer[place] = {**kept, BY_ROW: {**kept[BY_ROW], key: value}}
    return Divided({}, classifier, {**training.optimizer, "state": state}, regularizer)


def _has_rows(name: str) -> bool:
    """Whether a tensor of the classifier's state has a row per class: all but the head's have."""
    return not name.startswith("head.")


def _is_rows(value: object, length: int) -> bool:
    """Whether an entry of the optimizer's state has a row per class; counts of steps have not."""
    return isinstance(value, Tensor) and value.dim() > 0 and len(value) == length


def _of_classes(kept: Mapping[str, Any], classifier: Classifier) -> bool:
    """Whether what a regularizer keeps "by_row" is of the class weights, not of a hidden layer."""
    own, rows = len(classifier.weight), classifier.shards.rows
    if BY_ROW not in kept or kept.get("rows", rows) != rows:
        return False
    return all(len(one) == own for one in kept[BY_ROW].values())


def _numbers(recognizer: Recognizer, optimizer: torch.optim.Optimizer) -> Iterator[tuple[int, int]]:
    """The optimizer's numbers of parameters with a row per class, and how many rows each has."""
    named = recognizer.classifier.named_parameters()
    by_row = {id(parameter) for name, parameter in named if _has_rows(name)}
    groups = (group["params"] for group in optimizer.param_groups)
    for number, parameter in enumerate(p for group in groups for p in group):
        if id(parameter) in by_row:
            yield number, len(parameter)


@dataclass(frozen=True)
class _Own:
    """Takes a process's rows of all tensors that have one per class."""

    shards: Shards

    def part(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self.part(inner) for key, inner in value.items()}
        return value[self.shards.own] if _is_rows(value, self.shards.rows) else value


def on_host(value: Any) -> Any:
    """A copy in the host's memory that later steps do not change."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: on_host(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(on_host(inner) for inner in value)
    return value
