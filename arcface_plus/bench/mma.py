"""MMA and MHE against the n×n method, and MMA's modes against each other, in the same run.

The baseline is the method of the papers' published code, restated: the full cosine matrix with a
masked diagonal, differentiated by autograd; for MMA the maximum of each row, clamped to ±0.99999,
arccos, mean, for MHE the mean of 1/(2 − 2·cosine). It stores several n×n matrices, so it is timed
for few rows only.
"""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from arcface_plus.bench.memory import MEGABYTE, peak_resident_mb
from arcface_plus.bench.timing import measure
from arcface_plus.models.regularizers import MHE, MMA

SIZES_ON_CPU = ((10_575, 512), (40_000, 512), (100_000, 512))
SIZES_ON_GPU = ((10_575, 512), (93_000, 512), (360_000, 512), (2_060_000, 512))
_N_BY_N_UP_TO = 20_000  # rows: 5 GB at its peak
_MODES_FROM = 30_000  # rows: below, exact is what "auto" chooses
_WEIGHED_UP_TO_ON_CPU = 50_000  # rows: measuring memory takes another call in another process
_CLAMP = 0.99999
_A_STEP = 0.002  # how far the weights move between two steps, relative to a row's length: 0.1°


def run(
    device: str = "cpu",
    sizes: Sequence[tuple[int, int]] | None = None,
    repeats: int = 5,
    regularizer: str = "mma",
) -> list[dict[str, Any]]:
    """Measure time and memory of MMA or MHE for each (rows, dimensions) in ``sizes`` on ``device``.

    Returns tables, each ``{"title": str, "rows": [{…}]}``: for all sizes, the exact method against
    the n×n method (medians of ``repeats`` interleaved calls in seconds; one call from 30,000 rows
    on; peak memory beyond weight and gradient in MB, 10⁶ bytes; both losses); and for each size of
    30,000 rows or more, MMA's modes against the exact search, which is timed once.
    """
    if sizes is None:
        sizes = SIZES_ON_GPU if torch.device(device).type == "cuda" else SIZES_ON_CPU
    where = f"{device}, {torch.get_num_threads()} threads"
    exact = {
        "title": f"{regularizer.upper()}, forward + backward, exact, {where}",
        "rows": [_row(regularizer, device, n, d, repeats) for n, d in sizes],
    }
    if regularizer != "mma":
        return [exact]
    return [exact, *(_modes(device, n, d, where, repeats) for n, d in sizes if n >= _MODES_FROM)]


def n_by_n_loss(weight: Tensor) -> Tensor:
    """The mean minimal angle, negated, from the n×n matrix of cosines."""
    unit = F.normalize(weight)
    cosine = unit @ unit.T
    masked = cosine - 2.0 * torch.eye(len(unit), device=weight.device)
    nearest = masked.max(dim=1).values.clamp(-_CLAMP, _CLAMP)
    return -torch.arccos(nearest).mean()


def n_by_n_energy(weight: Tensor) -> Tensor:
    """The mean over all pairs of 1/|u − v|², from the n×n matrix of cosines."""
    unit = F.normalize(weight)
    own = torch.eye(len(unit), dtype=torch.bool, device=weight.device)
    square = (2.0 - 2.0 * (unit @ unit.T)).masked_fill(own, torch.inf)
    return square.reciprocal().sum() / (len(unit) * (len(unit) - 1))


_WAYS: dict[str, dict[str, Callable[[Tensor], Tensor]]] = {
    "mma": {"blocked": MMA("exact"), "n_by_n": n_by_n_loss},
    "mhe": {"blocked": MHE(), "n_by_n": n_by_n_energy},
}
REGULARIZERS = tuple(_WAYS)


def _row(regularizer: str, device: str, n: int, d: int, repeats: int) -> dict[str, object]:
    weight = _weight(device, n, d)
    names = ["blocked", "n_by_n"] if n <= _N_BY_N_UP_TO else ["blocked"]
    losses: dict[str, Tensor] = {}
    calls = {name: _kept(losses, name, _step(_WAYS[regularizer][name], weight)) for name in names}
    once = n >= _MODES_FROM
    taken = measure(calls, 1 if once else repeats, 0 if once else 1, _synchronize(weight))
    seconds = {name: median(times) for name, times in taken.items()}
    row: dict[str, object] = {
        "rows": n,
        "dimensions": d,
        "seconds": seconds["blocked"],
        "seconds_n_by_n": seconds.get("n_by_n"),
        "ratio": seconds["n_by_n"] / seconds["blocked"] if "n_by_n" in seconds else None,
    }
    weigh = weight.is_cuda or n <= _WEIGHED_UP_TO_ON_CPU
    memory = {name: _extra_megabytes((regularizer, name), device, n, d) for name in names if weigh}
    row["extra_mb"], row["extra_mb_n_by_n"] = memory.get("blocked"), memory.get("n_by_n")
    row["loss"] = losses["blocked"].item()
    row["loss_n_by_n"] = losses["n_by_n"].item() if "n_by_n" in losses else None
    return row


def _kept(losses: dict[str, Tensor], name: str, step: Callable[[], Tensor]) -> Callable[[], None]:
    def call() -> None:
        losses[name] = step()

    return call


def _modes(device: str, n: int, d: int, where: str, repeats: int) -> dict[str, Any]:
    """Seconds per step of each mode while the weights move a little from step to step."""
    weight = _weight(device, n, d)
    wait = _synchronize(weight)

    def seconds_of(step: Callable[[], Tensor]) -> float:
        with torch.no_grad():
            noise = torch.randn_like(weight)
            weight.add_(noise, alpha=_A_STEP)
            del noise
        wait()
        started = time.perf_counter()
        step()
        wait()
        return time.perf_counter() - started

    cached, rolling, exact = MMA("cached"), MMA("rolling"), MMA("exact")
    steps = {mode: _step(mode, weight) for mode in (cached, rolling, exact)}
    refresh = seconds_of(steps[cached])
    steps[rolling]()  # its first search covers all rows, too
    taken: dict[MMA, list[float]] = {mode: [] for mode in steps}
    for turn in range(repeats):
        for mode, step in steps.items():
            if mode is not exact or turn == repeats // 2:
                taken[mode].append(seconds_of(step))
    seconds = {mode: median(times) for mode, times in taken.items()}
    named = {
        "exact": seconds[exact],
        "cached: a step": seconds[cached],
        "cached: a step that renews the candidates": refresh,
        f"rolling: a step, 1/{rolling.rolling_steps} of the rows": seconds[rolling],
    }
    rows = [
        {"name": name, "seconds": value, "ratio": seconds[exact] / value}
        for name, value in named.items()
    ]
    return {"title": f"MMA's modes, {n:,} × {d}, forward + backward, {where}", "rows": rows}


def _synchronize(weight: Tensor) -> Callable[[], None]:
    return torch.cuda.synchronize if weight.is_cuda else lambda: None


def _weight(device: str, n: int, d: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, d, generator=generator).to(device).requires_grad_()


def _step(way: Callable[[Tensor], Tensor], weight: Tensor) -> Callable[[], Tensor]:
    def step() -> Tensor:
        weight.grad = None
        loss = way(weight)
        loss.backward()
        return loss.detach()

    return step


def _extra_megabytes(way: tuple[str, str], device: str, n: int, d: int) -> float:
    """Peak memory of one step beyond what was allocated before: weight and its gradient."""
    if torch.device(device).type == "cuda":
        return _extra_megabytes_cuda(way, device, n, d)
    # A separate process for each way: the peak of resident memory cannot be reset.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(_extra_megabytes_cpu, way, torch.get_num_threads(), n, d).result()


def _extra_megabytes_cuda(way: tuple[str, str], device: str, n: int, d: int) -> float:
    weight = _weight(device, n, d)
    weight.grad = torch.zeros_like(weight)
    gc.collect()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    _WAYS[way[0]][way[1]](weight).backward()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / MEGABYTE


def _extra_megabytes_cpu(way: tuple[str, str], threads: int, n: int, d: int) -> float:
    torch.set_num_threads(threads)
    loss = _WAYS[way[0]][way[1]]
    small = _weight("cpu", 64, d)
    loss(small).backward()  # loads the libraries
    weight = _weight("cpu", n, d)
    weight.grad = torch.zeros_like(weight)
    before = peak_resident_mb()
    loss(weight).backward()
    return peak_resident_mb() - before
