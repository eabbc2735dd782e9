"""What holds for every network of the table."""

from __future__ import annotations

import inspect

import pytest
import torch

from arcface_plus.models.activation_checkpointing import checkpoint_activations
from arcface_plus.models.networks import NETWORKS

SMALL = {  # parameters of a version that a test can afford, on the smallest images worth it
    "cnn6": {"width": 4}, "cnn9": {"width": 4}, "cnn15": {"width": 4}, "mnist_2d": {"width": 4},
    "spherenet": {"width": 4}, "vgg16_bn": {"side": 16, "width": 8},
    "vgg19_bn": {"side": 16, "width": 8},
    "resnet20": {"width": 4}, "resnet32": {"width": 4}, "resnet56": {"width": 4, "side": 16},
    "wrn": {"depth": 10, "widen": 1}, "densenet": {"depth": 10, "growth": 4},
    "resnet18": {"side": 64}, "resnet34": {"side": 64},
}  # fmt: skip


def small(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name](**SMALL[name])


def images(network: torch.nn.Module) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 3, network.side, network.side, generator=generator)


@pytest.mark.parametrize("name", NETWORKS)
def test_features_and_gradients_are_finite_and_reach_every_parameter(name: str) -> None:
    network = small(name)
    features = network(images(network))
    assert features.shape == (4, network.embedding_dim)
    assert features.dtype == torch.float32
    assert features.isfinite().all()
    (features * torch.randn_like(features)).sum().backward()
    for parameter, value in network.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.isfinite().all(), parameter
        assert value.grad.any(), parameter


@pytest.mark.parametrize("name", NETWORKS)
def test_features_are_float32_under_autocast(name: str) -> None:
    network = small(name).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = network(images(network))
    assert features.dtype == torch.float32
    exact = network(images(network))
    assert torch.dist(features, exact) < 0.1 * exact.norm()


@pytest.mark.parametrize("name", NETWORKS)
def test_images_of_another_side_are_refused(name: str) -> None:
    network = small(name)
    with pytest.raises(ValueError, match="images must be"):
        network(torch.randn(2, 3, network.side + 1, network.side))


@pytest.mark.parametrize("name", NETWORKS)
def test_activations_can_be_recomputed(name: str) -> None:
    plain, checkpointed = small(name), small(name)
    checkpoint_activations(checkpointed)
    for network in (plain, checkpointed):
        network(images(network)).square().sum().backward()
    for (name_, a), b in zip(plain.named_parameters(), checkpointed.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad), name_


@pytest.mark.parametrize("name", NETWORKS)
def test_the_side_is_the_first_parameter_and_the_rest_have_defaults(name: str) -> None:
    parameters = list(inspect.signature(NETWORKS[name]).parameters.values())
    assert parameters[0].name == "side"
    assert all(p.default is not inspect.Parameter.empty for p in parameters)
    with pytest.raises(ValueError, match=r"3×3 are too small: at least \d+×\d+"):
        NETWORKS[name](side=3)
