"""Gradient accumulation: a batch in several parts, with the memory of one part.

Each part's mean loss is weighted by its share of the batch. The regularizer, which depends only on
the weights, is added to the last part; with several processes, only that part synchronizes
gradients. Losses and gradients equal those of the whole batch, with three exceptions: batch norm
sees the part, not the batch; on a GPU dropout draws different masks (equally random); and a head
with running statistics sees in each part what the batch has shown so far (after the batch, its
statistics are those of the whole).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from arcface_plus.data.loader import Batch
from arcface_plus.data.order import equal_parts
from arcface_plus.models.recognizer import Losses, Recognizer
from arcface_plus.models.regularizers import Moment

Part = tuple[int, ...]
"""How many images each process takes through the network at once."""


def batch_parts(shares: Sequence[int], limit: int | None) -> list[Part]:
    """The parts of a batch of which each process has a share.

    As few as a process's `limit` allows, as many on every process, and as equal as possible: a
    remainder of one image would be too few for batch norm, and every further size is another shape
    to compile for.
    """
    count = 1 if limit is None else -(-max(shares) // limit)
    return list(zip(*(equal_parts(share, count) for share in shares), strict=True))


def backward(
    network: nn.Module,
    recognizer: Recognizer,
    batch: Batch,
    parts: Sequence[Part],
    autocast: torch.autocast,
    scaled: Callable[[torch.Tensor], torch.Tensor],
    step: int = 0,
    moment: Moment | None = None,
) -> Losses:
    """Add the batch's gradients to the parameters; return its losses, detached.

    `network`: the recognizer's backbone, or that in DistributedDataParallel; `scaled`: the loss
    scaler's scaling; `step`: number of the update, from 0; `moment`: what regularizers may need of
    it.
    """
    own, total = equal_parts(len(batch.labels), len(parts)), sum(batch.sizes)
    assert sum(map(sum, parts)) == total
    whole: Losses | None = None
    split = zip(batch.images.split(own), batch.labels.split(own), parts, strict=True)
    for number, (images, labels, sizes) in enumerate(split, 1):
        closing = number == len(parts)
        with nullcontext() if closing else _unsynchronized(network):
            with autocast:
                embeddings, share = network(images), sum(sizes) / total
                losses = recognizer.losses(embeddings, labels, share, closing, step, moment, sizes)
            scaled(losses.total).backward()
        part = Losses(*(value.detach() for value in losses))
        whole = part if whole is None else Losses(*map(torch.add, whole, part))
    assert whole is not None
    return whole


def _unsynchronized(network: nn.Module) -> AbstractContextManager[object]:
    return network.no_sync() if isinstance(network, DistributedDataParallel) else nullcontext()
