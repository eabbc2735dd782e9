"""ResNet-18 and ResNet-34 for large images (ImageNet), as torchvision has them.

He et al., "Deep Residual Learning for Image Recognition", 2016, Table 1. Untrained: nothing is
downloaded.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision import models

from arcface_plus.models.networks.layers import check_images, check_side, global_average


class ImageNetResNet(nn.Module):
    """Images (n, 3, side, side) → features (n, 512), float32.

    ``network``: torchvision's with its initialization (He, fan_out); its classifier is left out.
    """

    def __init__(self, network: models.ResNet, side: int) -> None:
        super().__init__()
        check_side(side, 32)
        self.side, self.embedding_dim = side, network.fc.in_features
        self.stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        self.stages = nn.Sequential(
            *network.layer1, *network.layer2, *network.layer3, *network.layer4
        )

    def units(self) -> list[nn.Module]:
        """The residual units, from input to output."""
        return list(self.stages)

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, self.side)
        return global_average(self.stages(self.stem(images)))


def resnet18(side: int = 224) -> ImageNetResNet:
    """ResNet-18 for ImageNet: 11.7 M parameters with 1,000 classes."""
    return ImageNetResNet(models.resnet18(weights=None), side)


def resnet34(side: int = 224) -> ImageNetResNet:
    """ResNet-34 for ImageNet: 21.8 M parameters with 1,000 classes."""
    return ImageNetResNet(models.resnet34(weights=None), side)
