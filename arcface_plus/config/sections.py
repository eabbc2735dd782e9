"""The sections of a config that all tasks share, and what each key means."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, Literal, NamedTuple, cast

import torch
import yaml
from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from torch import nn

from arcface_plus.config.complaints import unknown_name
from arcface_plus.config.components import (
    Choice,
    ComponentSection,
    OneOf,
    OneOrMore,
    Section,
)
from arcface_plus.models import auxiliary, heads, regularizers
from arcface_plus.models.auxiliary import AUXILIARY
from arcface_plus.models.layers import CLASSIFIER, chosen_names
from arcface_plus.models.regularization import Reduction, TermPlan
from arcface_plus.models.regularizers import REGULARIZERS
from arcface_plus.run_directory.sinks import SINKS
from arcface_plus.training.optimizers import OPTIMIZERS
from arcface_plus.training.schedules import SCHEDULES, Schedule

Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Switch = bool | Literal["auto"]


def _known_sink(name: str) -> str:
    if name not in SINKS:
        raise ValueError(unknown_name("sink", name, SINKS))
    return name


SinkName = Annotated[
    str, AfterValidator(_known_sink), Field(json_schema_extra={"enum": list(SINKS)})
]


class Run(Section):
    name: Annotated[str, Field(min_length=1, description="name of this run in reports")]
    seed: Annotated[
        NonNegative,
        Field(description="seed of all that is random: initial weights, image order, augmentation"),
    ] = 0
    deterministic: Annotated[
        bool, Field(description="deterministic algorithms only: slower, reproducible bit for bit")
    ] = False


class TrainingData(Section):
    """Keys about training images, whatever they are of."""

    train: Annotated[
        str | None, Field(description=".rec, .tar shards, or a folder of these or of class folders")
    ] = None
    batch_size: Annotated[
        int, Field(ge=2, description="global batch, split over processes; batch norm needs two")
    ] = 440
    micro_batch_size: Annotated[
        Positive | None,
        Field(description="images per forward pass of a process; null: its share of the batch"),
    ] = None
    cache: Annotated[
        Literal["none", "memory", "disk", "device"],
        Field(description="where decoded pixels are kept: 37.6 KB per image"),
    ] = "none"
    cache_dir: Annotated[
        str | None, Field(description="folder of the disk cache; null: next to the training data")
    ] = None
    threads: Annotated[NonNegative, Field(description="decoding threads; 0: one per core")] = 0


class AnyModel(Section):
    """The network, whatever the task."""

    backbone: ComponentSection

    @abstractmethod
    def build_backbone(self, side: int | None = None) -> nn.Module:
        """The network for images of this side (None: any it takes), newly initialized.

        Its `embedding_dim` is the length of its output. ValueError for invalid values.
        """


class Head(ComponentSection):
    @model_validator(mode="after")
    def _buildable(self) -> Head:
        self.build()
        return self

    def build(self) -> heads.Head:
        return cast(heads.Head, self.component()())


def _weightless_if_none(tree: Any) -> Any:
    if isinstance(tree, dict) and tree.get("name", "none") == "none":
        return {"weight": 0.0} | tree
    return tree


def _as_tuple(given: object) -> object:
    """A list of YAML as a tuple: in a union, pydantic 2.10 does not heed strict=False."""
    return tuple(given) if isinstance(given, list) else given


LayerNames = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_as_tuple)]


class Regularizer(ComponentSection):
    # No default: a requested regularizer must not silently have weight 0.
    weight: Annotated[NonNegativeFloat, Field(description="λ: factor of this term in the loss")]
    layers: Annotated[
        Literal["classifier", "hidden", "all"] | LayerNames,
        Field(description="class weights, layers of the backbone, both, or names with * and ?"),
    ] = "classifier"
    reduction: Annotated[
        Reduction, Field(description="over the layers' values; the papers take the sum")
    ] = "sum"

    @model_validator(mode="before")
    @classmethod
    def _none_weighs_nothing(cls, tree: Any) -> Any:
        return _weightless_if_none(tree)

    @model_validator(mode="after")
    def _buildable(self) -> Regularizer:
        if self.build().needs_labels and self.layers not in (CLASSIFIER, (CLASSIFIER,)):
            raise ValueError("layers must be classifier with pairs: batch, which is about classes")
        return self

    def build(self) -> regularizers.Regularizer:
        return cast(regularizers.Regularizer, self.component()())

    def plan(self) -> TermPlan:
        return TermPlan(self.name, self.weight, self.build, self.layers, self.reduction)


def _known_auxiliary(name: str) -> str:
    if name not in AUXILIARY:
        raise ValueError(unknown_name("loss", name, AUXILIARY))
    return name


AuxiliaryName = Annotated[
    str, AfterValidator(_known_auxiliary), Field(json_schema_extra={"enum": list(AUXILIARY)})
]


class Auxiliary(Section):
    """A loss on embeddings beside the head's."""

    name: Annotated[AuxiliaryName, Field(description="centre, or of pytorch-metric-learning")] = (
        "none"
    )
    weight: Annotated[NonNegativeFloat, Field(description="factor of this loss; none: 0")]
    parameters: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="of the loss, by its own names"
    )
    miner: Annotated[
        str | None, Field(description="of pytorch-metric-learning: chooses pairs or triplets")
    ] = None
    miner_parameters: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="of the miner, by its own names"
    )

    @model_validator(mode="before")
    @classmethod
    def _none_weighs_nothing(cls, tree: Any) -> Any:
        return _weightless_if_none(tree)

    @model_validator(mode="after")
    def _buildable(self) -> Auxiliary:
        self.build()
        return self

    def build(self) -> auxiliary.Auxiliary:
        given: dict[str, Any] = dict(self.parameters)
        if self.miner or self.miner_parameters:
            given |= {"miner": self.miner, "miner_parameters": self.miner_parameters}
        try:
            return AUXILIARY[self.name](**given)
        except TypeError as error:
            reason = str(error).partition("__init__() ")[2] or str(error)
            raise ValueError(f"{self.name}: {reason}") from None


class Optimizer(ComponentSection):
    """These keys, plus the parameters of the optimizer and of the schedule."""

    schedule: str
    lr: float
    steps: Annotated[Positive, Field(description="updates of the weights in the whole run")] = (
        38_000
    )
    warmup_steps: Annotated[
        NonNegative, Field(description="steps of linear learning-rate warm-up")
    ] = 0
    grad_clip: Annotated[
        Annotated[float, Field(gt=0)] | None, Field(description="clip the gradient to this norm")
    ] = None

    @model_validator(mode="after")
    def _buildable(self) -> Optimizer:
        self.build([nn.Parameter(torch.zeros(1))])
        self.build_schedule()
        return self

    def build(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return cast(torch.optim.Optimizer, self.component()(parameters))

    def build_schedule(self) -> Schedule:
        schedule = self.component("schedule")
        return cast(
            Schedule, schedule(lr=self.lr, steps=self.steps, warmup_steps=self.warmup_steps)
        )


class Runtime(Section):
    precision: Annotated[
        Literal["auto", "bf16", "fp16", "fp32"],
        Field(description="auto: bf16 on GPUs that support it, else fp32"),
    ] = "auto"
    compile: Annotated[Switch, Field(description="auto: on CUDA")] = "auto"
    channels_last: Annotated[Switch, Field(description="auto: on")] = "auto"
    activation_checkpointing: Annotated[
        bool, Field(description="recompute activations in the backward pass to save memory")
    ] = False
    device: Annotated[str, Field(description="auto, cpu, cuda or cuda:N")] = "auto"
    timeout_seconds: Annotated[
        float, Field(gt=0, description="how long a process waits for another one within a step")
    ] = 600.0


class Checkpoint(Section):
    every: Annotated[Positive, Field(description="steps between two checkpoints")] = 1000
    keep: Annotated[Positive, Field(description="number of newest checkpoints to keep")] = 3
    best: Annotated[
        str | None, Field(description="target whose best checkpoint is kept too; null: none")
    ] = None


class AnyEval(Section):
    """When a run is evaluated, whatever the task."""

    every: Annotated[Positive, Field(description="steps between two evaluations")] = 2000

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """What each evaluation has a result for."""


class Logging(Section):
    every: Annotated[Positive, Field(description="steps between two lines of metrics.jsonl")] = 50
    layer_angles_every: Annotated[
        Positive, Field(description="steps between two measurements of regularized hidden layers")
    ] = 1000
    sinks: Annotated[
        tuple[SinkName, ...],
        Field(strict=False, description="trackers, beside metrics.jsonl and TensorBoard"),
    ] = ()


REGULARIZER = OneOrMore(Regularizer, Choice(REGULARIZERS, "none"))
OPTIMIZER = OneOf(
    Optimizer,
    Choice(OPTIMIZERS, "sgd", given=("parameters",)),
    Choice(SCHEDULES, "step", key="schedule", given=("lr", "steps", "warmup_steps")),
)


class ClassWeights(NamedTuple):
    """How the class weights of a run begin, and where they are."""

    dimensions: int
    std: float
    """Standard deviation of the initial weights."""
    held: str
    """auto, replicated or sharded."""
    sampling: float
    """Share of the negative classes that each step sees."""


class StoredConfig(Section):
    """What RUN/config.yaml holds, fully resolved, whatever command has begun the run."""

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    @abstractmethod
    def seed(self) -> int: ...

    @property
    @abstractmethod
    def free_keys(self) -> tuple[str, ...]:
        """What may change between two parts of one run without making it another run.

        Dotted keys, or beginnings of them.
        """

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


# Precision and memory format change results: `load_fitting` compares them as they were resolved.
_FREE = ("run.name", "runtime.", "checkpoint.", "eval.", "logging.", "data.cache", "data.threads",
         "data.train")  # fmt: skip


class RunConfig(StoredConfig):
    """Everything that determines a run.

    What a task needs for itself is in its own class; `tasks.TASKS` has one for each.
    """

    task: str
    run: Run
    data: TrainingData
    model: AnyModel
    head: Head
    regularizer: Annotated[Regularizer | tuple[Regularizer, ...], REGULARIZER] = (
        REGULARIZER.default()
    )
    auxiliary: Auxiliary = Auxiliary(weight=0.0)
    optimizer: Annotated[Optimizer, OPTIMIZER] = OPTIMIZER.default()
    runtime: Runtime = Runtime()
    checkpoint: Checkpoint = Checkpoint()
    eval: AnyEval
    logging: Logging = Logging()

    @model_validator(mode="after")
    def _best_is_verified(self) -> RunConfig:
        best, names = self.checkpoint.best, self.eval.names
        if best is not None and best not in names:
            raise ValueError(
                f"checkpoint.best: {best!r} is not one of eval.targets ({', '.join(names)})"
            )
        return self

    @model_validator(mode="after")
    def _layers_exist(self) -> RunConfig:
        named = [term.layers for term in self.regularizers if not isinstance(term.layers, str)]
        if named:
            with torch.device("meta"):
                backbone = self.model.build_backbone()
            for layers in named:
                try:
                    chosen_names(layers, backbone)
                except ValueError as error:
                    raise ValueError(f"regularizer: layers: {error}") from None
        return self

    @property
    def regularizers(self) -> tuple[Regularizer, ...]:
        """The terms of `regularizer`, which may be one or a list of them."""
        terms = self.regularizer
        return terms if isinstance(terms, tuple) else (terms,)

    @property
    def initial_weights(self) -> str | None:
        """The model file that training begins with, if any."""
        return None

    @property
    @abstractmethod
    def class_weights(self) -> ClassWeights:
        """How many numbers a class has, how they begin, and where they are."""

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def seed(self) -> int:
        return self.run.seed

    @property
    def free_keys(self) -> tuple[str, ...]:
        """A run may be extended, unless that changes the learning rates of steps already made."""
        fixed = self.optimizer.build_schedule().depends_on_steps
        return _FREE if fixed else (*_FREE, "optimizer.steps")
