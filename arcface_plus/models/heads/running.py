"""Statistics of batches as moving averages, for heads that adapt to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from arcface_plus.models.heads.checks import check_share


class RunningStatistics(nn.Module):
    """``value`` = momentum · value + (1 − momentum) · ``statistics(values of a whole batch)``.

    A buffer in float32, which checkpoints carry. A batch may come in parts: until the closing one,
    ``value`` is what it would be if the batch ended there.
    """

    value: Tensor

    def __init__(
        self,
        start: Sequence[float],
        momentum: float,
        statistics: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor(start, dtype=torch.float32))
        self.momentum = check_share("momentum", momentum)
        self._statistics = statistics
        self._before = self.value
        self._parts: list[Tensor] = []

    @torch.no_grad()
    def update(self, values: Tensor, closing: bool) -> None:
        """Values (n,) of a batch or, if not ``closing``, of a part that others follow."""
        if not self._parts:
            self._before = self.value
        self._parts.append(values.detach())
        found = self._statistics(torch.cat(self._parts)).to(self._before.dtype)
        # A new tensor: an earlier graph may still need the old one.
        self.value = torch.lerp(found, self._before, self.momentum)
        if closing:
            self._parts.clear()
