"""Gradient accumulation: a batch in several parts, with the memory of one part.

Each part's mean loss is weighted by its share of the batch. The regularizer, which depends only on
the weights, is added to the last part; with several processes, only that part synchronizes
gradients. Losses and gradients equal those of the whole batch, with three exceptions: batch norm
sees the part, not the batch; on a GPU dropout draws different masks (equally random); and a head
with running statistics sees in each part what the batch has shown so far (after the batch, its
statistics are those of the whole).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from arcface_plus.data.loader import Batch
from arcface_plus.models.recognizer import Losses
from arcface_plus.models.regularizers import Moment


def part_sizes(images: int, limit: int | None) -> list[int]:
    """Sizes of the parts of a batch of `images`: as few as `limit` allows, as equal as possible.

    Equal, because a remainder of one image would be too few for batch norm, and every further size
    is another shape to compile for.
    """
    parts = 1 if limit is None else -(-images // limit)
    return [images // parts + (number < images % parts) for number in range(parts)]


def backward(
    model: nn.Module,
    batch: Batch,
    sizes: list[int],
    autocast: torch.autocast,
    scaled: Callable[[torch.Tensor], torch.Tensor],
    step: int = 0,
    moment: Moment | None = None,
) -> Losses:
    """Add the batch's gradients to the parameters; return its losses, detached.

    `model`: a Recognizer, or one in DistributedDataParallel; `scaled`: the loss scaler's scaling;
    `step`: number of the update, from 0; `moment`: what regularizers may need of it.
    """
    assert sum(sizes) == len(batch.labels)
    whole: Losses | None = None
    pairs = zip(batch.images.split(sizes), batch.labels.split(sizes), strict=True)
    for number, (images, labels) in enumerate(pairs, 1):
        closing = number == len(sizes)
        with nullcontext() if closing else _unsynchronized(model):
            with autocast:
                share = len(labels) / len(batch.labels)
                losses: Losses = model(images, labels, share, closing, step, moment)
            scaled(losses.total).backward()
        part = Losses(*(value.detach() for value in losses))
        whole = part if whole is None else Losses(*map(torch.add, whole, part))
    assert whole is not None
    return whole


def _unsynchronized(model: nn.Module) -> AbstractContextManager[object]:
    return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()
