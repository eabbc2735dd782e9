"""IResNet against arcface_torch's names and the architecture's text."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models.backbones import BACKBONES


def arcface_torch_state(units: list[int], embedding_dim: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of an arcface_torch IResNet state dict, written down from its layout."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (channels,)
        shapes[f"{name}.num_batches_tracked"] = ()

    shapes["conv1.weight"] = (64, 3, 3, 3)
    norm("bn1", 64)
    shapes["prelu.weight"] = (64,)
    before = 64
    for stage, (count, width) in enumerate(zip(units, (64, 128, 256, 512), strict=True), 1):
        for unit in range(count):
            prefix = f"layer{stage}.{unit}"
            norm(f"{prefix}.bn1", before)
            shapes[f"{prefix}.conv1.weight"] = (width, before, 3, 3)
            norm(f"{prefix}.bn2", width)
            shapes[f"{prefix}.prelu.weight"] = (width,)
            shapes[f"{prefix}.conv2.weight"] = (width, width, 3, 3)
            norm(f"{prefix}.bn3", width)
            if unit == 0:
                shapes[f"{prefix}.downsample.0.weight"] = (width, before, 1, 1)
                norm(f"{prefix}.downsample.1", width)
            before = width
    norm("bn2", 512)
    shapes["fc.weight"] = (embedding_dim, 512 * 7 * 7)
    shapes["fc.bias"] = (embedding_dim,)
    norm("features", embedding_dim)
    return shapes


@pytest.mark.parametrize(
    ("name", "units", "millions"),
    [
        ("r18", [2, 2, 2, 2], 24.03),
        ("r34", [3, 4, 6, 3], 34.14),
        ("r50", [3, 4, 14, 3], 43.59),
        ("r100", [3, 13, 30, 3], 65.16),
        ("r200", [6, 26, 60, 6], 118.83),
        ("r2060", [3, 128, 896, 3], 1122.30),
    ],
)
def test_iresnet_state_is_that_of_arcface_torch(
    name: str, units: list[int], millions: float
) -> None:
    with torch.device("meta"):
        network = BACKBONES[name]()
    state = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert state == arcface_torch_state(units, 512)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)
    frozen = [key for key, value in network.named_parameters() if not value.requires_grad]
    assert frozen == ["features.weight"]


def iresnet_embedding(state: dict[str, Tensor], units: list[int], images: Tensor) -> Tensor:
    """Evaluation-mode forward pass written with functions alone, from the architecture's text."""

    def norm(x: Tensor, name: str) -> Tensor:
        parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var"))
        return F.batch_norm(
            x, *parts, state[f"{name}.weight"], state[f"{name}.bias"], training=False, eps=1e-5
        )

    def conv(x: Tensor, name: str, stride: int = 1, padding: int = 1) -> Tensor:
        return F.conv2d(x, state[f"{name}.weight"], stride=stride, padding=padding)

    x = F.prelu(norm(conv(images, "conv1"), "bn1"), state["prelu.weight"])
    for stage, count in enumerate(units, 1):
        for unit in range(count):
            at, stride = f"layer{stage}.{unit}", 2 if unit == 0 else 1
            y = conv(norm(x, f"{at}.bn1"), f"{at}.conv1")
            y = F.prelu(norm(y, f"{at}.bn2"), state[f"{at}.prelu.weight"])
            y = norm(conv(y, f"{at}.conv2", stride), f"{at}.bn3")
            if unit == 0:
                x = norm(conv(x, f"{at}.downsample.0", 2, padding=0), f"{at}.downsample.1")
            x = x + y
    x = norm(x, "bn2").flatten(1)
    return norm(F.linear(x, state["fc.weight"], state["fc.bias"]), "features")


@pytest.mark.parametrize("channels_last", [False, True])
def test_iresnet_loads_a_state_and_embeds_as_the_architecture_says(channels_last: bool) -> None:
    torch.manual_seed(0)
    units = [2, 2, 2, 2]
    state = {
        name: torch.rand(shape) + 0.5 if "running_var" in name else torch.randn(shape) * 0.05
        for name, shape in arcface_torch_state(units, 64).items()
    }
    state = {k: v.long() if k.endswith("tracked") else v for k, v in state.items()}
    network = BACKBONES["r18"](embedding_dim=64).eval()
    network.load_state_dict(state, strict=True)
    images = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        expected = iresnet_embedding(state, units, images)
        if channels_last:
            network = network.to(memory_format=torch.channels_last)
            images = images.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4)


def test_iresnet_starts_as_arcface_torch_does() -> None:
    torch.manual_seed(0)
    network = BACKBONES["r18"]()
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert convolutions[5].weight.std().item() == pytest.approx(0.1, rel=0.02)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]
    assert all(m.eps == 1e-5 and bool((m.weight == 1).all()) for m in norms)
