"""The classifier against the naive formula, in full precision under autocast."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace, NormalizedSoftmax


def test_classifier_equals_the_naive_loss() -> None:
    torch.manual_seed(0)
    classifier = Classifier(5, 11, NormalizedSoftmax(scale=20.0))
    embeddings, labels = torch.randn(6, 5) * 3, torch.tensor([0, 10, 3, 3, 7, 1])
    e, w = embeddings.double(), classifier.weight.detach().double()
    cosine = (e / e.norm(dim=1, keepdim=True)) @ (w / w.norm(dim=1, keepdim=True)).T
    probability = torch.softmax(20.0 * cosine, dim=1)[torch.arange(6), labels]
    loss, accuracy = classifier(embeddings, labels)
    assert loss.item() == pytest.approx(-probability.log().mean().item(), rel=1e-5)
    assert accuracy.item() == pytest.approx((cosine.argmax(1) == labels).float().mean().item())


def test_classifier_ignores_autocast() -> None:
    torch.manual_seed(0)
    classifier = Classifier(16, 50, ArcFace())
    embeddings, labels = torch.randn(8, 16).bfloat16(), torch.arange(8)
    plain = classifier(embeddings, labels).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = classifier(embeddings, labels).loss
    assert under_autocast.dtype == torch.float32
    assert torch.equal(plain, under_autocast)


def test_classifier_weights_start_small() -> None:
    torch.manual_seed(0)
    weight = Classifier(64, 1000, ArcFace()).weight
    assert weight.shape == (1000, 64)
    assert weight.std().item() == pytest.approx(0.01, rel=0.02)


def test_other_heads_use_autograd() -> None:
    """A MarginHead is computed in one buffer; the same formula as a module gives the same."""

    class Plain(torch.nn.Module):
        def forward(self, cosine: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return ArcFace(16.0, 0.3)(cosine, labels)

    torch.manual_seed(0)
    fused, plain = Classifier(8, 20, ArcFace(16.0, 0.3)), Classifier(8, 20, Plain())
    plain.weight.data.copy_(fused.weight.data)
    embeddings, labels = torch.randn(6, 8), torch.arange(6) * 3
    one, other = fused(embeddings, labels), plain(embeddings, labels)
    one.loss.backward()
    other.loss.backward()
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(fused.weight.grad, plain.weight.grad)


@pytest.mark.parametrize(
    ("embedding_dim", "classes", "said"), [(0, 5, "embedding_dim"), (4, 1, "2 classes")]
)
def test_invalid_parameters_are_refused(embedding_dim: int, classes: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Classifier(embedding_dim, classes, ArcFace())
