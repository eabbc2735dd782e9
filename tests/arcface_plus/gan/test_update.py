"""The step of a GAN against its losses by hand; what the regularizer reaches, and how strongly."""

from __future__ import annotations

import copy

import pytest
import torch
from gan_runs import gan_config, real_batch
from naive_energy import naive_energy
from torch import nn

from arcface_plus.gan.latents import Stream, latents
from arcface_plus.gan.run import build_updater
from arcface_plus.models.regularizers import MHE

CPU = torch.device("cpu")
NONE = "regularizer={name: none}"


def updater(*settings: str, name: str = "cifar10_gan_mhe"):
    return build_updater(gan_config(None, *settings, name=name), CPU)


def test_the_losses_are_the_logistic_ones():
    made = updater(name="cifar10_gan")
    before = copy.deepcopy((made.generator, made.discriminator))
    real = real_batch()
    update = made.make(real, 3)
    generator, discriminator = before
    fake = generator(latents(Stream.GENERATOR, 0, 3, 4, 5))
    g_loss = -discriminator(fake).sigmoid().log().mean()
    torch.testing.assert_close(update.g_loss, g_loss, rtol=1e-5, atol=1e-6)
    fake = made.generator(latents(Stream.DISCRIMINATOR, 0, 3, 4, 5))  # after its update
    d_loss = -(discriminator(real).sigmoid().log() + (-discriminator(fake)).sigmoid().log()).mean()
    torch.testing.assert_close(update.d_loss, d_loss, rtol=1e-4, atol=1e-5)
    assert update.regularizer is None
    assert update.total == update.d_loss + update.g_loss


def test_each_network_moves_by_adam_and_keeps_no_gradient():
    made = updater("optimizer.lr=0.001")
    before = {n: p.clone() for n, p in made.discriminator.named_parameters()}
    begun = {n: p.clone() for n, p in made.generator.named_parameters()}
    made.make(real_batch(), 0)
    for network, former in ((made.discriminator, before), (made.generator, begun)):
        for name, parameter in network.named_parameters():
            assert parameter.grad is None
            assert parameter.requires_grad
            moved = (parameter - former[name]).abs().max().item()
            assert 0 < moved <= 1.001e-3, name  # Adam's first step


def test_the_regularizer_reaches_the_discriminator_only():
    with_term, without = updater(), updater(NONE)
    first, second = (u.make(real_batch(), 0) for u in (with_term, without))
    assert first.g_loss == second.g_loss
    ours, theirs = with_term.generator.state_dict(), without.generator.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    one, other = with_term.discriminator, without.discriminator
    assert not torch.equal(one.convolutions[2][0].weight, other.convolutions[2][0].weight)
    assert torch.equal(one.dense.weight, other.dense.weight)  # a single row: no pair


def test_a_weight_of_zero_changes_no_bit():
    off = "regularizer={name: mhe, weight: 0.0}"
    ours, theirs = updater(off), updater(NONE)
    for step in range(2):
        ours.make(real_batch(), step)
        theirs.make(real_batch(), step)
    for name, tensor in ours.discriminator.state_dict().items():
        assert torch.equal(tensor, theirs.discriminator.state_dict()[name])


@pytest.mark.parametrize("normalization", ["none", "spectral"])
def test_values_and_weights_of_the_terms(normalization):
    terms = "[{name: mhe, weight: 0.5, power: 0.0, half_space: true}, {name: mhe, weight: 2.0}]"
    made = updater(f"regularizer={terms}", f"model.normalization={normalization}")
    layers = [m for m in made.discriminator.modules() if isinstance(m, nn.Conv2d)]
    rows = [layer.weight.detach().flatten(1).double() for layer in layers]
    update = made.make(real_batch(), 0)
    half = sum(naive_energy(torch.cat([w, -w]), 0.0) for w in rows)
    full = sum(naive_energy(w, 2.0) for w in rows)
    assert float(update.values["mhe"]) == pytest.approx(float(half), rel=1e-5)
    assert float(update.values["mhe_2"]) == pytest.approx(float(full), rel=1e-5)
    assert float(update.regularizer) == pytest.approx(float(0.5 * half + 2 * full), rel=1e-5)


def test_spectral_norm_leaves_the_gradient_of_directions_as_it_is():
    """MHE of W / σ(W) has the gradient of MHE of W, by W."""
    made = updater("model.normalization=spectral")
    layer = made.discriminator.convolutions[3][0]
    raw = layer.parametrizations.weight.original
    energy = MHE(power=0.0, half_space=True)
    (through,) = torch.autograd.grad(energy(layer.weight.flatten(1)), raw)
    (direct,) = torch.autograd.grad(energy(raw.flatten(1)), raw)
    assert direct.norm() > 0.01
    torch.testing.assert_close(through, direct, rtol=1e-3, atol=1e-4 * float(direct.abs().max()))


def test_the_ratio_of_the_gradients():
    made = updater("regularizer.weight=0.25")
    alone = copy.deepcopy(made)
    update = made.make(real_batch(), 0, measure=True)
    assert made.make(real_batch(), 1).gradient_ratio is None
    # by hand: the same step up to the backward pass
    alone._improve_generator(4, 0, CPU)
    network, real = alone.discriminator, real_batch()
    with torch.no_grad():
        fake = alone.generator(latents(Stream.DISCRIMINATOR, 0, 0, 4, 5))
    loss = nn.functional.softplus(-network(real)).mean()
    loss = loss + nn.functional.softplus(network(fake)).mean()
    data = torch.autograd.grad(loss, list(network.parameters()))
    energy = sum(
        MHE(power=0.0, half_space=True)(unit[0].weight.flatten(1)) for unit in network.convolutions
    )
    pull = torch.autograd.grad(0.25 * energy, list(network.convolutions.parameters()),
                               allow_unused=True, materialize_grads=True)  # fmt: skip
    norms = [nn.utils.get_total_norm(list(g)) for g in (pull, data)]
    assert float(update.gradient_ratio) == pytest.approx(float(norms[0] / norms[1]), rel=1e-3)


def test_one_power_iteration_for_each_update(monkeypatch):
    made = updater("model.normalization=spectral")
    norm = made.discriminator.convolutions[0][0].parametrizations.weight[0]
    calls = []
    former = norm._power_method
    monkeypatch.setattr(norm, "_power_method", lambda *a: (calls.append(1), former(*a)))
    made.make(real_batch(), 0)
    assert len(calls) == 2
