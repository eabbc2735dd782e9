"""How strongly ArcFace's loss and MMA pull at the class weights, in formulas.

n classes, batch B, scale s, margin m. Sample i has the angle θ to the weight w of its own class and
the probability p of it; 1 − p is its doubt. A pull is the norm of a gradient on one row.

- Attraction of a row by its own images, averaged over batches: (s/n)(1 − p) sin(θ + m) / |w|.
- MMA on a row: (λ/n) c / |w|, where c² is the mean over rows of |sum of the unit tangents|². A row
  has its own tangent and one for each row whose nearest it is: c is 1.4 if these are unrelated and
  2 if all rows are mutual neighbours.
- In one step only about B rows have images of their own. So the norm of the loss's gradient over
  all rows is s (1 − p) sin(θ + m) / (|w| √B), that of MMA λ c / (|w| √n); the ratio has √(B/n).
- Averaged over steps both are proportional to 1/n, and n cancels.
- If w is tilted by a small angle φ from the mean direction of its images, the attraction pulls it
  back by φ (s/n) S / |w| with the stiffness S = (1 − p) sin(θ + m) cot θ, plus a term of order 1/d
  (see ``stiffness``). So MMA tilts it until that equals its own pull: φ = λ c / (s S). Neither n
  nor |w| nor the learning rate is in it. (The images are fixed here, and the other classes' push is
  left out.)
- Gradients lengthen w and weight decay ω shortens it. With η = lr / (1 − momentum), |w| settles at
  |w|⁴ = η G² / (2 ω), where G² is the mean square over steps of |w| times the gradient on a row
  (Wan et al., "Spherical Motion Dynamics", NeurIPS 2021, theorem 2, for small η ω).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Recipe:
    """What of a training recipe is in the formulas."""

    classes: int
    batch: int = 440
    scale: float = 64.0
    margin: float = 0.5
    momentum: float = 0.9
    weight_decay: float = 5e-4


@dataclass(frozen=True)
class State:
    """Of a training: means over samples and rows."""

    attraction: float
    """Mean over samples of (1 − p) sin(θ + m)."""
    stiffness: float
    """Mean over samples of S."""
    square: float
    """Mean over samples of ((1 − p) sin(θ + m))²."""
    tangents: float
    """c: see above."""


def stiffness(recipe: Recipe, doubt: Tensor, angle: Tensor, dimensions: int) -> Tensor:
    """S of each sample, from 1 − p and θ (radians).

    Its first term would be all if θ kept its value when w tilts. The second, of images all around w
    in ``dimensions``, is from those that come nearer and those that go away: the latter pull more.
    """
    force = doubt * (angle + recipe.margin).sin()
    more = recipe.scale * (1.0 - doubt) * force * (angle + recipe.margin).sin()
    less = doubt * math.sin(recipe.margin) / angle.sin()
    return force / angle.tan() + (more - less) / (dimensions - 1)


def one_step_ratio(recipe: Recipe, state: State, weight: float) -> float:
    """Norm of λ·MMA's gradient over that of the loss in one step, as runs log it.

    For B well below n (each image of another class), without the other classes' push.
    """
    pull = math.sqrt(recipe.batch / recipe.classes) * state.tangents
    return weight * pull / (recipe.scale * math.sqrt(state.square))


def share_of_attraction(recipe: Recipe, state: State, weight: float) -> float:
    """MMA's pull on a row over the averaged attraction by its images: no n, no B."""
    return weight * state.tangents / (recipe.scale * state.attraction)


def tilt(recipe: Recipe, state: State, weight: float) -> float:
    """By how many radians λ·MMA turns a class weight away from its (fixed) images."""
    return weight * state.tangents / (recipe.scale * state.stiffness)


def settled_norm(recipe: Recipe, state: State, lr: float) -> float:
    """|w| at which growth by gradients and weight decay cancel.

    G² = s² ((1 − p) sin(θ + m))² / (n B): a row has an image in B/n of the steps, and its gradient
    is then s (1 − p) sin(θ + m) / B.
    """
    square = recipe.scale**2 * state.square / (recipe.classes * recipe.batch)
    rate = lr / (1.0 - recipe.momentum)
    return float((rate * square / (2.0 * recipe.weight_decay)) ** 0.25)


def free_turn(recipe: Recipe, weight: float, tangents: float, lr_norm: Iterable[float]) -> float:
    """By how many radians λ·MMA alone would turn a row; no attraction holds it back.

    ``lr_norm``: of each step, the learning rate over |w|².
    """
    pull = weight * tangents / recipe.classes / (1.0 - recipe.momentum)
    return pull * math.fsum(lr_norm)


def relaxation_steps(recipe: Recipe, state: State, lr: float, norm: float) -> float:
    """Steps in which a tilted row comes back to 1/e of its tilt, by the attraction's stiffness."""
    rate = lr / (1.0 - recipe.momentum)
    return recipe.classes * norm**2 / (rate * recipe.scale * state.stiffness)
