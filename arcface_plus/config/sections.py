"""The sections of a config and what each key means."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import torch
import yaml
from pydantic import AfterValidator, Field, model_validator
from torch import nn

from arcface_plus.config.complaints import unknown_name
from arcface_plus.config.components import Choice, ComponentSection, OneOf, Section
from arcface_plus.models.backbones import BACKBONES
from arcface_plus.models.heads import HEADS
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
    name: Annotated[str, Field(min_length=1, description="what reports call this run")]
    seed: Annotated[
        NonNegative, Field(description="decides initial weights, order of images, flips, dropout")
    ] = 0
    deterministic: Annotated[
        bool, Field(description="deterministic algorithms only: slower, equal bits")
    ] = False


class Data(Section):
    train: Annotated[
        str | None, Field(description=".rec, .tar shards, or a folder of these or of class folders")
    ] = None
    batch_size: Annotated[
        int, Field(ge=2, description="global batch, split over processes; batch norm needs two")
    ] = 440
    micro_batch_size: Annotated[
        Positive | None,
        Field(description="images a process takes through the network at once; null: its share"),
    ] = None
    cache: Annotated[
        Literal["none", "memory", "disk", "device"],
        Field(description="where decoded pixels are kept: 37.6 KB an image"),
    ] = "none"
    cache_dir: Annotated[
        str | None, Field(description="folder of the disk cache; null: beside the training data")
    ] = None
    threads: Annotated[NonNegative, Field(description="decoding threads; 0: one a core")] = 0
    flip: Annotated[bool, Field(description="mirror half of the images at random")] = True


class Backbone(ComponentSection):
    def build(self, embedding_dim: int, dropout: float) -> nn.Module:
        """The network, freshly initialised; ValueError for values that it refuses."""
        network = self.component()(embedding_dim=embedding_dim, dropout=dropout)
        return cast(nn.Module, network)


BACKBONE = OneOf(Backbone, Choice(BACKBONES, "r50", given=("embedding_dim", "dropout")))


class Model(Section):
    backbone: Annotated[Backbone, BACKBONE] = BACKBONE.default()
    embedding_dim: Annotated[Positive, Field(description="length of an embedding")] = 512
    dropout: Annotated[
        float, Field(ge=0, lt=1, description="before the last linear layer of the backbone")
    ] = 0.4
    init: Annotated[
        str | None,
        Field(description="weights to start the backbone from: a run, .safetensors, .pth; null"),
    ] = None

    @model_validator(mode="after")
    def _buildable(self) -> Model:
        with torch.device("meta"):  # everything of building but the memory and the time
            self.build_backbone()
        return self

    def build_backbone(self) -> nn.Module:
        return self.backbone.build(self.embedding_dim, self.dropout)


class Head(ComponentSection):
    @model_validator(mode="after")
    def _buildable(self) -> Head:
        self.build()
        return self

    def build(self) -> nn.Module:
        return cast(nn.Module, self.component()())


class Regularizer(ComponentSection):
    # No default: a term that is asked for and silently weighs nothing would be a trap.
    weight: Annotated[NonNegativeFloat, Field(description="λ: factor of this term in the loss")]

    @model_validator(mode="before")
    @classmethod
    def _none_weighs_nothing(cls, tree: Any) -> Any:
        if isinstance(tree, dict) and tree.get("name", "none") == "none":
            return {"weight": 0.0} | tree
        return tree

    @model_validator(mode="after")
    def _buildable(self) -> Regularizer:
        self.build()
        return self

    def build(self) -> nn.Module:
        return cast(nn.Module, self.component()())


class Optimizer(ComponentSection):
    """Beside these keys come the parameters of the optimizer and those of the schedule."""

    schedule: str
    lr: float
    steps: Annotated[Positive, Field(description="updates of the weights in the whole run")] = (
        38_000
    )
    warmup_steps: Annotated[
        NonNegative, Field(description="the rate rises linearly over the first so many steps")
    ] = 0
    grad_clip: Annotated[
        Annotated[float, Field(gt=0)] | None, Field(description="largest norm of the gradient")
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
        Literal["auto", "bf16", "fp16", "fp32"], Field(description="auto: bf16 on GPUs that do it")
    ] = "auto"
    compile: Annotated[Switch, Field(description="auto: on CUDA")] = "auto"
    channels_last: Annotated[Switch, Field(description="auto: on")] = "auto"
    activation_checkpointing: Annotated[
        bool, Field(description="keep less, compute more: for cards that are too small otherwise")
    ] = False
    device: Annotated[str, Field(description="auto, cpu, cuda or cuda:N")] = "auto"


class Checkpoint(Section):
    every: Annotated[Positive, Field(description="steps between two checkpoints")] = 1000
    keep: Annotated[Positive, Field(description="how many of the newest checkpoints stay")] = 3
    best: Annotated[
        str | None, Field(description="target whose best checkpoint stays too; null: none")
    ] = None


class Eval(Section):
    targets: Annotated[
        tuple[str, ...], Field(strict=False, description="pair files <target>.bin; []: none")
    ] = ("lfw", "cfp_fp", "agedb_30")
    every: Annotated[Positive, Field(description="steps between two verifications")] = 2000
    data: Annotated[
        str | None, Field(description="folder of <target>.bin; null: the training data's folder")
    ] = None


class Logging(Section):
    every: Annotated[Positive, Field(description="steps between two lines of metrics.jsonl")] = 50
    sinks: Annotated[
        tuple[SinkName, ...],
        Field(strict=False, description="trackers, beside metrics.jsonl and TensorBoard"),
    ] = ()


HEAD = OneOf(Head, Choice(HEADS, "arcface"))
REGULARIZER = OneOf(Regularizer, Choice(REGULARIZERS, "none"))
OPTIMIZER = OneOf(
    Optimizer,
    Choice(OPTIMIZERS, "sgd", given=("parameters",)),
    Choice(SCHEDULES, "step", key="schedule", given=("lr", "steps", "warmup_steps")),
)


class RunConfig(Section):
    """Everything that decides a run. `RUN/config.yaml` is this, fully resolved."""

    run: Run
    data: Data = Data()
    model: Model = Model()
    head: Annotated[Head, HEAD] = HEAD.default()
    regularizer: Annotated[Regularizer, REGULARIZER] = REGULARIZER.default()
    optimizer: Annotated[Optimizer, OPTIMIZER] = OPTIMIZER.default()
    runtime: Runtime = Runtime()
    checkpoint: Checkpoint = Checkpoint()
    eval: Eval = Eval()
    logging: Logging = Logging()

    @model_validator(mode="after")
    def _best_is_verified(self) -> RunConfig:
        best, targets = self.checkpoint.best, self.eval.targets
        if best is not None and best not in targets:
            raise ValueError(
                f"checkpoint.best: {best!r} is not among eval.targets ({', '.join(targets)})"
            )
        return self

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)
