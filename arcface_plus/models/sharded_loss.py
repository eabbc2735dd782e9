"""The loss of any head with the classes split over processes.

Each process compares the samples of all processes with its own classes, and computes the losses of
its own samples from what all have found. Cosines with the labelled classes, and the norms and
biases of these, come from the processes that hold them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from arcface_plus.models.class_loss import (
    Held,
    Progress,
    as_samples,
    nearest_centres,
    observe,
    with_penalty,
)
from arcface_plus.models.collectives import (
    gather_for_repeated_work,
    gather_for_shared_work,
    largest_,
    own_part,
    sum_,
    sum_for_repeated_work,
    sum_for_shared_work,
)
from arcface_plus.models.heads.head import HIDDEN, Classes, Head, Samples, no_facts
from arcface_plus.models.heads.margin_head import MarginHead, fits_one_buffer
from arcface_plus.models.sharded_cross_entropy import sharded_cross_entropy


def sharded_loss(
    head: Head, embeddings: Tensor, held: Held, progress: Progress, sizes: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Mean loss and accuracy over the samples of all processes, equal on each; a collective call.

    ``embeddings`` (n, d), at least float32, with autocast off: this process's, and ``sizes`` how
    many each has. ``held``: this process's classes, perhaps none, and the places of all samples.
    Gradients are complete, but those of the head's own parameters are to be summed over processes.
    """
    rows = gather_for_shared_work(F.normalize(embeddings), sizes)
    if fits_one_buffer(head):
        return _in_one_buffer(head, rows, embeddings, held, progress, sizes)
    norms = None
    if head.uses_norms:
        norms = gather_for_shared_work(embeddings.norm(dim=1), sizes)
    cosine = nearest_centres(rows, held.centres)
    labelled = sum_for_shared_work(_entries(cosine, held.place))
    samples = as_samples(labelled, norms, _labelled_classes(head, held), progress.step)
    observe(head, samples, progress.closing)
    hidden = torch.arange(cosine.shape[1], device=cosine.device) == held.place.unsqueeze(1)
    others = head.others(cosine, samples, held.facts)
    pool = head.pool(others.masked_fill(hidden, HIDDEN))
    pools = gather_for_shared_work(pool.unsqueeze(0), [1] * len(sizes)).T
    own = _of_own(samples, sizes)
    losses = head.loss(head.labelled(own), head.merge(own_part(pools, sizes)))
    share = len(losses) / len(cosine)
    loss = sum_for_repeated_work(with_penalty(head, losses.mean(), own) * share)
    with torch.no_grad():
        scores = head.scores(cosine, norms, held.facts)
        right = labelled if scores is cosine else sum_(_entries(scores, held.place))
        rivals = F.pad(scores.masked_fill(hidden, -torch.inf), (0, 1), value=-torch.inf)
        accuracy = (right > largest_(rivals.amax(dim=1))).float().mean()
    return loss, accuracy


def _in_one_buffer(
    head: MarginHead, rows: Tensor, embeddings: Tensor, held: Held, progress: Progress,
    sizes: Sequence[int],
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """All processes repeat what concerns the labelled classes alone."""
    norms = None
    if head.uses_norms:
        norms = gather_for_repeated_work(embeddings.norm(dim=1), sizes)
    samples = None
    if head.observes or head.uses_norms:
        with torch.no_grad():
            cosine = sum_((rows * _rows_at(held.centres, held.place)).sum(dim=1))
        samples = as_samples(cosine, norms, no_facts(cosine, len(cosine)), progress.step)
        observe(head, samples, progress.closing)
    loss, accuracy = sharded_cross_entropy(
        rows, held.centres, held.place, head, norms, progress.step
    )
    return with_penalty(head, loss, samples), accuracy


def _entries(cosine: Tensor, place: Tensor) -> Tensor:
    """(N,): of each row of (N, c) the entry at ``place``; 0 where that is -1."""
    if cosine.shape[1] == 0:
        return cosine.sum(dim=1)
    return cosine.gather(1, place.clamp(min=0).unsqueeze(1)).squeeze(1) * (place >= 0)


def _rows_at(values: Tensor, place: Tensor) -> Tensor:
    """(N, …): the rows of (c, …) at ``place``; 0 where that is -1."""
    if len(values) == 0:
        return values.sum(dim=0).expand(len(place), *values.shape[1:])
    here = (place >= 0).view(-1, *[1] * (values.ndim - 1))
    return values[place.clamp(min=0)] * here


def _labelled_classes(head: Head, held: Held) -> Classes:
    """Norm and bias of the labelled classes, where the head uses them: each (N,)."""
    norm, bias = no_facts(held.centres, len(held.place))
    if head.uses_class_norms:
        norm = sum_for_shared_work(_rows_at(held.facts.norm, held.place))
    if head.uses_bias:
        bias = sum_for_shared_work(_rows_at(held.facts.bias, held.place))
    return Classes(norm, bias)


def _of_own(samples: Samples, sizes: Sequence[int]) -> Samples:
    """This process's samples among those of all."""
    cosine, norm, facts, step = samples
    own = Classes(*(own_part(fact, sizes) for fact in facts))
    return Samples(own_part(cosine, sizes), own_part(norm, sizes), own, step)
