"""ResNet-18 and ResNet-34: torchvision's, without the classifier."""

from __future__ import annotations

import pytest
import torch
from classification_networks import parameters, shapes
from torch import nn
from torchvision import models

from arcface_plus.models.networks.imagenet_resnet import ImageNetResNet, resnet18, resnet34


@pytest.mark.parametrize(("make", "published"), [(resnet18, 11_689_512), (resnet34, 21_797_672)])
def test_parameters(make: type[ImageNetResNet], published: int) -> None:
    """torchvision's documentation, with 1,000 classes."""
    assert parameters(make, 1000) == published


def test_features_are_what_torchvision_classifies() -> None:
    torch.manual_seed(0)
    whole = models.resnet18(weights=None, num_classes=7).eval()
    network = ImageNetResNet(whole, side=64).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(whole.fc(network(images)), whole(images), atol=1e-6)


def test_sides_and_channels() -> None:
    stages = [(64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]
    assert shapes(resnet18()) == [shape for shape in stages for _ in range(2)]


def test_the_classifier_is_left_out() -> None:
    assert not [m for m in resnet18().modules() if isinstance(m, nn.Linear)]
