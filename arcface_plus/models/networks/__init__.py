"""Networks for classification by name: callables ``(side, …) -> nn.Module``.

The module maps images (n, 3, side, side), floating point, to features (n, d), float32; its
attribute ``embedding_dim`` is d, which the architecture determines. The classifier on top is
separate (``Classifier``, by default with the head ``linear_softmax``). ``side`` is to come from the
data, the other parameters from the config. A new network is one new file and one line in
``NETWORKS``.
"""

from collections.abc import Callable

from torch import nn

from arcface_plus.models.networks.cifar_resnet import CifarResNet, resnet20, resnet32, resnet56
from arcface_plus.models.networks.cnn import CNN, cnn6, cnn9, cnn15, mnist_2d
from arcface_plus.models.networks.densenet import DenseNet
from arcface_plus.models.networks.imagenet_resnet import ImageNetResNet, resnet18, resnet34
from arcface_plus.models.networks.spherenet import CosineConv2d, SphereNet
from arcface_plus.models.networks.vgg import VGG, vgg16_bn, vgg19_bn
from arcface_plus.models.networks.wide_resnet import WideResNet

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "cnn6": cnn6,
    "cnn9": cnn9,
    "cnn15": cnn15,
    "mnist_2d": mnist_2d,
    "spherenet": SphereNet,
    "vgg16_bn": vgg16_bn,
    "vgg19_bn": vgg19_bn,
    "resnet20": resnet20,
    "resnet32": resnet32,
    "resnet56": resnet56,
    "wrn": WideResNet,
    "densenet": DenseNet,
    "resnet18": resnet18,
    "resnet34": resnet34,
}

__all__ = [
    "CNN",
    "NETWORKS",
    "VGG",
    "CifarResNet",
    "CosineConv2d",
    "DenseNet",
    "ImageNetResNet",
    "SphereNet",
    "WideResNet",
    "cnn6",
    "cnn9",
    "cnn15",
    "mnist_2d",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet56",
    "vgg16_bn",
    "vgg19_bn",
]
