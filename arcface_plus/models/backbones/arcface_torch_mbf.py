"""arcface_torch's MobileFaceNet ("mbf"), with its parameter names.

Differences from `mobilefacenet` (the paper's): twice the channels, expansion 1 instead of 2 in the
units that keep the number of channels, and a second convolution in 64 groups of two channels.
Names and shapes equal those of InsightFace's ``arcface_torch`` (``get_mbf``), so its files load
with ``strict=True``.
"""

from __future__ import annotations

from torch import Tensor, nn

from arcface_plus.models.backbones.checks import check_images, check_parameters
from arcface_plus.models.precision import without_autocast
from data_prep.crop_size import SIDE

_BLOCKS = (4, 6, 2)  # residual units after each of the three strided ones
_STEM, _WIDE, _LAST = 128, 256, 512
_STEM_GROUPS = 64
_FINAL_SIDE = SIDE // 16


class ArcFaceTorchMBF(nn.Module):
    """Images (n, 3, 112, 112) → embeddings (n, embedding_dim), float32.

    Dropout, which arcface_torch's version lacks, acts before the last linear layer.
    """

    def __init__(self, embedding_dim: int = 512, dropout: float = 0.0) -> None:
        super().__init__()
        check_parameters(embedding_dim, dropout)
        self.embedding_dim = embedding_dim
        self.layers = nn.ModuleList(
            [
                _Convolution(3, _STEM, kernel=3, stride=2),
                _Convolution(_STEM, _STEM, kernel=3, groups=_STEM_GROUPS),
                _Unit(_STEM, _STEM, hidden=128, stride=2),
                _Stage(_STEM, hidden=128, units=_BLOCKS[0]),
                _Unit(_STEM, _WIDE, hidden=256, stride=2),
                _Stage(_WIDE, hidden=256, units=_BLOCKS[1]),
                _Unit(_WIDE, _WIDE, hidden=512, stride=2),
                _Stage(_WIDE, hidden=256, units=_BLOCKS[2]),
            ]
        )
        self.conv_sep = _Convolution(_WIDE, _LAST, kernel=1)
        self.features = _Head(embedding_dim, dropout)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def units(self) -> list[nn.Module]:
        """The blocks on large maps, from input to output."""
        return [*self.layers, self.conv_sep]

    def forward(self, images: Tensor) -> Tensor:
        check_images(images)
        x = images
        for layer in self.layers:
            x = layer(x)
        embeddings: Tensor = self.features(self.conv_sep(x))
        return embeddings


class _Layers(nn.Module):
    """Submodules in sequence under the name `layers`, as arcface_torch nests them."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x)
        return result


class _Convolution(_Layers):
    """Conv–BN–PReLU; without PReLU if `linear`."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        padding: int | None = None,
        linear: bool = False,
    ) -> None:
        padding = kernel // 2 if padding is None else padding
        conv = nn.Conv2d(
            channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False
        )
        norm = nn.BatchNorm2d(channels_out)
        super().__init__(conv, norm, *([] if linear else [nn.PReLU(channels_out)]))


class _Unit(_Layers):
    """Conv1×1 to `hidden` channels, depthwise 3×3 with the stride, linear Conv1×1."""

    def __init__(self, channels_in: int, channels_out: int, hidden: int, stride: int) -> None:
        super().__init__(
            _Convolution(channels_in, hidden, kernel=1),
            _Convolution(hidden, hidden, kernel=3, stride=stride, groups=hidden),
            _Convolution(hidden, channels_out, kernel=1, linear=True),
        )


class _ResidualUnit(_Unit):
    """x + unit(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class _Stage(_Layers):
    def __init__(self, channels: int, hidden: int, units: int) -> None:
        super().__init__(*(_ResidualUnit(channels, channels, hidden, 1) for _ in range(units)))


class _Head(_Layers):
    """Global depthwise convolution, then dropout, linear layer and batch norm in float32."""

    def __init__(self, embedding_dim: int, dropout: float) -> None:
        super().__init__(
            _Convolution(_LAST, _LAST, kernel=_FINAL_SIDE, groups=_LAST, padding=0, linear=True),
            nn.Sequential(nn.Flatten(), nn.Dropout(p=dropout)),
            nn.Linear(_LAST, embedding_dim, bias=False),
            nn.BatchNorm1d(embedding_dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        pool, flatten, linear, norm = self.layers
        assert isinstance(linear, nn.Linear)
        x = flatten(pool(x))
        with without_autocast(x):
            embeddings: Tensor = norm(linear(x.to(linear.weight.dtype)))
            return embeddings
