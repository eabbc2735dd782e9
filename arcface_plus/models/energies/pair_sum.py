"""The sum of an energy over pairs of rows, with its gradient, in one pass of tiles.

A tile holds the cosines of some rows with some others. From them come the energies and the slopes
g = ∂f/∂cos, and from these the gradient at both sides: Σ_j g_ij·u_j at row i and Σ_i g_ij·u_i at
row j. Every pair is computed once. O(n·d) memory.

Distances from cosines cancel for close rows (and angles also for opposite ones): such pairs are
computed again in float64, from the differences of their rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from arcface_plus.models.energies.pair_energy import NEAREST, PairEnergy
from arcface_plus.models.nearest.angles import random_tangents
from arcface_plus.models.nearest.rows import on_cpu, row_blocks, row_norms, unit_rows

_CLOSE = {torch.float32: 0.99, torch.float64: 0.9999}  # cosines beyond it are computed again
_ELEMENTS_AT_ONCE = 2**20  # of close pairs
_SAME = 1e-12  # below it the direction of an arc is rounding noise


class PairSum:
    """Sums over pairs of the rows of ``weight`` (n, d), all nonzero, float32 or float64.

    ``value``: float64, scalar. ``gradient`` (n, d): by the unit rows, in the dtype of ``weight``,
    not yet projected on the tangents; None unless ``differentiate``. ``floored``: pairs nearer
    than 10⁻³, int64, scalar. ``scales`` (n,), float64: β of each row, which gives the energy of
    |β_i·u_i − β_j·u_j|. ``numbers`` (n,) int64: of the rows in a larger matrix of which they are a
    part. On a GPU every tile waits for the number of its close pairs.
    """

    def __init__(
        self,
        weight: Tensor,
        energy: PairEnergy,
        scales: Tensor | None = None,
        differentiate: bool = True,
        numbers: Tensor | None = None,
    ) -> None:
        if numbers is None:
            numbers = torch.arange(len(weight), device=weight.device)
        self._numbers = numbers
        self._weight, self._energy, self._scales = weight, energy, scales
        self._norms = row_norms(weight)
        self._unit = torch.empty_like(weight)
        for rows in row_blocks(len(weight), 8192):
            self._unit[rows] = unit_rows(weight, self._norms, rows)
        self._limit = _CLOSE[weight.dtype]
        self.value = torch.zeros((), dtype=torch.float64, device=weight.device)
        self.floored = torch.zeros((), dtype=torch.int64, device=weight.device)
        self.gradient = torch.zeros_like(weight) if differentiate else None

    def add_all_pairs(self, block: int | None = None) -> None:
        """Add each unordered pair once. ``block``: side of a tile; default: by the device."""
        blocks = list(row_blocks(len(self._unit), block or self._block()))
        for number, rows in enumerate(blocks):
            for columns in blocks[number:]:
                self._add_tile(rows, columns)

    def add_pairs_between(self, first: int, block: int | None = None) -> None:
        """Add each pair of one of the ``first`` rows with one of the others. No row may be both."""
        length = block or self._block()
        for rows in row_blocks(first, length):
            for part in row_blocks(len(self._unit) - first, length):
                self._add_tile(rows, slice(first + part.start, first + part.stop))

    def _add_tile(self, rows: slice, columns: slice) -> None:
        diagonal = rows == columns
        cosine = self._unit[rows] @ self._unit[columns].T
        own = None
        if diagonal:
            own = torch.arange(len(cosine), device=cosine.device)
        value, slope, close = self._terms(cosine, rows, columns, (own, own))
        first, second = close
        if diagonal:
            once = first < second
            first, second = first[once], second[once]
        self.value += value.sum(dtype=torch.float64) * (0.5 if diagonal else 1.0)
        if self.gradient is not None:
            self.gradient[rows].addmm_(slope, self._unit[columns])
            if not diagonal:
                self.gradient[columns].addmm_(slope.T, self._unit[rows])
        self._add_close(first + rows.start, second + columns.start, None)

    def add_pairs_of(self, chosen: Tensor, times: Tensor, block: int | None = None) -> None:
        """Add the pairs of each row ``chosen`` (k,) with every other row, ``times`` (k,) each."""
        self.add_pairs_with(len(self._unit), chosen, times, block)

    def add_pairs_with(
        self, first: int, chosen: Tensor, times: Tensor, block: int | None = None
    ) -> None:
        """Like ``add_pairs_of``, with the ``first`` rows only; their numbers are consecutive."""
        times = times.double()
        for part in row_blocks(len(chosen), block or self._block()):
            rows, counts = chosen[part], times[part]
            unit = self._unit[rows]
            for columns in row_blocks(first, block or self._block()):
                cosine = unit @ self._unit[columns].T
                own = self._numbers[rows] - self._numbers[columns.start]
                inside = ((own >= 0) & (own < cosine.shape[1])).nonzero().squeeze(1)
                value, slope, close = self._terms(cosine, rows, columns, (inside, own[inside]))
                self.value += value.sum(dim=1, dtype=torch.float64) @ counts
                if self.gradient is not None:
                    slope = slope.mul_(counts.to(slope.dtype).unsqueeze(1))
                    self.gradient.index_add_(0, rows, slope @ self._unit[columns])
                    self.gradient[columns].addmm_(slope.T, unit)
                here, there = close
                self._add_close(rows[here], there + columns.start, counts[here])

    def by_rows(self) -> Iterator[tuple[slice, Tensor]]:
        """Blocks of rows with the gradient by ``weight``: tangents, float64."""
        assert self.gradient is not None
        for rows in row_blocks(len(self._weight), 1024 if on_cpu(self._weight) else 8192):
            unit, gradient = (
                unit_rows(self._weight, self._norms, rows),
                self.gradient[rows].double(),
            )
            gradient -= (gradient * unit).sum(dim=1, keepdim=True) * unit
            yield rows, gradient.div_(self._norms[rows].unsqueeze(1))

    def _block(self) -> int:
        if not on_cpu(self._unit):
            return 4096
        # Threads wait for each other after each operation, on a busy machine for a time slice:
        # larger tiles have a quarter as many.
        return 768 if torch.get_num_threads() == 1 else 1536

    def _terms(
        self,
        cosine: Tensor,
        rows: slice | Tensor,
        columns: slice,
        own: tuple[Tensor | None, Tensor | None],
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Energies and slopes of a tile, 0 for a row with itself and for close pairs, and the
        positions of the latter. ``own``: the positions of rows with themselves."""
        if own[0] is not None:
            cosine[own] = 0.0
        first, second = self._close(cosine)
        scales = None
        if self._scales is not None:
            of = self._scales.to(cosine.dtype)
            scales = (of[rows].unsqueeze(1), of[columns])
        value, slope = self._energy.of_cosines(cosine, scales)
        for here in (own, (first, second)):
            if here[0] is not None:
                value[here] = 0.0
                slope[here] = 0.0
        return value, slope, (first, second)

    def _close(self, cosine: Tensor) -> tuple[Tensor, Tensor]:
        both_ends = self._energy.half_space or self._energy.angular
        if both_ends:
            low, high = torch.aminmax(cosine)
            some = bool((high > self._limit) | (low < -self._limit))
        else:
            some = bool(cosine.amax() > self._limit)
        if not some:  # NaN in a tile hides close pairs; the sum is NaN anyway
            nothing = torch.empty(0, dtype=torch.int64, device=cosine.device)
            return nothing, nothing
        close = cosine.abs() > self._limit if both_ends else cosine > self._limit
        first, second = close.nonzero(as_tuple=True)
        return first, second

    def _add_close(self, first: Tensor, second: Tensor, times: Tensor | None) -> None:
        signs = (1.0, -1.0) if self._energy.half_space else (1.0,)
        for part in row_blocks(len(first), max(1, _ELEMENTS_AT_ONCE // self._weight.shape[1])):
            for sign in signs:
                self._add_exactly(
                    first[part], second[part], sign, None if times is None else times[part]
                )

    def _add_exactly(
        self, first: Tensor, second: Tensor, sign: float, times: Tensor | None
    ) -> None:
        """Add the pairs (u, sign·v), from their differences."""
        u = unit_rows(self._weight, self._norms, first)
        v = unit_rows(self._weight, self._norms, second) * sign
        chord = torch.linalg.vector_norm(v - u, dim=1)
        cochord = torch.linalg.vector_norm(v + u, dim=1)
        if self._energy.angular:
            distance = 2.0 * torch.atan2(chord, cochord)
            by_angle = torch.ones_like(distance)
        else:
            distance, by_angle = self._scaled(first, second, chord, cochord)
        value, slope = self._energy.of_distance(distance)
        pull = -slope * by_angle
        if times is not None:
            value, pull = value * times, pull * times
        self.value += value.sum()
        self.floored += (distance < NEAREST).sum()
        if self.gradient is None:
            return
        for here, there, at, other, factor in (
            (u, v, first, second, 1.0), (v, u, second, first, sign)
        ):  # fmt: skip
            numbers = self._numbers[at], self._numbers[other]
            tangent = _unit_tangents(here, there, chord, cochord, *numbers)
            tangent *= (pull * factor).unsqueeze(1)
            self.gradient.index_add_(0, at, tangent.to(self.gradient.dtype))

    def _scaled(
        self, first: Tensor, second: Tensor, chord: Tensor, cochord: Tensor
    ) -> tuple[Tensor, Tensor]:
        """r = |β_i·u − β_j·v| without cancellation, and its derivative by the angle."""
        if self._scales is None:
            return chord, cochord / 2.0
        one, other = self._scales[first], self._scales[second]
        product = one * other
        distance = ((one - other).square() + product * chord.square()).sqrt()
        ratio = torch.where(distance == 0.0, product.sqrt(), product * chord / distance)
        return distance, ratio * cochord / 2.0


def _unit_tangents(
    u: Tensor, v: Tensor, chord: Tensor, cochord: Tensor, first: Tensor, second: Tensor
) -> Tensor:
    """Unit tangents at ``u`` towards ``v``: pseudo-random for equal directions, so that they part,
    0 for opposite ones, which have no direction to each other."""
    tangent = (v - u).addcmul_((chord.square() / 2.0).unsqueeze(1), u)
    same, opposite = chord <= _SAME, cochord <= _SAME
    tangent /= torch.where(same | opposite, torch.inf, chord * cochord / 2.0).unsqueeze(1)
    apart = random_tangents(u, first, second)
    return torch.where(same.unsqueeze(1), apart, tangent)
