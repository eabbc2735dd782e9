"""Recomputing units in the backward pass changes only the memory, not a bit of the results."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from arcface_plus.models.activation_checkpointing import checkpoint_activations
from arcface_plus.models.backbones import BACKBONES, IResNet, MobileFaceNet, Tiny

SMALL: list[Callable[[], nn.Module]] = [
    lambda: IResNet((1, 1, 1, 2), embedding_dim=16, dropout=0.3),
    lambda: MobileFaceNet(16, dropout=0.3, width=0.125),
    lambda: Tiny(16, dropout=0.3, width=0.25),
]
NAMES = ["iresnet", "mobilefacenet", "tiny"]


def pair(build: Callable[[], nn.Module]) -> tuple[nn.Module, nn.Module]:
    """The same network without and with checkpointing."""
    torch.manual_seed(0)
    plain = build()
    saving = copy.deepcopy(plain)
    checkpoint_activations(saving)
    return plain, saving


def step(model: nn.Module, images: Tensor) -> tuple[Tensor, int, list[Tensor]]:
    """Embeddings, bytes kept for the backward pass, gradients; the generator starts afresh."""
    torch.manual_seed(1)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        embeddings = model(images)
    total = sum(kept.values())
    embeddings.square().sum().backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    return embeddings.detach(), total - weights, gradients


def assert_same_bits(one: list[Tensor], other: list[Tensor]) -> None:
    assert len(one) == len(other) > 0
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("build", SMALL, ids=NAMES)
def test_same_embeddings_gradients_and_statistics_with_less_memory(build) -> None:
    plain, saving = pair(build)
    images = torch.randn(3, 3, 112, 112, generator=torch.Generator().manual_seed(2))
    for _ in range(2):
        plain.zero_grad()
        saving.zero_grad()
        expected, much, expected_gradients = step(plain, images)
        ours, little, gradients = step(saving, images)
        assert torch.equal(ours, expected)
        assert_same_bits(gradients, expected_gradients)
        assert_same_bits(list(saving.buffers()), list(plain.buffers()))
        assert little < 0.55 * much
    assert saving.state_dict().keys() == plain.state_dict().keys()
    tracked = [b for name, b in saving.named_buffers() if name.endswith("num_batches_tracked")]
    assert {int(b) for b in tracked} == {2}
    plain.eval()
    saving.eval()
    with torch.no_grad():
        assert torch.equal(plain(images), saving(images))


class Noisy(nn.Module):
    """A block with dropout, and one whose norm keeps no statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Dropout(0.5)
        )
        self.second = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4, momentum=None))

    def units(self) -> list[nn.Module]:
        return [self.block, self.second]

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.block(x))


def test_dropout_replays_and_norms_are_left_as_they_were() -> None:
    plain, saving = pair(Noisy)
    saving.second[1].eval()
    plain.second[1].eval()
    images = torch.randn(4, 3, 9, 9)
    _, _, expected = step(plain, images)
    _, _, ours = step(saving, images)
    assert_same_bits(ours, expected)
    assert saving.block[1].track_running_stats is False
    assert saving.second[1].track_running_stats is True


def test_a_deep_copy_has_its_own_units() -> None:
    _, saving = pair(SMALL[2])
    other = copy.deepcopy(saving)
    with torch.no_grad():
        for unit in other.units():
            for parameter in unit.parameters():
                parameter.zero_()
    saving.eval()
    other.eval()
    images = torch.randn(2, 3, 112, 112)
    assert not torch.equal(saving(images), other(images))


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_backbone_lists_its_units(name: str) -> None:
    with torch.device("meta"):
        backbone = BACKBONES[name]()
    checkpoint_activations(backbone)
    inner = {id(m) for unit in backbone.units() for m in unit.modules() if m is not unit}
    assert inner
    assert not inner & {id(unit) for unit in backbone.units()}


def test_a_backbone_without_units_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Linear has no units\(\)"):
        checkpoint_activations(nn.Linear(2, 2))
