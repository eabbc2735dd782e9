"""MobileFaceNet against its paper's figures."""

from __future__ import annotations

import torch

from arcface_plus.models.backbones.mobilefacenet import MobileFaceNet


def test_mobilefacenet_has_a_million_parameters() -> None:
    count = sum(p.numel() for p in MobileFaceNet(embedding_dim=128).parameters())
    assert 0.95e6 < count < 1.05e6  # the paper: 0.99 M at 128 dimensions


def test_mobilefacenet_side_after_each_stage() -> None:
    network = MobileFaceNet(width=0.125).eval()
    sides: list[tuple[int, int]] = []
    for unit in network.bottlenecks:
        unit.register_forward_hook(lambda _m, _i, out: sides.append((out.shape[1], out.shape[2])))
    embeddings = network(torch.randn(1, 3, 112, 112))
    assert sides == [(8, 28)] * 5 + [(16, 14)] * 7 + [(16, 7)] * 3
    assert embeddings.shape == (1, 512)


def test_mobilefacenet_channels_last_gives_the_same() -> None:
    torch.manual_seed(0)
    network = MobileFaceNet(64, width=0.25)
    images = torch.randn(4, 3, 112, 112)
    plain = network(images)
    network = network.to(memory_format=torch.channels_last)
    other = network(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(other, plain, rtol=1e-3, atol=1e-3)
