"""arcface_torch's mbf: names and shapes, and a naive computation from them."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import batch_norm, conv2d, linear, prelu

from arcface_plus.models.backbones import ArcFaceTorchMBF


def test_names_and_shapes_are_those_of_its_files():
    """A sample of what `get_mbf(fp16, 512)` of arcface_torch has."""
    state = {name: tuple(tensor.shape) for name, tensor in ArcFaceTorchMBF().state_dict().items()}
    for name, shape in {
        "layers.0.layers.0.weight": (128, 3, 3, 3),
        "layers.0.layers.2.weight": (128,),
        "layers.1.layers.0.weight": (128, 2, 3, 3),  # 64 groups
        "layers.2.layers.1.layers.0.weight": (128, 1, 3, 3),
        "layers.3.layers.3.layers.2.layers.0.weight": (128, 128, 1, 1),
        "layers.4.layers.0.layers.0.weight": (256, 128, 1, 1),
        "layers.5.layers.5.layers.1.layers.2.weight": (256,),
        "layers.6.layers.1.layers.0.weight": (512, 1, 3, 3),
        "layers.7.layers.1.layers.2.layers.1.running_var": (256,),
        "conv_sep.layers.0.weight": (512, 256, 1, 1),
        "features.layers.0.layers.0.weight": (512, 1, 7, 7),
        "features.layers.2.weight": (512, 512),
        "features.layers.3.running_mean": (512,),
    }.items():
        assert state[name] == shape
    assert "features.layers.2.bias" not in state
    assert "layers.3.layers.4.layers.0.layers.0.weight" not in state
    assert "layers.8.layers.0.weight" not in state


def by_hand(state: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """The forward pass of arcface_torch's mobilefacenet.py, by functions on its names."""

    def norm(x, name):
        return batch_norm(
            x, state[f"{name}.running_mean"], state[f"{name}.running_var"],
            state[f"{name}.weight"], state[f"{name}.bias"],
        )  # fmt: skip

    def block(x, name, stride=1, padding=0, groups=1):
        x = conv2d(x, state[f"{name}.layers.0.weight"], None, stride, padding, 1, groups)
        x = norm(x, f"{name}.layers.1")
        slope = state.get(f"{name}.layers.2.weight")
        return x if slope is None else prelu(x, slope)

    def unit(x, name, hidden, stride=1):
        y = block(x, f"{name}.layers.0")
        y = block(y, f"{name}.layers.1", stride, 1, hidden)
        return block(y, f"{name}.layers.2")

    x = block(images, "layers.0", 2, 1)
    x = block(x, "layers.1", 1, 1, 64)
    for at, (hidden, inner, count) in {
        2: (128, 128, 4),
        4: (256, 256, 6),
        6: (512, 256, 2),
    }.items():
        x = unit(x, f"layers.{at}", hidden, 2)
        for number in range(count):
            x = x + unit(x, f"layers.{at + 1}.layers.{number}", inner)
    x = block(block(x, "conv_sep"), "features.layers.0", groups=512).flatten(1)
    return norm(linear(x, state["features.layers.2.weight"]), "features.layers.3")


@pytest.mark.parametrize("dimensions", [512, 24])
def test_it_computes_what_arcface_torch_does(dimensions):
    torch.manual_seed(0)
    network = ArcFaceTorchMBF(dimensions, dropout=0.4)
    images = torch.randn(4, 3, 112, 112)
    network(images)  # running statistics that are not the initial ones
    network.eval()
    with torch.no_grad():
        found, expected = network(images), by_hand(network.state_dict(), images)
    assert (found.shape, found.dtype) == ((4, dimensions), torch.float32)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_its_units_are_what_is_on_large_maps():
    network = ArcFaceTorchMBF()
    assert network.units() == [*network.layers, network.conv_sep]
