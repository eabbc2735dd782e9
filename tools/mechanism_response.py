"""How far MMA turns class weights, from the whole curvature of the loss.

The formula of mechanism_theory.py leaves out that a class weight is held by other classes' images,
too, and that MMA's pull changes from step to step. Here the turn is the answer of the loss to the
pull: minus the inverse of its second derivatives, all rows together, times the pull.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from generated_classes import GeneratedClasses
from torch import Tensor

from arcface_plus.models.heads import Head
from arcface_plus.models.regularizers import MMA


class TooFewImages(Exception):
    """The loss does not hold the class weights."""


def pull_of_mma(weight: Tensor) -> Tensor:
    """Gradient of MMA (weight 1) by unit rows; it is across them."""
    units = F.normalize(weight.detach()).requires_grad_()
    (pull,) = torch.autograd.grad(MMA()(units), units)
    return across(pull, units.detach())


def across(vectors: Tensor, units: Tensor) -> Tensor:
    """The parts of the vectors (rows) that are at right angles to the unit rows."""
    return vectors - (vectors * units).sum(1, keepdim=True) * units


class Curvature:
    """Second derivatives of the head's mean loss by unit class weights, times a turn.

    The embeddings are the features of ``batches`` batches of ``size`` from ``step`` on. Of each
    class there must be several times as many as dimensions, or some turns seem to be free.
    """

    def __init__(
        self, head: Head, weight: Tensor, faces: GeneratedClasses, step: int, size: int,
        batches: int,
    ) -> None:  # fmt: skip
        self.head, self.units = head, F.normalize(weight.detach())
        self.batches = [faces.batch(step + number, size) for number in range(batches)]

    def __call__(self, turn: Tensor) -> Tensor:
        """(classes, dimensions), across the rows → the same."""
        found = torch.zeros_like(turn)
        for features, labels in self.batches:
            units = self.units.clone().requires_grad_()
            logits = self.head(features @ F.normalize(units).T, labels)
            loss = F.cross_entropy(logits, labels) / len(self.batches)
            (gradient,) = torch.autograd.grad(loss, units, create_graph=True)
            found += torch.autograd.grad((gradient * turn).sum(), units)[0]
        return across(found, self.units)


def response(curvature: Curvature, pull: Tensor, precision: float = 1e-3) -> Tensor:
    """The turn (radians, across the rows) at which the loss balances the pull.

    By conjugate gradients, until what is left of the pull is ``precision`` of it. Raises
    ``TooFewImages`` where the loss does not curve upwards.
    """
    turn, rest = torch.zeros_like(pull), -pull
    direction, squared = rest, rest.square().sum()
    enough = precision**2 * float(squared)
    while float(squared) > enough:
        changed = curvature(direction)
        curved = (direction * changed).sum()
        if float(curved) <= 0.0:
            raise TooFewImages("the loss of so few images does not hold the class weights")
        length = squared / curved
        turn, rest = turn + length * direction, rest - length * changed
        before, squared = squared, rest.square().sum()
        direction = rest + squared / before * direction
    return turn
