"""Nearest rows where cosines are too coarse: rows close to another, searched in double precision.

The cosine is flat near 1, so that rounding ranks close rows at random: in float32 below about
4e-4 rad, in float16 below 0.05 rad. Closeness is mutual, so the nearest neighbour of a row with a
close neighbour is itself such a row: these rows are searched once more, among themselves.
"""

from __future__ import annotations

import torch
from torch import Tensor

from arcface_plus.models.nearest.rows import may_hold, on_cpu, row_blocks, unit_rows

CLOSE_COSINE = 1.0 - 1e-3
_CLOSE_ROWS_ON_GPU = 1024
TILE_ELEMENTS = 2**22
_CANDIDATES = 4


def search_close_rows(weight: Tensor, norms: Tensor, cosine: Tensor, index: Tensor) -> None:
    """Correct ``index`` (n,) in place for the rows that are close by their ``cosine`` (n,)."""
    close = cosine > CLOSE_COSINE
    if not may_hold(close):
        return
    members = _close_rows(cosine, close)
    unit = unit_rows(weight, norms, members)
    for rows in row_blocks(len(members), max(1, TILE_ELEMENTS // len(members))):
        own = members[rows]
        position, distance = _nearest_of_few(unit, rows)
        found, known = members[position], index[own]
        known_distance = (unit_rows(weight, norms, known) - unit[rows]).square().sum(dim=1)
        nearer = (distance < known_distance) | ((distance == known_distance) & (found < known))
        index[own] = torch.where(close[own] & nearer, found, known)


def _close_rows(cosine: Tensor, close: Tensor) -> Tensor:
    """The rows that are ``close``, ascending. On a GPU, where counting them would need a
    synchronization, the 1,024 closest rows, whether close or not."""
    if on_cpu(close):
        return close.nonzero().squeeze(1)
    return cosine.topk(min(_CLOSE_ROWS_ON_GPU, len(cosine))).indices.sort().values


def _nearest_of_few(unit: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """Positions of the rows of ``unit`` (float64) nearest to ``unit[rows]``, and |u − v|²."""
    own = torch.arange(rows.start, rows.stop, device=unit.device).unsqueeze(1)
    same = own == torch.arange(len(unit), device=unit.device)
    return nearest_few(unit[rows], unit, same)


def nearest_few(unit: Tensor, others: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    """Positions in ``others`` (k, d) of the rows nearest to ``unit`` (m, d), and |u − v|²; both
    float64. ``same`` (m, k) bool: a row and itself, whose distance counts as infinite.

    The best candidates by cosine are ranked by |u − v|², which still separates them where all
    cosines round to 1.
    """
    products = (unit @ others.T).masked_fill_(same, -torch.inf)
    candidates = products.topk(min(_CANDIDATES, len(others)), dim=1).indices
    candidates = candidates.sort(dim=1).values
    distances = (others[candidates] - unit.unsqueeze(1)).square().sum(dim=2)
    distances.masked_fill_(same.gather(1, candidates), torch.inf)
    distance, best = distances.min(dim=1, keepdim=True)
    return candidates.gather(1, best).squeeze(1), distance.squeeze(1)
