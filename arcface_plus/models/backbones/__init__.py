"""Backbones by name: callables ``(embedding_dim=512, dropout=0.0, …) -> nn.Module``.

The module maps images (n, 3, 112, 112), floating point, to embeddings (n, embedding_dim), float32
(not normalized). A new backbone is one new file and one line in ``BACKBONES``; with a method
``units()`` it can checkpoint its activations.
"""

from collections.abc import Callable

from torch import nn

from arcface_plus.models.backbones.arcface_torch_mbf import ArcFaceTorchMBF
from arcface_plus.models.backbones.iresnet import IResNet, r18, r34, r50, r100, r200, r2060
from arcface_plus.models.backbones.mobilefacenet import MobileFaceNet
from arcface_plus.models.backbones.sphereface import SphereFaceNet, sphereface20, sphereface64
from arcface_plus.models.backbones.tiny import Tiny

BACKBONES: dict[str, Callable[..., nn.Module]] = {
    "r18": r18,
    "r34": r34,
    "r50": r50,
    "r100": r100,
    "r200": r200,
    "r2060": r2060,
    "mobilefacenet": MobileFaceNet,
    "arcface_torch_mbf": ArcFaceTorchMBF,
    "sphereface20": sphereface20,
    "sphereface64": sphereface64,
    "tiny": Tiny,
}

__all__ = [
    "BACKBONES",
    "ArcFaceTorchMBF",
    "IResNet",
    "MobileFaceNet",
    "SphereFaceNet",
    "Tiny",
    "r18",
    "r34",
    "r50",
    "r100",
    "r200",
    "r2060",
    "sphereface20",
    "sphereface64",
]
