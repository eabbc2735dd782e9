"""What every head is: it turns cosines into logits, and logits into a loss for each sample.

The labelled class and all others are separate methods, so that any part of the classes can be
computed alone: a process that holds some of the class weights needs only their cosines and what
``Samples`` says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models.heads.checks import check_cosine_and_labels
from arcface_plus.models.precision import at_least_float32, without_autocast

HIDDEN = -1e30
"""The logit of a class that must not count. Not −inf, of which a log-sum-exp has no gradient."""


class Classes(NamedTuple):
    """Of c classes, each (c,), at least float32."""

    norm: Tensor
    """Norm of the class weight; 1 unless the head ``uses_class_norms``."""
    bias: Tensor
    """0 unless the head ``uses_bias``."""

    def of(self, labels: Tensor) -> Classes:
        """Those of the labels (n,): each (n,)."""
        return Classes(self.norm[labels], self.bias[labels])


class Samples(NamedTuple):
    """Of the n samples of a batch or a part of it, each (n,), at least float32."""

    cosine: Tensor
    """Cosine between the embedding and the labelled class."""
    norm: Tensor
    """Norm of the embedding; 1 unless the head ``uses_norms``."""
    own: Classes
    """Norm and bias of the labelled class."""
    step: int = 0
    """Number of the update, from 0."""


class Head(nn.Module, ABC):
    """The loss of a sample is ``loss(labelled(…), pool(others(…)))``: by default a cross entropy.

    A subclass implements ``labelled`` and ``others``, and says by the class attributes what else
    it needs; ``MarginHead`` is simpler and takes less memory where it is enough. All inputs are
    at least float32, with autocast off; no method may wait for a GPU. The classifier calls the
    parts; ``forward`` is for use without one.
    """

    uses_norms: ClassVar[bool] = False
    """Whether it reads norms of embeddings."""
    uses_class_norms: ClassVar[bool] = False
    """Whether it reads norms of class weights."""
    uses_bias: ClassVar[bool] = False
    """Whether each class has a learned bias, which the classifier holds."""
    observes: ClassVar[bool] = False
    """Whether it keeps running statistics of the batches, in buffers, by ``observe``."""
    sub_centres: int = 1
    """Weight rows per class; a class's cosine is that of its nearest row."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "forward" in cls.__dict__:
            raise TypeError(
                f"{cls.__name__} overrides forward, which the loss does not call: "
                "override labelled and others, or with_margin of a MarginHead"
            )

    def prepare(self, classes: int) -> None:
        """Learn how many classes there are; called once, when the classifier is built."""

    @abstractmethod
    def labelled(self, samples: Samples) -> Tensor:
        """The logits (n,) of the labelled classes."""

    @abstractmethod
    def others(self, cosine: Tensor, samples: Samples, classes: Classes) -> Tensor:
        """The logits (n, c) of any c classes, as if none were labelled, from cosines (n, c).

        Column by column: a column must not depend on the others.
        """

    def scores(self, cosine: Tensor, norms: Tensor | None, classes: Classes) -> Tensor:
        """What a prediction ranks c classes by, (n, c), from cosines (n, c) and norms (n,).

        Cosines; but logits if a class has a norm or bias of its own.
        """
        if not (self.uses_class_norms or self.uses_bias):
            return cosine
        unlabelled = cosine.new_zeros(len(cosine))
        norms = torch.ones_like(unlabelled) if norms is None else norms
        own = no_facts(cosine, len(cosine))
        return self.others(cosine, Samples(unlabelled, norms, own), classes)

    def observe(self, samples: Samples, closing: bool) -> None:
        """Update running statistics; called in training, before the logits, without gradient.

        ``samples``: of all processes, in the same order everywhere. ``closing``: whether they are
        the last part of a batch that is computed in parts.
        """

    def penalty(self, samples: Samples) -> Tensor | None:
        """A term (n,) that is added to the losses of the samples, if there is one."""
        return None

    def pool(self, others: Tensor) -> Tensor:
        """What logits (n, c) of c classes, the labelled one ``HIDDEN``, contribute: (n,)."""
        return torch.logsumexp(others, dim=1)

    def merge(self, pools: Tensor) -> Tensor:
        """The contribution of all classes (n,) from those of p parts of them (n, p)."""
        return torch.logsumexp(pools, dim=1)

    def loss(self, labelled: Tensor, pooled: Tensor) -> Tensor:
        """The losses (n,), from the labelled logits and the contribution of all other classes."""
        return F.softplus(pooled - labelled, threshold=40.0)

    def forward(
        self,
        cosine: Tensor,
        labels: Tensor,
        norms: Tensor | None = None,
        classes: Classes | None = None,
        step: int = 0,
    ) -> Tensor:
        """Cosines (n, C) and labels (n,) int64 → logits (n, C), at least float32.

        ``norms`` (n,) of the embeddings and ``classes`` are required by the heads that use them:
        ValueError without. In training, with gradients enabled, it also observes the batch.
        """
        check_cosine_and_labels(cosine, labels)
        name = type(self).__name__
        if self.uses_norms and norms is None:
            raise ValueError(
                f"{name} needs the norms of the embeddings: head(cosine, labels, norms)"
            )
        if (self.uses_class_norms or self.uses_bias) and classes is None:
            raise ValueError(
                f"{name} needs norms and biases of the classes: "
                "head(cosine, labels, norms, Classes(norm, bias))"
            )
        with without_autocast(cosine):
            cosine, index = at_least_float32(cosine), labels.unsqueeze(1)
            facts = no_facts(cosine, cosine.shape[1])
            if classes is not None:
                facts = Classes(
                    at_least_float32(classes.norm) if self.uses_class_norms else facts.norm,
                    at_least_float32(classes.bias) if self.uses_bias else facts.bias,
                )
            own = cosine.gather(1, index).squeeze(1)
            given = norms if norms is not None and self.uses_norms else torch.ones_like(own)
            samples = Samples(own, at_least_float32(given), facts.of(labels), step)
            if self.observes and self.training and torch.is_grad_enabled():
                with torch.no_grad():
                    self.observe(samples, closing=True)
            logits = self.others(cosine, samples, facts)
            return logits.scatter(1, index, self.labelled(samples).unsqueeze(1))


def no_facts(like: Tensor, count: int) -> Classes:
    """``Classes`` for heads that use neither norms nor biases: ones and zeros."""
    return Classes(like.new_ones(()).expand(count), like.new_zeros(()).expand(count))
