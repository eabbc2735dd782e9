"""The ordinary classifier: a linear layer and softmax cross entropy."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcface_plus.models.classifier import Classified
from arcface_plus.models.precision import at_least_float32, without_autocast


class SoftmaxClassifier(nn.Module):
    """Logits are features times class weights plus bias; neither is normalized.

    ``weight``: (classes, embedding_dim), drawn from N(0, 2 / embedding_dim) as He et al. (2015) and
    the MHE paper do; ``bias``: (classes,), zeros, absent without ``bias``. ``label_smoothing``: the
    share of the target spread evenly over all classes. Everything runs in at least float32 without
    autocast.
    """

    def __init__(
        self, embedding_dim: int, classes: int, bias: bool = True, label_smoothing: float = 0.0
    ) -> None:
        super().__init__()
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim must be at least 1, not {embedding_dim}")
        if classes < 2:
            raise ValueError(f"a classifier needs at least 2 classes, not {classes}")
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(
                f"label_smoothing must be at least 0 and below 1, not {label_smoothing}"
            )
        self.weight = nn.Parameter(torch.empty(classes, embedding_dim))
        self.bias = nn.Parameter(torch.zeros(classes)) if bias else None
        self.label_smoothing = label_smoothing
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def logits(self, embeddings: Tensor) -> Tensor:
        """Features (n, embedding_dim) → (n, classes), at least float32."""
        with without_autocast(embeddings):
            bias = None if self.bias is None else at_least_float32(self.bias)
            return F.linear(at_least_float32(embeddings), at_least_float32(self.weight), bias)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Classified:
        """Features (n, embedding_dim) and labels (n,) int64 → loss, and top-1 accuracy."""
        logits = self.logits(embeddings)
        with without_autocast(logits):
            loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        with torch.no_grad():
            accuracy = (logits.argmax(dim=1) == labels).float().mean()
        return Classified(loss, accuracy)

    def extra_repr(self) -> str:
        classes, embedding_dim = self.weight.shape
        return f"embedding_dim={embedding_dim}, classes={classes}, bias={self.bias is not None}"
