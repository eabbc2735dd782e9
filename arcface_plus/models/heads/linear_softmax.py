"""Softmax over a linear layer: no normalization, no margin."""

from __future__ import annotations

from torch import Tensor

from arcface_plus.models.heads.head import Classes, Head, Samples


class LinearSoftmax(Head):
    """logits = w · x + b, with a learned bias per class: the softmax of ordinary classification."""

    uses_norms = uses_class_norms = uses_bias = True

    def labelled(self, samples: Samples) -> Tensor:
        return samples.norm * samples.own.norm * samples.cosine + samples.own.bias

    def others(self, cosine: Tensor, samples: Samples, classes: Classes) -> Tensor:
        return cosine * samples.norm.unsqueeze(1) * classes.norm + classes.bias
