"""Measures the pulls of ArcFace's loss and of MMA at the class weights, at fixed weights."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from generated_classes import Training, gradient
from mechanism_theory import Recipe, State, stiffness
from torch import Tensor

from arcface_plus.models.nearest.neighbours import nearest_angles
from arcface_plus.models.recognizer import Recognizer
from arcface_plus.models.regularizers import MMA


class Samples(NamedTuple):
    """Of a batch, one number a sample."""

    loss: Tensor
    doubt: Tensor
    """1 − p of the labelled class, from the loss: exact for p near 1."""
    angle: Tensor
    """Between the embedding and its class weight, radians."""


@torch.no_grad()
def samples(model: Recognizer, features: Tensor, labels: Tensor) -> Samples:
    """What the head makes of the features; batch norm uses the batch, as in training."""
    embeddings = F.normalize(model.backbone(features))
    cosine = embeddings @ F.normalize(model.classifier.weight).T
    loss = F.cross_entropy(model.classifier.head(cosine, labels), labels, reduction="none")
    own = cosine.gather(1, labels.unsqueeze(1)).squeeze(1)
    return Samples(loss, -torch.expm1(-loss), own.clamp(-1.0, 1.0).arccos())


class Measured(NamedTuple):
    """At one point of a training; ratios are those of MMA with weight 1."""

    loss: float
    doubt: float
    angle: float
    """Of embeddings to their class weights, degrees."""
    norm: float
    """Root mean square of |w|."""
    mean_min_angle: float
    """Between class weights, degrees."""
    state: State
    one_step_ratio: float
    """Median over batches."""
    averaged_ratio: float
    """Of the gradients averaged over all batches."""


def measure(training: Training, batches: int) -> Measured:
    """Over the next ``batches``, without an update."""
    model, weight = training.model, training.model.classifier.weight
    (pull,) = torch.autograd.grad(MMA()(weight), [weight])
    total, norms, seen = torch.zeros_like(weight), [], []
    own, model.regularizer.terms[0].acts = model.regularizer.terms[0].acts, False
    for number in range(batches):
        features, labels = training.faces.batch(training.step + number, training.batch)
        seen.append(samples(model, features, labels))
        gradient(model, features, labels, measure=False)
        total += weight.grad
        norms.append(float(weight.grad.norm()))
    model.regularizer.terms[0].acts = own
    model.zero_grad(set_to_none=True)
    loss, doubt, angle = (torch.cat(values).double() for values in zip(*seen, strict=True))
    lengths = weight.detach().norm(dim=1)
    recipe = Recipe(len(weight), training.batch)
    force = doubt * (angle + recipe.margin).sin()
    tangents = float((pull.norm(dim=1) * lengths).square().mean().sqrt() * len(weight))
    norms.sort()
    return Measured(
        float(loss.mean()),
        float(doubt.mean()),
        math.degrees(float(angle.mean())),
        float(lengths.square().mean().sqrt()),
        math.degrees(float(nearest_angles(weight.detach()).angle.mean())),
        State(
            float(force.mean()),
            float(stiffness(recipe, doubt, angle, weight.shape[1]).mean()),
            float(force.square().mean()),
            tangents,
        ),
        float(pull.norm()) / norms[len(norms) // 2],
        float(pull.norm() / (total / batches).norm()),
    )
