"""The reference step's margin is constant in the backward pass, as in arcface_torch."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from arcface_plus.bench.reference_step import arccos_margin
from arcface_plus.models.heads import ArcFace


def test_the_arccos_margin_is_arcface_with_a_constant_margin():
    generator = torch.Generator().manual_seed(0)
    cosine = F.normalize(torch.randn(9, 5, generator=generator)).requires_grad_()
    labels = torch.arange(9) % 5
    theirs = arccos_margin(cosine, labels)
    head = ArcFace(margin_gradient="straight_through")
    angle = cosine.gather(1, labels[:, None]).arccos()
    inside = (angle + 0.5 <= torch.pi).expand_as(cosine)
    torch.testing.assert_close(theirs[inside], head(cosine, labels)[inside], rtol=1e-4, atol=1e-3)
    (gradient,) = torch.autograd.grad(theirs.sum(), cosine)
    torch.testing.assert_close(gradient, torch.full_like(gradient, 64.0))
