import pytest
import torch
from torch import Tensor, nn

from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace
from arcface_plus.models.recognizer import Losses, Recognizer
from arcface_plus.models.regularizers import MMA, NoRegularizer


def recognizer(regularizer: nn.Module, weight: float) -> Recognizer:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 16))
    return Recognizer(backbone, Classifier(16, 30, ArcFace()), regularizer, weight)


def step(model: Recognizer) -> tuple[Losses, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(8, 3, 112, 112, generator=generator)
    losses = model(images, torch.arange(8) * 3)
    losses.total.backward()
    grad = model.classifier.weight.grad
    assert grad is not None
    return losses, grad


def test_total_is_margin_plus_weighted_regularizer() -> None:
    model = recognizer(MMA(), 0.03)
    losses, grad = step(model)
    expected = MMA()(model.classifier.weight)
    assert losses.regularizer.item() == expected.item()
    torch.testing.assert_close(losses.total, losses.margin + 0.03 * expected)
    _, plain = step(recognizer(NoRegularizer(), 0.03))
    (pull,) = torch.autograd.grad(expected, model.classifier.weight)
    torch.testing.assert_close(grad, plain + 0.03 * pull)


@pytest.mark.parametrize(
    ("regularizer", "weight"), [(MMA(), 0.0), (NoRegularizer(), 0.03), (NoRegularizer(), 0.0)]
)
def test_no_regularizer_is_bit_identical_to_none(regularizer: nn.Module, weight: float) -> None:
    losses, grad = step(recognizer(regularizer, weight))
    assert torch.equal(losses.total, losses.margin)
    assert losses.regularizer.item() == 0.0
    model = recognizer(NoRegularizer(), 0.0)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(8, 3, 112, 112, generator=generator)
    bare = model.classifier(model.backbone(images), torch.arange(8) * 3).loss
    bare.backward()
    assert torch.equal(losses.total, bare)
    assert model.classifier.weight.grad is not None
    assert torch.equal(grad, model.classifier.weight.grad)


def test_class_angles_are_the_same_with_and_without_mma() -> None:
    with_mma, without = recognizer(MMA(), 0.03), recognizer(NoRegularizer(), 0.0)
    step(with_mma)
    step(without)
    ours, searched = with_mma.class_angles(), without.class_angles()
    assert torch.equal(ours.angle, searched.angle)
    assert not ours.angle.requires_grad
    assert ours is with_mma.regularizer.class_angles()  # already found, not searched again
    assert without.regularizer.class_angles() is None


def test_state_names() -> None:
    model = recognizer(MMA(), 0.03)
    step(model)
    names = list(model.state_dict())
    assert names == [
        "backbone.2.weight", "backbone.2.bias", "classifier.weight",
        "regularizer.terms.0.layers.classifier._extra_state",
    ]  # fmt: skip
    assert list(recognizer(NoRegularizer(), 0.0).state_dict()) == names[:3]


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="at least 2 classes, not 1"):
        Classifier(16, 1, ArcFace())
    with pytest.raises(ValueError, match="embedding_dim"):
        Classifier(0, 10, ArcFace())
    for weight in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="must be finite and at least 0"):
            recognizer(MMA(), weight)
