"""The loss in one buffer against autograd, in value, gradient, accuracy and memory."""

from __future__ import annotations

import math
import re
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models import margin_cross_entropy as module
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace, MarginHead, NormalizedSoftmax
from arcface_plus.models.margin_cross_entropy import margin_cross_entropy

HEADS = [
    ArcFace(16.0, 0.5),
    ArcFace(64.0, 0.5, "straight_through"),
    ArcFace(64.0, 1.5),
    NormalizedSoftmax(30.0),
]


def batch(n: int = 9, classes: int = 31, d: int = 6, dtype: torch.dtype = torch.float64):
    torch.manual_seed(0)
    rows, weight = F.normalize(torch.randn(n, d, dtype=dtype)), torch.randn(classes, d, dtype=dtype)
    return rows.requires_grad_(), F.normalize(weight).requires_grad_(), torch.randperm(classes)[:n]


def plain(rows: Tensor, weight: Tensor, labels: Tensor, head: nn.Module) -> tuple[Tensor, Tensor]:
    cosine = rows @ weight.T
    loss = F.cross_entropy(head(cosine, labels), labels)
    return loss, (cosine.argmax(dim=1) == labels).to(loss.dtype).mean()


@pytest.mark.parametrize("head", HEADS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_equals_autograd(head: MarginHead, dtype: torch.dtype, tolerance: float) -> None:
    rows, weight, labels = batch(n=25, dtype=dtype)
    ours, accuracy = margin_cross_entropy(rows, weight, labels, head)
    expected, share = plain(rows, weight, labels, head)
    torch.testing.assert_close(ours, expected, rtol=tolerance, atol=0)
    assert accuracy == share
    assert not accuracy.requires_grad
    ours_by = torch.autograd.grad(3.0 * ours, (rows, weight))
    expected_by = torch.autograd.grad(3.0 * expected, (rows, weight))
    for one, other in zip(ours_by, expected_by, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * other.abs().max())


@pytest.mark.parametrize("head", [ArcFace(4.0, 0.5), NormalizedSoftmax(4.0)], ids=str)
def test_gradcheck(head: MarginHead) -> None:
    rows, weight, labels = batch(n=5, classes=7)
    inputs = (rows, weight)
    assert torch.autograd.gradcheck(
        lambda e, w: margin_cross_entropy(e, w, labels, head)[0], inputs
    )


def test_any_chunking_has_the_same_bits(monkeypatch) -> None:
    rows, weight, labels = batch(n=10, dtype=torch.float32)
    whole = margin_cross_entropy(rows, weight, labels, ArcFace())[0]
    by_whole = torch.autograd.grad(whole, weight)[0]
    monkeypatch.setattr(module, "_CPU_CHUNK", 3 * 31)
    parts = margin_cross_entropy(rows, weight, labels, ArcFace())[0]
    assert torch.equal(whole, parts)
    assert torch.equal(by_whole, torch.autograd.grad(parts, weight)[0])


def test_small_losses_are_precise() -> None:
    """A sample at its class's centre: the probability rounds to 1, the loss is not 0."""
    weight = torch.eye(4)
    rows = weight[:2].clone().requires_grad_()
    labels = torch.tensor([0, 1])
    loss, accuracy = margin_cross_entropy(rows, weight, labels, NormalizedSoftmax(30.0))
    exact = math.log1p(3 * math.exp(-30.0))  # 2.8e-13; 1 + that is 1 in float32
    assert loss.item() == pytest.approx(exact, rel=1e-6, abs=0)
    assert accuracy == 1.0
    (by_rows,) = torch.autograd.grad(loss, rows)
    assert by_rows[0, 0] < 0


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_extreme_logits(scale: float) -> None:
    rows, weight, labels = batch(n=20, dtype=torch.float32)
    loss, _ = margin_cross_entropy(rows, weight, labels, ArcFace(scale, 0.5))
    expected, _ = plain(rows.double(), weight.double(), labels, ArcFace(scale, 0.5))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, (rows, weight)))


def test_nan_stays_nan() -> None:
    rows, weight, labels = batch()
    with torch.no_grad():
        rows[3, 2] = torch.nan
    loss, _ = margin_cross_entropy(rows, weight, labels, ArcFace())
    assert loss.isnan()


def test_one_sample_two_classes_no_gradient_wanted_and_a_second_backward() -> None:
    rows, weight, labels = batch(n=1, classes=2, dtype=torch.float32)
    loss, _ = margin_cross_entropy(rows.detach(), weight, labels, ArcFace())
    (first,) = torch.autograd.grad(loss, weight, retain_graph=True)
    (second,) = torch.autograd.grad(loss, weight)
    assert torch.equal(first, second)
    both, _ = margin_cross_entropy(rows, weight, labels, ArcFace())
    torch.testing.assert_close(torch.autograd.grad(both, weight)[0], first)
    with torch.no_grad():
        assert torch.equal(margin_cross_entropy(rows, weight, labels, ArcFace())[0], loss)
    with torch.inference_mode():
        model = Classifier(6, 2, ArcFace())
        assert model(rows, labels).loss.isfinite()


def test_autocast_does_not_reach_it() -> None:
    rows, weight, labels = batch(dtype=torch.float32)
    loss, _ = margin_cross_entropy(rows, weight, labels, ArcFace())
    (by_weight,) = torch.autograd.grad(loss, weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under, _ = margin_cross_entropy(rows, weight, labels, ArcFace())
        (by_weight_under,) = torch.autograd.grad(under, weight)
    assert torch.equal(loss, under)
    assert torch.equal(by_weight, by_weight_under)


def test_wrong_labels_are_named() -> None:
    rows, weight, _ = batch(n=2)
    with pytest.raises(ValueError, match="label 31 is outside 0 to 30"):
        margin_cross_entropy(rows, weight, torch.tensor([0, 31]), ArcFace())


PEAK = """
import sys, torch
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace

class Plain(ArcFace):
    def pool(self, others):
        return super().pool(others)

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024

torch.set_num_threads(1)
head = {"plain": Plain, "fused": ArcFace}[sys.argv[1]]()
small = Classifier(8, 50, head)
small(torch.randn(4, 8), torch.arange(4)).loss.backward()  # libraries load now
model, labels = Classifier(8, 100_000, head), torch.arange(256)
rows = torch.randn(256, 8, requires_grad=True)
before = peak()
model(rows, labels).loss.backward()
print((peak() - before) / (4 * 256 * 100_000))
"""


def copies(way: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, way], capture_output=True, text=True, check=True, timeout=120
    )
    return float(re.findall(r"[\d.]+", done.stdout)[-1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_one_buffer_where_autograd_holds_four() -> None:
    """Peak memory of a forward and a backward pass, in units of n · classes · 4 bytes."""
    assert copies("fused") < 1.2
    assert copies("plain") > 3.0
