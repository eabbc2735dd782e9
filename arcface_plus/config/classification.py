"""The sections of `task: classification` that differ from those of faces."""

from __future__ import annotations

import math
from typing import Annotated, Literal, cast

import torch
from pydantic import Field, model_validator
from torch import nn

from arcface_plus.config.components import Choice, ComponentSection, OneOf, Section
from arcface_plus.config.sections import (
    AnyEval,
    AnyModel,
    ClassWeights,
    Head,
    NonNegative,
    Positive,
    RunConfig,
    TrainingData,
)
from arcface_plus.models.heads import HEADS
from arcface_plus.models.networks import NETWORKS
from data_prep.class_imbalance import rising

Padding = Literal["zero", "symmetric"]
Share = Annotated[float, Field(gt=0, le=1)]


class Augment(Section):
    """How training images are changed at random; in this order, AutoAugment first."""

    autoaugment: Annotated[
        bool, Field(description="AutoAugment's policies for CIFAR, on the CPU")
    ] = False
    pad: Annotated[
        NonNegative, Field(description="pixels added on each side before cropping to the old size")
    ] = 4
    padding: Annotated[
        Padding, Field(description="zero: black; symmetric: the image mirrored at its edge")
    ] = "zero"
    area: Annotated[
        tuple[Share, Share] | None,
        Field(
            strict=False,
            description="[smallest, largest] share of the image that is cut out at random, with an "
            "aspect ratio of 3/4 to 4/3, and scaled (0.08, 1.0 in ImageNet recipes); null: no",
        ),
    ] = None
    mirror: Annotated[bool, Field(description="mirror each image with probability 0.5")] = True
    cutout: Annotated[
        NonNegative, Field(description="side of a black square at a random place; 0: none")
    ] = 0

    @model_validator(mode="after")
    def _one_crop(self) -> Augment:
        if self.area is not None and self.pad:
            raise ValueError("area and pad both crop: set pad to 0, or area to null")
        if self.area is not None and self.area[0] > self.area[1]:
            raise ValueError("area is the smallest and the largest share, in this order")
        return self


class Imbalance(Section):
    """Which training images are left out, as a function of `run.seed`."""

    classes: Annotated[
        tuple[NonNegative, ...],
        Field(strict=False, description="numbers of the classes that keep only some images"),
    ] = ()
    keep: Annotated[
        Positive | None, Field(description="how many images each of these classes keeps")
    ] = None
    rising: Annotated[
        Positive | None, Field(description="class k keeps this times k + 1 images; null: all")
    ] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Imbalance:
        if bool(self.classes) != (self.keep is not None):
            raise ValueError("classes and keep belong together: give both or neither")
        if self.classes and self.rising is not None:
            raise ValueError("rising is about all classes: leave out classes and keep")
        return self

    def kept(self, classes: int) -> dict[int, int]:
        """Class → how many of its images stay; empty if all do."""
        if self.rising is not None:
            return rising(classes, self.rising)
        return dict.fromkeys(self.classes, self.keep or 0)


class ImageData(TrainingData):
    train: Annotated[
        str | None,
        Field(description="folder: MNIST, CIFAR-10/100, TinyImageNet, or train/CLASS, test/CLASS"),
    ] = None
    batch_size: Annotated[
        int, Field(ge=2, description="global batch, split over processes; batch norm needs two")
    ] = 128
    cache: Annotated[
        Literal["none", "memory", "device"],
        Field(description="where decoded pixels are kept, 3 bytes per pixel"),
    ] = "memory"
    resize: Annotated[
        Positive | None,
        Field(
            description="scale the shorter side of each image to this and keep the square in the "
            "middle; null: images are of one size already"
        ),
    ] = None
    crop: Annotated[
        Positive | None,
        Field(
            description="side of the network's input: tests take the middle of the image, training "
            "what augment.area says; null: the whole image"
        ),
    ] = None
    augment: Augment = Augment()
    normalize: Annotated[
        Literal["per_channel", "centred"],
        Field(description="by the training set's mean and deviation, or (x − 127.5) / 128"),
    ] = "per_channel"
    imbalance: Imbalance = Imbalance()

    @model_validator(mode="after")
    def _crop_is_augmented(self) -> ImageData:
        if self.crop is not None and self.augment.area is None:
            raise ValueError("crop needs augment.area, such as [0.08, 1.0], and augment.pad 0")
        if self.crop is not None and self.resize is not None and self.crop > self.resize:
            raise ValueError(f"crop ({self.crop}) is larger than resize ({self.resize})")
        return self

    @model_validator(mode="after")
    def _autoaugment_has_pixels(self) -> ImageData:
        if self.augment.autoaugment and self.cache == "device":
            raise ValueError(
                "augment.autoaugment works on the CPU, so cache: device is of no use; "
                "use cache: memory"
            )
        return self


class Network(ComponentSection):
    def build(self, side: int | None = None) -> nn.Module:
        """The network, newly initialized; ValueError for invalid values."""
        given = {} if side is None else {"side": side}
        return cast(nn.Module, self.component()(**given))


NETWORK = OneOf(Network, Choice(NETWORKS, "cnn9", given=("side",)))


class ImageModel(AnyModel):
    """The network determines the length of its output."""

    backbone: Annotated[Network, NETWORK] = NETWORK.default()

    @model_validator(mode="after")
    def _buildable(self) -> ImageModel:
        with torch.device("meta"):
            self.build_backbone()
        return self

    def build_backbone(self, side: int | None = None) -> nn.Module:
        return self.backbone.build(side)


class ImageHead(Head):
    """As for faces, but the default is a linear layer."""


IMAGE_HEAD = OneOf(ImageHead, Choice(HEADS, "linear_softmax"))


class ImageEval(AnyEval):
    """On the data set's own test split."""

    @property
    def names(self) -> tuple[str, ...]:
        return ("test",)


class ClassificationConfig(RunConfig):
    """`task: classification`: images of any size, each of one class."""

    task: Annotated[Literal["classification"], Field(description="images, each of one class")]
    data: ImageData = ImageData()
    model: ImageModel = ImageModel()
    head: Annotated[ImageHead, IMAGE_HEAD] = IMAGE_HEAD.default()
    eval: ImageEval = ImageEval()

    @property
    def class_weights(self) -> ClassWeights:
        """He et al. (2015), as in the MHE paper; few enough for every process to hold all."""
        with torch.device("meta"):
            dimensions = int(self.model.build_backbone().embedding_dim)  # type: ignore[arg-type]
        return ClassWeights(dimensions, math.sqrt(2 / dimensions), "replicated", 1.0)

    @model_validator(mode="after")
    def _last_counts(self) -> ClassificationConfig:
        if self.checkpoint.best is not None:
            raise ValueError(
                "checkpoint.best: the last checkpoint counts in task: classification; set it to "
                "null"
            )
        return self
