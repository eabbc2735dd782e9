"""The best other rows of every row by dot product, in one Triton kernel; optional.

A program computes one tile of the n×n products in tensor cores, takes the maxima of its rows and
of its columns while it is in registers, and merges them into a table (n, slots); the n×n matrix is
never stored. Only tiles on and above the diagonal are computed: n²·d operations.

A table entry is one int64: the cosine's bits, made orderable, above the inverted row number. The
maximum of such keys is the largest cosine and, among equal ones, the lowest row number. A maximum
does not depend on the order of its operands, so atomics give the same bits on every run.

Importing this module imports Triton (0.2 s) where it is installed, and succeeds where it is not.
"""

from __future__ import annotations

import functools
import warnings
from typing import NamedTuple

import torch
from torch import Tensor

try:
    import triton  # type: ignore[import-untyped,import-not-found,unused-ignore]
    import triton.language as tl  # type: ignore[import-untyped,import-not-found,unused-ignore]
except ImportError:
    triton = None


class Tiling(NamedTuple):
    """Tile sizes: ``block`` × ``block`` products per program, ``depth`` dimensions per step,
    ``group`` rows of tiles processed together, so that their operands stay in the L2 cache."""

    block: int = 128
    depth: int = 64
    group: int = 8
    warps: int = 4
    stages: int = 3


def available(tensor: Tensor) -> bool:
    """Whether the searches below accept ``tensor``: float16, and either on an NVIDIA GPU of compute
    capability 8.0 or more for which the kernel compiles (tried once per device: seconds), or
    anywhere under Triton's interpreter (``TRITON_INTERPRET=1``). Never raises. (Below 8.0 Triton
    does not use tensor cores and would be slower than plain matmuls.)"""
    if triton is None or tensor.dtype != torch.float16:
        return False
    if not isinstance(_search_kernel, triton.JITFunction):
        return True
    if not tensor.is_cuda or torch.version.hip is not None:
        return False
    return torch.cuda.get_device_capability(tensor.device) >= (8, 0) and _compiles(tensor.device)


@functools.cache
def _compiles(device: torch.device) -> bool:
    """A trial: Triton also needs a C compiler, a writable cache and an architecture it supports."""
    try:
        best_by_slot(torch.zeros(256, 512, dtype=torch.float16, device=device), None, 1)
    except Exception as reason:  # whatever the cause, the search works without Triton
        text = (str(reason).splitlines() or [""])[0]
        warnings.warn(f"MMA searches without Triton: {type(reason).__name__}: {text}", stacklevel=2)
        return False
    return True


def best_by_slot(
    unit: Tensor, penalty: Tensor | None, slots: int, tiling: Tiling | None = None
) -> tuple[Tensor, Tensor]:
    """For each row and slot, the largest dot product with another row of that slot, and which.

    ``unit`` (n, d) float16, contiguous, n ≥ 2; ``penalty`` (n,) float32 is added to the products
    of a row, once for each of the two rows; ``slots``: a power of two. Row j is in slot
    (j // 128) % slots, so that 128·slots rows fill all slots.

    Returns cosine (n, slots) float32 and row (n, slots) int64: products accumulated in float32,
    the lowest row of exactly equal ones, the same bits on every run; (−inf, own number) where
    the slot has no other row. NaN products are skipped. Raises ``ValueError`` for other shapes and
    dtypes. No synchronization with the GPU; about 20·n·slots bytes at its peak.
    """
    return _search(unit, 0, len(unit), penalty, slots, tiling, symmetric=True)


def best_of_rows(
    unit: Tensor,
    first: int,
    last: int,
    penalty: Tensor | None,
    slots: int,
    tiling: Tiling | None = None,
) -> tuple[Tensor, Tensor]:
    """Only the rows ``first:last`` of ``best_by_slot``, (last − first, slots) each: they are
    compared with all rows, in 2·(last − first)·n·d operations."""
    if not 0 <= first < last <= len(unit):
        raise ValueError(f"rows {first}:{last} are not a non-empty range within {len(unit)} rows")
    return _search(unit, first, last, penalty, slots, tiling, symmetric=False)


def _search(
    unit: Tensor,
    first: int,
    last: int,
    penalty: Tensor | None,
    slots: int,
    tiling: Tiling | None,
    symmetric: bool,
) -> tuple[Tensor, Tensor]:
    _check(unit, penalty, slots)
    tiling = tiling or _tiling(unit.device)
    count, width = unit.shape
    if penalty is None:
        penalty = torch.zeros(count, device=unit.device)
    table = torch.full((last - first, slots), _EMPTY, dtype=torch.int64, device=unit.device)
    bands = _ceil(_ceil(last - first, tiling.block), tiling.group)
    if symmetric:
        programs = bands * (bands + 1) // 2 * tiling.group**2
    else:
        programs = bands * tiling.group * _ceil(count, tiling.block)
    constants = (width, symmetric, tiling.block, tiling.depth, tiling.group)
    with torch.cuda.device_of(unit):
        _search_kernel[(programs,)](
            *(unit, penalty, table, count, first, last, slots),
            *constants,
            num_warps=tiling.warps,
            num_stages=tiling.stages,
        )
    return _unpacked(table, first)


def _check(unit: Tensor, penalty: Tensor | None, slots: int) -> None:
    if unit.ndim != 2 or unit.dtype != torch.float16 or not unit.is_contiguous():
        raise ValueError(
            f"rows must be contiguous float16 (n, d), not {unit.dtype} {tuple(unit.shape)}"
        )
    if penalty is not None and (
        penalty.shape != unit.shape[:1]
        or penalty.dtype != torch.float32
        or not penalty.is_contiguous()
    ):
        raise ValueError(f"penalty must be contiguous float32 ({len(unit)},)")
    if slots < 1 or slots & (slots - 1):
        raise ValueError(f"slots must be a power of two, not {slots}")


def _ceil(number: int, divisor: int) -> int:
    return -(-number // divisor)


@functools.cache
def _tiling(device: torch.device) -> Tiling:
    """Sizes with which two programs share a multiprocessor, so that one takes maxima while the
    other multiplies: a shorter step on GPUs with little shared memory (RTX cards)."""
    if device.type != "cuda":
        return Tiling()
    shared = torch.cuda.get_device_properties(device).shared_memory_per_multiprocessor
    return Tiling() if shared >= 160 * 1024 else Tiling(depth=32)


_EMPTY = -0x7F800001 << 32  # −inf and row 2³² − 1: below every entry


def _unpacked(table: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """The cosines and rows of a table, which is overwritten."""
    bits = (table >> 32).to(torch.int32)
    bits ^= (bits >> 31) & 0x7FFFFFFF
    cosine = bits.view(torch.float32)
    row = table.bitwise_not_().bitwise_and_(0xFFFFFFFF)
    own = torch.arange(first, first + len(table), device=table.device).unsqueeze(1)
    return cosine, torch.where(cosine == -torch.inf, own, row, out=row)


def triangle_tile(program, tiles, GROUP):  # type: ignore[no-untyped-def]  # compiled by Triton
    """Row and column number of a program's tile; skip it if below the diagonal or outside.

    Rows of tiles form bands of GROUP; a band's tiles are numbered column by column from the
    diagonal on. Long and short bands are joined in pairs of equal length, so that integers suffice:
    of b bands, band p (length b − p bands) is followed by band b − p (b odd) or b − 1 − p (b even).
    """
    bands = (tiles + GROUP - 1) // GROUP
    even = 1 - bands % 2
    length = (bands + even) * GROUP
    pair = program // (length * GROUP)
    position = program % (length * GROUP) // GROUP
    edge = (bands - pair) * GROUP
    after = (position >= edge) * 1
    band = pair + after * (bands - even - 2 * pair)
    column = band * GROUP + position - after * edge
    return band * GROUP + program % GROUP, column


if triton is not None:
    _triangle_tile = triton.jit(triangle_tile)

    @triton.jit
    def _merge(table, at, inside, slots, slot, tile, others, AXIS: tl.constexpr):  # type: ignore[no-untyped-def]
        """Merge a tile's maxima along AXIS into entries (at, slot); ``others``: the numbers of
        the rows along AXIS, looked up only if the tile improves some entry."""
        best = tl.max(tile, axis=AXIS)  # ignores NaN
        entry = table + at.to(tl.int64) * slots + slot
        # Other programs may raise the entry meanwhile: the value read is at worst too low, which
        # is safe.
        known = tl.load(entry, mask=inside, other=0, cache_modifier=".cg")
        bits = (known >> 32).to(tl.int32)
        bits ^= (bits >> 31) & 0x7FFFFFFF
        better = inside & (best >= bits.to(tl.float32, bitcast=True))
        if tl.max(better.to(tl.int32), axis=0) > 0:
            equal = tile == tl.expand_dims(best, AXIS)
            numbers = tl.where(equal, tl.expand_dims(others, 1 - AXIS), 0x7FFFFFFF)
            lowest = tl.min(numbers, axis=AXIS).to(tl.int64)
            # −0 and 0 are equal, but their bits differ.
            bits = tl.where(best == 0.0, 0.0, best).to(tl.int32, bitcast=True)
            bits ^= (bits >> 31) & 0x7FFFFFFF
            key = (bits.to(tl.int64) << 32) | (0xFFFFFFFF - lowest)
            tl.atomic_max(entry, key, mask=better & (key > known), sem="relaxed")

    @triton.jit(do_not_specialize=["count", "first", "last", "slots"])
    def _search_kernel(  # type: ignore[no-untyped-def]
        unit,
        penalty,
        table,
        count,
        first,
        last,
        slots,
        WIDTH: tl.constexpr,
        SYMMETRIC: tl.constexpr,
        BLOCK: tl.constexpr,
        DEPTH: tl.constexpr,
        GROUP: tl.constexpr,
    ):
        tiles = tl.cdiv(count, BLOCK)
        if SYMMETRIC:
            i, j = _triangle_tile(tl.program_id(0), tiles, GROUP)
            if (i >= tiles) | (j >= tiles) | (j < i):
                return
        else:
            i = tl.program_id(0) // (GROUP * tiles) * GROUP + tl.program_id(0) % GROUP
            j = tl.program_id(0) % (GROUP * tiles) // GROUP
            if first + i * BLOCK >= last:
                return
        rows = first + i * BLOCK + tl.arange(0, BLOCK)
        columns = j * BLOCK + tl.arange(0, BLOCK)
        depth = tl.arange(0, DEPTH)
        # Clamp to the last row instead of masking in the loop.
        a = unit + tl.minimum(rows, count - 1).to(tl.int64)[:, None] * WIDTH + depth[None, :]
        b = unit + tl.minimum(columns, count - 1).to(tl.int64)[None, :] * WIDTH + depth[:, None]
        row_penalty = tl.load(penalty + rows, mask=rows < last, other=-float("inf"))
        column_penalty = tl.load(penalty + columns, mask=columns < count, other=-float("inf"))
        # Initialize the sums with the penalties, and with −inf beyond the last row.
        tile = row_penalty[:, None] + column_penalty[None, :]
        for start in range(0, WIDTH, DEPTH):
            left = tl.load(a, mask=depth[None, :] < WIDTH - start, other=0.0)
            right = tl.load(b, mask=depth[:, None] < WIDTH - start, other=0.0)
            tile = tl.dot(left, right, tile)
            a += DEPTH
            b += DEPTH
        if tl.abs(first + i * BLOCK - j * BLOCK) < BLOCK:
            tile = tl.where(rows[:, None] == columns[None, :], -float("inf"), tile)
        _merge(table, rows - first, rows < last, slots, j % slots, tile, columns, AXIS=1)
        if SYMMETRIC and j > i:
            _merge(table, columns, columns < count, slots, i % slots, tile, rows, AXIS=0)
