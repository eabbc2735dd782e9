"""The sections of `task: verification`, faces, that differ from those of other tasks."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import torch
from pydantic import Field, model_validator
from torch import nn

from arcface_plus.config.components import Choice, ComponentSection, OneOf
from arcface_plus.config.sections import (
    AnyEval,
    AnyModel,
    ClassWeights,
    Head,
    Positive,
    RunConfig,
    TrainingData,
)
from arcface_plus.models.backbones import BACKBONES
from arcface_plus.models.heads import HEADS


class Data(TrainingData):
    flip: Annotated[bool, Field(description="mirror each image with probability 0.5")] = True


class Backbone(ComponentSection):
    def build(self, embedding_dim: int, dropout: float) -> nn.Module:
        """The network, newly initialized; ValueError for invalid values."""
        network = self.component()(embedding_dim=embedding_dim, dropout=dropout)
        return cast(nn.Module, network)


BACKBONE = OneOf(Backbone, Choice(BACKBONES, "r50", given=("embedding_dim", "dropout")))


class Model(AnyModel):
    backbone: Annotated[Backbone, BACKBONE] = BACKBONE.default()
    embedding_dim: Annotated[Positive, Field(description="length of an embedding")] = 512
    dropout: Annotated[
        float, Field(ge=0, lt=1, description="before the last linear layer of the backbone")
    ] = 0.4
    classifier: Annotated[
        Literal["auto", "replicated", "sharded"],
        Field(description="class weights on every process, or split over them; auto: by memory"),
    ] = "auto"
    class_sampling: Annotated[
        float,
        Field(gt=0, le=1, description="share of the negative classes drawn each step; 1: all"),
    ] = 1.0
    init: Annotated[
        str | None,
        Field(description="initial weights: a run, checkpoint, .safetensors or .pth; or null"),
    ] = None

    @model_validator(mode="after")
    def _buildable(self) -> Model:
        with torch.device("meta"):  # builds without using memory or time
            self.build_backbone()
        return self

    def build_backbone(self, side: int | None = None) -> nn.Module:
        return self.backbone.build(self.embedding_dim, self.dropout)


HEAD = OneOf(Head, Choice(HEADS, "arcface"))


class Eval(AnyEval):
    targets: Annotated[
        tuple[str, ...], Field(strict=False, description="pair files <target>.bin; []: none")
    ] = ("lfw", "cfp_fp", "agedb_30")
    data: Annotated[
        str | None, Field(description="folder of <target>.bin; null: the training data's folder")
    ] = None

    @property
    def names(self) -> tuple[str, ...]:
        return self.targets


class FaceConfig(RunConfig):
    """`task: verification`: faces, verified on pairs."""

    task: Annotated[
        Literal["verification"], Field(description="faces, verified on pairs of images")
    ] = "verification"
    data: Data = Data()
    model: Model = Model()
    head: Annotated[Head, HEAD] = HEAD.default()
    eval: Eval = Eval()

    @property
    def initial_weights(self) -> str | None:
        return self.model.init

    @property
    def class_weights(self) -> ClassWeights:
        model = self.model
        return ClassWeights(model.embedding_dim, 0.01, model.classifier, model.class_sampling)
