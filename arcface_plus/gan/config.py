"""The typed config of a GAN's run: YAML in, `GanConfig` out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import torch
from pydantic import Field, model_validator

from arcface_plus.config.complaints import complaints
from arcface_plus.config.components import Choice, OneOrMore, Section
from arcface_plus.config.merging import merged, setting
from arcface_plus.config.recipes import gan_file
from arcface_plus.config.schema import without_discriminators
from arcface_plus.config.sections import (
    LayerNames,
    Positive,
    Regularizer,
    Run,
    SinkName,
    StoredConfig,
)
from arcface_plus.config.tree import read_tree
from arcface_plus.gan.discriminator import Discriminator, Normalization
from arcface_plus.gan.generator import Generator
from arcface_plus.models.regularization import Regularization
from arcface_plus.models.regularizers import REGULARIZERS
from arcface_plus.training.optimizers.checks import check_lr, check_share
from data_prep.errors import UserError

SPLITS = 10
"""Parts of the samples, each with an inception score of its own."""


class GanData(Section):
    train: Annotated[
        str | None,
        Field(description="folder of CIFAR-10 or of other 32×32 images in class folders"),
    ] = None
    batch_size: Annotated[
        int, Field(ge=2, description="real, and generated, images of an update; batch norm needs 2")
    ] = 64


class GanModel(Section):
    latent_dim: Annotated[Positive, Field(description="length of z, standard normal")] = 128
    width: Annotated[
        float, Field(gt=0, le=8, description="factor of the numbers of maps in both networks")
    ] = 1.0
    normalization: Annotated[
        Normalization, Field(description="in the discriminator: of maps (batch) or of weights")
    ] = "none"


class LayerRegularizer(Regularizer):
    """As for classification, but on the discriminator's layers, which have no classifier."""

    layers: Annotated[
        Literal["hidden"] | LayerNames,
        Field(description="of the discriminator: all with several rows, or names with * and ?"),
    ] = "hidden"


class Adam(Section):
    lr: Annotated[float, Field(description="learning rate of both networks, constant")] = 1e-4
    betas: Annotated[
        tuple[float, float], Field(strict=False, description="decay of Adam's two moments")
    ] = (0.5, 0.999)
    steps: Annotated[
        Positive, Field(description="updates of the generator, and of the discriminator")
    ] = 200_000

    @model_validator(mode="after")
    def _buildable(self) -> Adam:
        check_lr(self.lr)
        for number, beta in enumerate(self.betas):
            check_share(f"betas[{number}]", beta)
        return self


class Runtime(Section):
    device: Annotated[str, Field(description="auto, cpu, cuda or cuda:N")] = "auto"


class GanCheckpoint(Section):
    every: Annotated[Positive, Field(description="steps between two checkpoints")] = 1000
    keep: Annotated[Positive, Field(description="number of newest checkpoints to keep")] = 2


class GanEval(Section):
    every: Annotated[Positive, Field(description="steps between two pictures and scores")] = 5000
    samples: Annotated[
        int, Field(ge=SPLITS, description="generated images that are scored, in 10 parts")
    ] = 50_000
    classifier: Annotated[
        str | None,
        Field(description="run of task: classification, or torchvision's inception_v3 .pth;"
              " null: no score"),
    ] = None  # fmt: skip


class GanLogging(Section):
    every: Annotated[Positive, Field(description="steps between two lines of metrics.jsonl")] = 100
    sinks: Annotated[
        tuple[SinkName, ...],
        Field(strict=False, description="trackers, beside metrics.jsonl and TensorBoard"),
    ] = ()


REGULARIZER = OneOrMore(LayerRegularizer, Choice(REGULARIZERS, "none"))


class GanConfig(StoredConfig):
    """Everything that determines a GAN's run."""

    run: Run
    data: GanData = GanData()
    model: GanModel = GanModel()
    regularizer: Annotated[LayerRegularizer | tuple[LayerRegularizer, ...], REGULARIZER] = (
        REGULARIZER.default()
    )
    optimizer: Adam = Adam()
    runtime: Runtime = Runtime()
    checkpoint: GanCheckpoint = GanCheckpoint()
    eval: GanEval = GanEval()
    logging: GanLogging = GanLogging()

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def seed(self) -> int:
        return self.run.seed

    @property
    def free_keys(self) -> tuple[str, ...]:
        return ("run.name", "runtime.", "checkpoint.", "eval.", "logging.", "data.train",
                "optimizer.steps")  # fmt: skip

    @property
    def regularizers(self) -> tuple[LayerRegularizer, ...]:
        terms = self.regularizer
        return terms if isinstance(terms, tuple) else (terms,)

    def build_generator(self) -> Generator:
        return Generator(self.model.latent_dim, self.model.width)

    def build_discriminator(self) -> Discriminator:
        return Discriminator(self.model.width, self.model.normalization)

    def build_regularization(self, discriminator: Discriminator) -> Regularization:
        """The terms on the discriminator's layers; ValueError for layers that do not exist."""
        return Regularization([term.plan() for term in self.regularizers], discriminator)

    @model_validator(mode="after")
    def _layers_exist(self) -> GanConfig:
        with torch.device("meta"):
            discriminator = Discriminator(self.model.width)
        try:
            self.build_regularization(discriminator)
        except ValueError as error:
            raise ValueError(f"regularizer: layers: {error}") from None
        return self


def load_gan(path: str | Path, settings: Sequence[str] = ()) -> GanConfig:
    """YAML file or recipe, then `key.sub=value` settings; one UserError with all problems."""
    file = gan_file(Path(path))
    tree = read_tree(file, _merged)
    for text in settings:
        tree = _merged(tree, setting(text))
    try:
        return GanConfig.model_validate(tree)
    except pydantic.ValidationError as error:
        raise UserError(f"{file}: {complaints(error, GanConfig)}") from None


def json_schema() -> str:
    """The JSON schema with which editors complete and check such configs (configs/gan)."""
    schema: dict[str, Any] = GanConfig.model_json_schema()
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "another file, relative to this one; the keys here override its keys",
    }
    for section in (schema, *schema["$defs"].values()):
        section.pop("required", None)
    return json.dumps(without_discriminators(schema), indent=2)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    return merged(base, over, GanConfig)
