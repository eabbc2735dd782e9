"""Centre loss: embeddings near the mean of their class."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from arcface_plus.models.auxiliary.auxiliary import Auxiliary


class CentreLoss(Auxiliary):
    """½ · mean |x − centre of its class|².

    Wen et al., "A Discriminative Feature Learning Approach", 2016, equation 2, as a mean over the
    batch, with weight 0.003 there. Centres start at 0 and follow equation 4 after every batch: a
    class with k images in the batch moves by rate · Σ(x − centre) / (1 + k). Every process holds
    all of them: (classes, d) float32.
    """

    centres: Tensor

    def __init__(
        self, rate: Annotated[float, "how far centres follow the embeddings, from 0 to 1"] = 0.5
    ) -> None:
        super().__init__()
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"rate must be from 0 to 1, not {rate}")
        self.rate = float(rate)
        self.register_buffer("centres", torch.empty(0, 0))

    def prepare(self, classes: int, embedding_dim: int) -> None:
        self.centres = torch.zeros(classes, embedding_dim)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        # The rows are copied, so that moving the centres does not disturb the backward pass.
        centres = self.centres[labels].to(embeddings.dtype)
        return 0.5 * (embeddings - centres).square().sum(dim=1).mean()

    @torch.no_grad()
    def observe(self, embeddings: Tensor, labels: Tensor) -> None:
        # A product with the matrix of equal labels, not a sum by index: that would be in another
        # order each time on a GPU, and processes would drift apart.
        same = (labels.unsqueeze(1) == labels).to(self.centres.dtype)
        count = same.sum(dim=1, keepdim=True)
        old = self.centres[labels]
        pull = same @ embeddings.to(old.dtype) - count * old
        self.centres[labels] = old + self.rate * pull / (1.0 + count)

    def extra_repr(self) -> str:
        return f"rate={self.rate}, classes={len(self.centres)}"
