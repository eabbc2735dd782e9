"""The loss of any head where this process holds all classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from arcface_plus.models.collectives import gather_rows
from arcface_plus.models.heads.head import HIDDEN, Classes, Head, Samples, no_facts
from arcface_plus.models.heads.margin_head import MarginHead, fits_one_buffer
from arcface_plus.models.margin_cross_entropy import margin_cross_entropy


class Held(NamedTuple):
    """What a process holds of the classes, c of them, and where it holds those of the samples."""

    centres: Tensor
    """Unit rows (c, d), or (c, K, d)."""
    facts: Classes
    place: Tensor
    """(N,) int64: which of the c classes is a sample's; -1 if another process holds it."""


class Progress(NamedTuple):
    """How far a run is, for heads that depend on it."""

    step: int = 0
    """Number of the update, from 0."""
    closing: bool = True
    """Whether this is the last part of the batch."""


def class_loss(
    head: Head,
    embeddings: Tensor,
    held: Held,
    progress: Progress,
    sizes: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor]:
    """Mean loss and accuracy of embeddings (n, d), at least float32, with autocast off.

    ``sizes``: of several processes that all hold all classes, how many embeddings each has; the
    statistics that a head keeps are then of all of them.
    """
    rows = F.normalize(embeddings)
    norms = embeddings.norm(dim=1) if head.uses_norms else None
    if fits_one_buffer(head):
        return _in_one_buffer(head, rows, norms, held, progress, sizes)
    cosine, index = nearest_centres(rows, held.centres), held.place.unsqueeze(1)
    labelled = cosine.gather(1, index).squeeze(1)
    samples = as_samples(labelled, norms, held.facts.of(held.place), progress.step)
    observe(head, samples, progress.closing, sizes)
    others = head.others(cosine, samples, held.facts).scatter(1, index, HIDDEN)
    losses = head.loss(head.labelled(samples), head.pool(others))
    with torch.no_grad():
        scores = head.scores(cosine, norms, held.facts)
        accuracy = (scores.argmax(dim=1) == held.place).float().mean()
    return with_penalty(head, losses.mean(), samples), accuracy


def _in_one_buffer(
    head: MarginHead, rows: Tensor, norms: Tensor | None, held: Held, progress: Progress,
    sizes: Sequence[int] | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    samples = None
    if head.observes or head.uses_norms:
        with torch.no_grad():
            cosine = (rows * held.centres[held.place]).sum(dim=1)
        samples = as_samples(cosine, norms, no_facts(cosine, len(cosine)), progress.step)
        observe(head, samples, progress.closing, sizes)
    loss, accuracy = margin_cross_entropy(
        rows, held.centres, held.place, head, norms, progress.step
    )
    return with_penalty(head, loss, samples), accuracy


def nearest_centres(rows: Tensor, centres: Tensor) -> Tensor:
    """Cosines (n, c) of unit rows (n, d) with c classes: with the nearest of their unit rows."""
    cosine = F.linear(rows, centres.flatten(0, -2))
    return cosine if centres.ndim == 2 else cosine.unflatten(1, centres.shape[:2]).amax(dim=2)


def as_samples(cosine: Tensor, norms: Tensor | None, own: Classes, step: int) -> Samples:
    """``norms``: None for heads that do not use them."""
    return Samples(cosine, torch.ones_like(cosine) if norms is None else norms, own, step)


def observe(
    head: Head, samples: Samples, closing: bool, sizes: Sequence[int] | None = None
) -> None:
    """Show samples to a head that keeps statistics, in training.

    ``sizes``: how many samples each process has, if they are not yet those of all.
    """
    if head.observes and head.training and torch.is_grad_enabled():
        with torch.no_grad():
            cosine, norm = samples.cosine.detach(), samples.norm.detach()
            if sizes is not None:
                cosine, norm = gather_rows(torch.stack([cosine, norm], dim=1), sizes).unbind(dim=1)
            own = no_facts(cosine, len(cosine))
            head.observe(Samples(cosine, norm, own, samples.step), closing)


def with_penalty(head: Head, loss: Tensor, samples: Samples | None) -> Tensor:
    """``loss`` with the head's own term, if it has one."""
    penalty = None if samples is None else head.penalty(samples)
    return loss if penalty is None else loss + penalty.mean()
