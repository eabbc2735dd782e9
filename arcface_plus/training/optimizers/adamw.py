"""Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import torch
from torch import nn

from arcface_plus.training.optimizers.checks import check_lr, check_share, check_weight_decay


class AdamW(torch.optim.AdamW):
    """Adam with weight decay decoupled from its moments, on all parameters given.

    Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm 2. Fused, for the
    same reasons as ``SGD``; its moments start at zero even where the loss scaler of fp16 skips the
    first step.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: Annotated[float, "learning rate"] = 1e-3,
        betas: Annotated[tuple[float, float], "decay of the two moments"] = (0.9, 0.999),
        eps: Annotated[float, "added to the root of the second moment"] = 1e-8,
        weight_decay: Annotated[float, "decoupled, of everything that trains"] = 0.01,
    ) -> None:
        check_lr(lr)
        check_share("betas[0]", betas[0])
        check_share("betas[1]", betas[1])
        if not eps > 0.0:
            raise ValueError(f"eps must be positive, not {eps}")
        check_weight_decay(weight_decay)
        super().__init__(parameters, lr, betas, eps, weight_decay, fused=True)
