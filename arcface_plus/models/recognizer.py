"""The network that is trained: backbone, classifier and weighted regularizers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from arcface_plus.models.auxiliary import AuxiliaryTerm
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.regularization import Regularization, TermPlan
from arcface_plus.models.regularizers import Moment, NearestAngles, Regularizer, Watch


class Losses(NamedTuple):
    """Scalars on the device of the batch; ``total`` carries the gradient."""

    total: Tensor
    """margin + the regularizers and the auxiliary loss, each multiplied by its weight."""
    margin: Tensor
    """The head's loss: the cross entropy over its logits, with its own terms if it has any."""
    regularizer: Tensor
    """The regularizer, not multiplied by its weight; 0 where that weight is 0; detached. Of several
    regularizers: their sum, each multiplied by its weight."""
    accuracy: Tensor
    """Share of the batch nearest to its own class, without margin; detached."""
    auxiliary: Tensor
    """The auxiliary loss, not multiplied by its weight; 0 without one; detached."""


class Recognizer(nn.Module):
    """``forward``: images (n, 3, 112, 112) and labels (n,) int64 → ``Losses``.

    ``regularizer``: of the class weights, with its weight; or a ``Regularization``, which holds
    weights and layers itself. With weight 0 or ``NoRegularizer``, ``total`` is ``margin`` itself,
    so that losses and gradients are bit-identical to a run without regularizer. ``state_dict``
    names: ``backbone.*``, ``classifier.*``, and the regularizers' and the auxiliary
    loss's own state.

    A batch may be split into parts, whose ``losses`` and gradients add up to those of the batch:
    ``share`` is the part's share of the images, by which its loss and accuracy are multiplied;
    ``closing`` marks the last part, which adds the regularizer. The weights must not change between
    parts. ``step`` is the number of the update, from 0, for heads that depend on it; ``moment`` is
    for regularizers that need it, with the labels of the whole batch. With several processes,
    losses are those of all of them, and the backbone's gradients are right once averaged.
    """

    def __init__(
        self,
        backbone: nn.Module,
        classifier: Classifier,
        regularizer: Regularizer | Regularization,
        regularizer_weight: float = 0.0,
        auxiliary: AuxiliaryTerm | None = None,
    ) -> None:
        super().__init__()
        if isinstance(regularizer, Regularizer):
            name, built = type(regularizer).__name__.lower(), regularizer
            plan = TermPlan(name, regularizer_weight, lambda: built)
            regularizer = Regularization([plan], backbone, classifier)
        self.backbone = backbone
        self.classifier = classifier
        self.regularizer: Regularization = regularizer
        self.auxiliary = auxiliary if auxiliary is not None and auxiliary.acts else None
        self._watch = Watch()

    def forward(
        self,
        images: Tensor,
        labels: Tensor,
        step: int = 0,
        moment: Moment | None = None,
    ) -> Losses:
        return self.losses(self.backbone(images), labels, step=step, moment=moment)

    def losses(
        self,
        embeddings: Tensor,
        labels: Tensor,
        share: float = 1.0,
        closing: bool = True,
        step: int = 0,
        moment: Moment | None = None,
        sizes: Sequence[int] | None = None,
    ) -> Losses:
        """What follows the backbone; ``step``, ``closing`` and ``sizes``: see ``Classifier``."""
        margin, accuracy = self.classifier(embeddings, labels, step, closing, sizes)
        if share != 1.0:
            margin, accuracy = margin * share, accuracy * share
        terms = self.regularizer.acting
        nothing = margin.new_zeros(())
        if not (terms and closing):
            losses = Losses(margin, margin.detach(), nothing, accuracy, nothing)
            return self._with_auxiliary(losses, embeddings, labels, share, closing, sizes)
        values = self.regularizer(moment)
        total, weighted = margin, nothing
        for term, value in zip(terms, values, strict=True):
            total = total + term.weight * value
            weighted = weighted + term.weight * value.detach()
        regularizer = values[0].detach() if len(values) == 1 else weighted
        losses = Losses(total, margin.detach(), regularizer, accuracy, nothing)
        return self._with_auxiliary(losses, embeddings, labels, share, closing, sizes)

    def _with_auxiliary(
        self,
        losses: Losses,
        embeddings: Tensor,
        labels: Tensor,
        share: float,
        closing: bool,
        sizes: Sequence[int] | None,
    ) -> Losses:
        if self.auxiliary is None:
            return losses
        value = share * self.auxiliary(embeddings, labels, closing, sizes)
        total = losses.total + self.auxiliary.weight * value
        return losses._replace(total=total, auxiliary=value.detach())

    def class_angles(self) -> NearestAngles:
        """Angles (radians) between each class weight and its nearest.

        Between ``forward`` and the optimizer's step this is free with a regularizer that has
        already found them (its ``last``); otherwise they are computed now. Call it there, so that
        runs with and without regularizer report the same quantity. Of all classes, on every
        process, in a collective call.
        """
        found, classifier = self.regularizer.class_angles(), self.classifier
        if found is None:
            return self._watch.angles(classifier.rows(), classifier.shards)
        return found.gathered(classifier.shards) if classifier.sharded else found
