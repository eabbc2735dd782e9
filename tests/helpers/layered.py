"""A small backbone with every kind of layer that a regularizer may meet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace


class Layered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=16, bias=True)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.unit = nn.Sequential(nn.Conv2d(6, 8, 1, bias=False), nn.BatchNorm2d(8), nn.PReLU(8))
        self.gate = nn.Linear(8, 1)
        self.fc = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        features = self.unit(self.depthwise(self.stem(images))).mean(dim=(2, 3))
        out: Tensor = self.fc(features * self.gate(features))
        return out


def layered() -> tuple[Layered, Classifier]:
    torch.manual_seed(0)
    return Layered(), Classifier(5, 7, ArcFace(16.0))
