"""What all backbones share: precision, dropout, and checks of parameters."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.models.backbones import BACKBONES, IResNet
from arcface_plus.models.backbones.mobilefacenet import MobileFaceNet


@pytest.mark.parametrize("name", ["r18", "mobilefacenet"])
def test_the_embedding_is_float32_under_autocast(name: str) -> None:
    network = BACKBONES[name](embedding_dim=32)
    images = torch.randn(2, 3, 112, 112)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings = network(images)
    assert embeddings.dtype == torch.float32
    assert embeddings.shape == (2, 32)
    # The last layers run without autocast: their result has more digits than bfloat16.
    assert not torch.equal(embeddings, embeddings.bfloat16().float())


@pytest.mark.parametrize("name", ["r18", "mobilefacenet"])
def test_dropout_acts_only_in_training(name: str) -> None:
    torch.manual_seed(0)
    network = BACKBONES[name](embedding_dim=16, dropout=0.5)
    images = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        assert not torch.equal(network(images), network(images))
        network.eval()
        assert torch.equal(network(images), network(images))


@pytest.mark.parametrize("name", ["r18", "mobilefacenet"])
def test_mistakes(name: str) -> None:
    with pytest.raises(ValueError, match="dropout must be"):
        BACKBONES[name](dropout=1.0)
    with pytest.raises(ValueError, match="embedding_dim must be"):
        BACKBONES[name](embedding_dim=0)
    with pytest.raises(
        ValueError, match=r"images must be \(n, 3, 112, 112\), not \(2, 3, 96, 96\)"
    ):
        BACKBONES[name]().eval()(torch.zeros(2, 3, 96, 96))


def test_invalid_parameters_of_single_backbones() -> None:
    with pytest.raises(ValueError, match="width must be"):
        MobileFaceNet(width=0.0)
    with pytest.raises(ValueError, match="four positive integers"):
        IResNet((2, 2, 2))
