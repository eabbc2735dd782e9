"""The network that is trained: backbone, classifier and weighted regularizer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from arcface_plus.models.classifier import Classifier
from arcface_plus.models.regularizers import NearestAngles, Regularizer, Watch


class Losses(NamedTuple):
    """Scalars on the device of the batch; ``total`` carries the gradient."""

    total: Tensor
    """margin + regularizer_weight · regularizer."""
    margin: Tensor
    """The head's loss: the cross entropy over its logits, with its own terms if it has any."""
    regularizer: Tensor
    """The regularizer, not multiplied by its weight; 0 where that weight is 0; detached."""
    accuracy: Tensor
    """Share of the batch nearest to its own class, without margin; detached."""


class Recognizer(nn.Module):
    """``forward``: images (n, 3, 112, 112) and labels (n,) int64 → ``Losses``.

    With ``regularizer_weight`` 0 or ``NoRegularizer``, ``total`` is ``margin`` itself, so that
    losses and gradients are bit-identical to a run without regularizer. ``state_dict`` names:
    ``backbone.*``, ``classifier.weight`` and the regularizer's own state.

    A batch may be split into parts, whose ``losses`` and gradients add up to those of the batch:
    ``share`` is the part's share of the images, by which its loss and accuracy are multiplied;
    ``closing`` marks the last part, which adds the regularizer. The weights must not change between
    parts. With several processes, losses are those of all of them, and the gradients of weights
    that all hold are right once averaged over them.
    """

    def __init__(
        self,
        backbone: nn.Module,
        classifier: Classifier,
        regularizer: Regularizer,
        regularizer_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if not (regularizer_weight >= 0.0 and math.isfinite(regularizer_weight)):
            raise ValueError(
                f"the regularizer's weight must be finite and at least 0, not {regularizer_weight}"
            )
        self.backbone = backbone
        self.classifier = classifier
        self.regularizer = regularizer
        self.regularizer_weight = float(regularizer_weight)
        self._watch = Watch()

    @property
    def _regularized(self) -> bool:
        return self.regularizer_weight > 0.0 and self.regularizer.acts

    def forward(self, images: Tensor, labels: Tensor) -> Losses:
        return self.losses(self.backbone(images), labels)

    def losses(
        self,
        embeddings: Tensor,
        labels: Tensor,
        share: float = 1.0,
        closing: bool = True,
        step: int = 0,
        sizes: Sequence[int] | None = None,
    ) -> Losses:
        """What follows the backbone; ``step``, ``closing`` and ``sizes``: see ``Classifier``."""
        margin, accuracy = self.classifier(embeddings, labels, step, closing, sizes)
        if share != 1.0:
            margin, accuracy = margin * share, accuracy * share
        if not (self._regularized and closing):
            return Losses(margin, margin.detach(), margin.new_zeros(()), accuracy)
        regularizer = self.regularizer(self.classifier.rows(), self.classifier.shards)
        total = margin + self.regularizer_weight * regularizer
        return Losses(total, margin.detach(), regularizer.detach(), accuracy)

    def class_angles(self) -> NearestAngles:
        """Angles (radians) between each class weight and its nearest.

        Between ``forward`` and the optimizer's step this is free with a regularizer that has
        already found them (its ``last``); otherwise they are computed now. Call it there, so that
        runs with and without regularizer report the same quantity. Of all classes, on every
        process, in a collective call.
        """
        if self._regularized and self.regularizer.last is not None:
            last = self.regularizer.last
            return last.gathered(self.classifier.shards) if self.classifier.sharded else last
        return self._watch.angles(self.classifier.rows(), self.classifier.shards)

    def regularizer_report(self) -> dict[str, float]:
        """The regularizer's own metrics, if it is in use and has any."""
        return self.regularizer.report() if self._regularized else {}
