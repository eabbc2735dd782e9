import math

import pytest
import torch
from torch import Tensor

from arcface_plus.models.heads import ArcFace, NormalizedSoftmax

PI = math.pi


def naive_arcface(cosine: Tensor, labels: Tensor, scale: float, margin: float) -> Tensor:
    """Element by element, by way of the angle, in float64."""
    rows = []
    for row, label in zip(cosine.double(), labels.tolist(), strict=True):
        logits = []
        for number, value in enumerate(row):
            theta = torch.arccos(value)
            if number != label:
                logits.append(scale * value)
            elif theta + margin <= PI:
                logits.append(scale * torch.cos(theta + margin))
            else:
                logits.append(scale * (value - margin * math.sin(margin)))
        rows.append(torch.stack(logits))
    return torch.stack(rows)


def batch(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    cosine = (torch.rand(120, 7, dtype=torch.float64) * 1.98 - 0.99).to(dtype)
    return cosine, torch.arange(120) % 7


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 3e-5)])
def test_value_and_gradient_equal_the_naive_ones(
    dtype: torch.dtype, tolerance: float, margin: float
) -> None:
    cosine, labels = batch(dtype)
    cosine.requires_grad_()
    weights = torch.randn(120, 7, dtype=torch.float64)
    logits = ArcFace(scale=30.0, margin=margin)(cosine, labels)
    assert logits.dtype == dtype
    expected = naive_arcface(cosine, labels, 30.0, margin)
    torch.testing.assert_close(logits.double(), expected, rtol=tolerance, atol=30 * tolerance)
    (ours,) = torch.autograd.grad((logits * weights).sum(), cosine)
    (naive,) = torch.autograd.grad((expected * weights).sum(), cosine)
    torch.testing.assert_close(ours, naive, rtol=30 * tolerance, atol=30 * tolerance)


def test_both_branches_were_tested() -> None:
    cosine, labels = batch()
    target = cosine.gather(1, labels[:, None]).arccos()
    assert bool((target + 0.5 > PI).any())
    assert bool((target + 0.5 < PI).any())


def test_gradcheck() -> None:
    cosine, labels = batch()
    assert torch.autograd.gradcheck(ArcFace(2.0, 0.5), (cosine.requires_grad_(), labels))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("beyond", [0.0, 1e-6])
@pytest.mark.parametrize("margin_gradient", ["exact", "straight_through"])
def test_at_the_ends_value_and_gradient_are_finite(
    dtype: torch.dtype, beyond: float, margin_gradient: str
) -> None:
    """Where rounding takes a cosine to ±1 or beyond."""
    cosine = torch.tensor([[1.0 + beyond, 0.0], [-1.0 - beyond, 0.0]], dtype=dtype)
    cosine.requires_grad_()
    head = ArcFace(64.0, 0.5, margin_gradient)  # type: ignore[arg-type]
    logits = head(cosine, torch.tensor([0, 0]))
    expected = torch.tensor([math.cos(0.5), -1.0 - 0.5 * math.sin(0.5)], dtype=dtype)
    torch.testing.assert_close(logits[:, 0] / 64, expected, rtol=0, atol=2e-6)
    (grad,) = torch.autograd.grad(logits.sum(), cosine)
    slopes = [1.0, 1.0] if margin_gradient == "straight_through" else [math.cos(0.5), 1.0]
    torch.testing.assert_close(grad[:, 0] / 64, torch.tensor(slopes, dtype=dtype))


def test_straight_through_has_the_same_bits_forward_and_the_scale_backward() -> None:
    cosine, labels = batch(torch.float32)
    cosine.requires_grad_()
    logits = ArcFace(64.0, 0.5, "straight_through")(cosine, labels)
    assert torch.equal(logits, ArcFace(64.0, 0.5)(cosine, labels))
    (grad,) = torch.autograd.grad(logits.sum(), cosine)
    assert torch.equal(grad, torch.full_like(grad, 64.0))


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0, 1.5])
def test_the_labelled_logit_falls_as_the_angle_grows(margin: float) -> None:
    theta = torch.linspace(0, PI, 5001, dtype=torch.float64)
    logits = ArcFace(1.0, margin)(theta.cos()[:, None], torch.zeros(5001, dtype=torch.int64))
    assert bool((logits.diff(dim=0) < 0).all())


def test_the_input_is_left_alone() -> None:
    cosine, labels = batch(torch.float32)
    before = cosine.clone()
    for head in (ArcFace(), NormalizedSoftmax()):
        head(cosine, labels)
    assert torch.equal(cosine, before)


def test_softmax_scales_and_adds_no_margin() -> None:
    cosine, labels = batch()
    assert torch.equal(NormalizedSoftmax(16.0)(cosine, labels), cosine * 16.0)
    torch.testing.assert_close(ArcFace(16.0, 0.0)(cosine, labels), cosine * 16.0)


@pytest.mark.parametrize("head", [ArcFace(), NormalizedSoftmax()])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_float32_logits(head: torch.nn.Module, dtype: torch.dtype) -> None:
    cosine, labels = batch(dtype)
    plain = head(cosine, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = head(cosine, labels)
    assert plain.dtype == under_autocast.dtype == torch.float32
    assert torch.equal(plain, under_autocast)
    assert torch.equal(plain, head(cosine.float(), labels))


@pytest.mark.parametrize("head", [ArcFace(), NormalizedSoftmax()])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], "label 3 is outside 0 to 2: there are 3 classes"),
        ([-1, 0], "label -1 is outside 0 to 2"),
        ([0], r"labels must be int64 \(2,\)"),
        ([0.0, 1.0], "labels must be int64"),
    ],
)
def test_wrong_labels(head: torch.nn.Module, labels: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        head(torch.zeros(2, 3), torch.tensor(labels))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ArcFace(scale=0.0), "scale must be positive"),
        (lambda: ArcFace(scale=math.nan), "scale must be positive"),
        (lambda: ArcFace(margin=-0.1), "margin must be at least 0"),
        (lambda: ArcFace(margin=4.0), "margin must be at least 0 and below pi"),
        (lambda: ArcFace(margin_gradient="none"), "margin_gradient must be"),
        (lambda: NormalizedSoftmax(scale=-1.0), "scale must be positive"),
    ],
)
def test_wrong_parameters(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()  # type: ignore[operator]
