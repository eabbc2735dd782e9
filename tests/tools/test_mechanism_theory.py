"""The formulas of the mechanism, against autograd on small sizes in float64."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from arcface_plus.models.heads import ArcFace
from arcface_plus.models.regularizers import MMA

TOOLS = Path(__file__).resolve().parents[2] / "tools"
D = 64


@pytest.fixture
def theory(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("mechanism_theory")


def setting(classes: int, angle: float, images: int, length: float = 0.7):
    """Orthogonal class weights; images at ``angle`` from their own in directions that cancel."""
    drawn = torch.Generator().manual_seed(0)
    weight = torch.eye(D, dtype=torch.float64)[:classes] * length
    across = torch.randn(images // 2, D, generator=drawn, dtype=torch.float64)
    across[:, :classes] = 0  # so that other classes push no tilt
    across = F.normalize(torch.cat([across, -across]))
    labels = torch.arange(classes).repeat_interleave(images)
    embeddings = math.cos(angle) * weight[labels] / length + math.sin(angle) * across.repeat(
        classes, 1
    )
    return weight.requires_grad_(), embeddings, labels


def loss_of(weight, embeddings, labels):
    cosine = embeddings @ F.normalize(weight).T
    each = F.cross_entropy(ArcFace(64.0, 0.5)(cosine, labels), labels, reduction="none")
    return each.mean(), -torch.expm1(-each.detach())


@pytest.mark.parametrize("angle", [0.5, 1.0, 1.3])
def test_an_image_attracts_its_class_by_the_formula(theory, angle):
    weight, embeddings, labels = setting(8, angle, 2)
    one = slice(3, 4)  # one image of class 1 in a "batch" of one
    loss, doubt = loss_of(weight, embeddings[one], labels[one])
    (found,) = torch.autograd.grad(loss, [weight])
    expected = 64.0 * float(doubt) * math.sin(angle + 0.5) / 0.7
    assert float(found[1].norm()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("angle", [0.6, 0.9])
def test_the_stiffness_is_the_slope_of_the_gradient_by_the_tilt(theory, angle):
    classes, tilt = 4, 1e-4
    weight, embeddings, labels = setting(classes, angle, 4000)
    _, doubt = loss_of(weight, embeddings, labels)
    aside = torch.zeros(D, dtype=torch.float64)
    aside[-1] = 1.0
    with torch.no_grad():
        weight[0] = 0.7 * (math.cos(tilt) * weight[0] / 0.7 + math.sin(tilt) * aside)
    own = slice(0, 4000)  # the images of class 0: others would push it
    loss, _ = loss_of(weight, embeddings[own], labels[own])
    (found,) = torch.autograd.grad(loss / classes, [weight])
    back = float(found[0] @ aside)
    angles = torch.full_like(doubt, angle)
    stiffness = theory.stiffness(theory.Recipe(classes), doubt, angles, D - classes)
    assert back == pytest.approx(tilt * 64.0 / classes * float(stiffness.mean()) / 0.7, rel=0.03)


def test_mma_pulls_a_row_by_one_tangent_for_itself_and_one_for_each_that_is_near_it(theory):
    weight = torch.randn(50, 16, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(MMA()(weight), [weight])
    lengths = weight.detach().norm(dim=1)
    tangents = found.norm(dim=1) * lengths * 50
    cosine = F.normalize(weight.detach()) @ F.normalize(weight.detach()).T
    cosine.fill_diagonal_(-2.0)
    nearest = cosine.argmax(dim=1)
    unwanted = torch.bincount(nearest, minlength=50) == 0
    assert unwanted.any()
    torch.testing.assert_close(tangents[unwanted], torch.ones(int(unwanted.sum())).double())
    pair = torch.eye(6, dtype=torch.float64)[:2] + 0.1
    pair.requires_grad_()
    (found,) = torch.autograd.grad(MMA()(pair), [pair])
    torch.testing.assert_close(
        found.norm(dim=1) * pair.detach().norm(dim=1) * 2, torch.full((2,), 2.0).double()
    )


def test_the_ratio_of_one_step_against_the_whole_gradient(theory):
    # One image of each of 16 classes of 32: the other classes' push is small beside the attraction.
    angle, batch = 0.9, 16
    weight, embeddings, labels = setting(D // 2, angle, D // 2)
    chosen = torch.arange(batch) * (D // 2 + 1)  # each in another direction from its class
    loss, doubt = loss_of(weight, embeddings[chosen], labels[chosen])
    (data,) = torch.autograd.grad(loss, [weight])
    (own,) = torch.autograd.grad(MMA()(weight), [weight])
    force = doubt * math.sin(angle + 0.5)
    tangents = float((own.norm(dim=1) * 0.7).square().mean().sqrt() * len(weight))
    state = theory.State(float(force.mean()), 0.0, float(force.square().mean()), tangents)
    recipe = theory.Recipe(classes=len(weight), batch=batch)
    found = theory.one_step_ratio(recipe, state, 0.03)
    assert found == pytest.approx(0.03 * float(own.norm() / data.norm()), rel=0.05)


def test_neither_classes_nor_batch_change_tilt_and_share(theory):
    state = theory.State(0.5, 0.4, 0.3, 1.7)
    few, many = theory.Recipe(324, batch=64), theory.Recipe(10_575, batch=440)
    for of in (theory.tilt, theory.share_of_attraction):
        assert of(few, state, 0.3) == of(many, state, 0.3)
        assert of(few, state, 3.0) == pytest.approx(10.0 * of(few, state, 0.3))
    ratio = theory.one_step_ratio(few, state, 1.0) / theory.one_step_ratio(many, state, 1.0)
    assert ratio == pytest.approx(math.sqrt(64 / 324 * 10_575 / 440))
    assert theory.tilt(few, state, 0.3) == pytest.approx(0.3 * 1.7 / (64 * 0.4))


def test_weights_settle_at_the_length_of_the_formula(theory):
    # Random gradients across w, one step in eight, as classes get images of their own.
    recipe = theory.Recipe(classes=8, batch=1, momentum=0.9, weight_decay=0.02)
    state = theory.State(0.5, 0.5, 0.25, 1.5)
    drawn = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(F.normalize(torch.randn(200, D, generator=drawn).double()))
    sgd = torch.optim.SGD([weight], lr=0.01, momentum=0.9, weight_decay=0.02)
    for _ in range(2_000):
        noise = torch.randn(200, D, generator=drawn).double()
        unit = F.normalize(weight.detach())
        across = F.normalize(noise - (noise * unit).sum(1, keepdim=True) * unit)
        hit = torch.rand(200, 1, generator=drawn) < 1 / 8
        weight.grad = across * hit * 64.0 * 0.5 / weight.detach().norm(dim=1, keepdim=True)
        sgd.step()
    settled = theory.settled_norm(recipe, state, 0.01)
    assert float(weight.detach().norm(dim=1).mean()) == pytest.approx(settled, rel=0.05)


def test_a_free_row_turns_as_far_as_the_formula(theory):
    # Two rows without data: each is the other's nearest, so c is 2.
    weight = torch.nn.Parameter(torch.tensor([[3.0, 0.1, 0.0], [3.0, -0.1, 0.0]]).double())
    sgd = torch.optim.SGD([weight], lr=0.01, momentum=0.9)
    begin, lr_norm = F.normalize(weight.detach()), []
    for _ in range(400):
        sgd.zero_grad()
        (0.3 * MMA()(weight)).backward()
        lr_norm.append(0.01 / float(weight.detach()[0].norm()) ** 2)
        sgd.step()
    turned = float((begin * F.normalize(weight.detach())).sum(1).arccos()[0])
    expected = theory.free_turn(theory.Recipe(classes=2), 0.3, 2.0, lr_norm)
    assert turned == pytest.approx(expected, rel=0.04)


def test_a_tilt_fades_in_the_time_of_the_formula(theory):
    recipe, state = theory.Recipe(classes=10, momentum=0.5), theory.State(1.0, 0.8, 1.0, 2.0)
    steps = theory.relaxation_steps(recipe, state, lr=0.01, norm=0.7)
    # dφ/dstep = −η · (s/n) · stiffness / |w|² · φ
    slope = 0.01 / 0.5 * 64.0 / 10 * 0.8 / 0.7**2
    assert steps * slope == pytest.approx(1.0)
