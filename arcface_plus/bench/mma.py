"""MMA against the n×n way: forward and backward, seconds and extra memory, in the same run.

The rival is the method of the paper's published code, restated: the whole cosine matrix, its
diagonal masked, the maximum of each row, clamped to ±0.99999, arccos, mean, differentiated by
autograd.
"""

from __future__ import annotations

import gc
import multiprocessing
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from arcface_plus.bench.timing import measure
from arcface_plus.models.regularizers import MMA

SIZES = ((5_000, 512), (10_575, 512))
_CLAMP = 0.99999
_MEGABYTE = 1e6


def run(
    device: str = "cpu", sizes: Sequence[tuple[int, int]] = SIZES, repeats: int = 5
) -> dict[str, object]:
    """Time and weigh both ways for each (rows, dimensions) in ``sizes`` on ``device``.

    Returns ``{"title": str, "rows": [{…}]}``; each row holds medians of ``repeats`` interleaved
    calls in seconds, peak memory beyond weight and gradient in MB (10⁶ bytes), their ratio and
    difference, and both losses.
    """
    return {
        "title": f"MMA, forward + backward, {device}, {torch.get_num_threads()} threads",
        "rows": [_row(device, n, d, repeats) for n, d in sizes],
    }


def n_by_n_loss(weight: Tensor) -> Tensor:
    """The mean minimal angle, negated, by way of the n×n matrix of cosines."""
    unit = F.normalize(weight)
    cosine = unit @ unit.T
    masked = cosine - 2.0 * torch.eye(len(unit), device=weight.device)
    nearest = masked.max(dim=1).values.clamp(-_CLAMP, _CLAMP)
    return -torch.arccos(nearest).mean()


_WAYS: dict[str, Callable[[Tensor], Tensor]] = {"blocked": MMA(), "n_by_n": n_by_n_loss}


def _row(device: str, n: int, d: int, repeats: int) -> dict[str, object]:
    weight = _weight(device, n, d)
    synchronize = torch.cuda.synchronize if weight.is_cuda else None
    calls = {name: _step(way, weight) for name, way in _WAYS.items()}
    seconds = {
        name: median(taken)
        for name, taken in measure(calls, repeats, synchronize=synchronize).items()
    }
    memory = {name: _extra_megabytes(name, device, n, d) for name in _WAYS}
    return {
        "rows": n,
        "dimensions": d,
        "seconds": seconds["blocked"],
        "seconds_n_by_n": seconds["n_by_n"],
        "speedup": seconds["n_by_n"] / seconds["blocked"],
        "extra_mb": memory["blocked"],
        "extra_mb_n_by_n": memory["n_by_n"],
        "saved_mb": memory["n_by_n"] - memory["blocked"],
        "loss": _WAYS["blocked"](weight).item(),
        "loss_n_by_n": _WAYS["n_by_n"](weight).item(),
    }


def _weight(device: str, n: int, d: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, d, generator=generator).to(device).requires_grad_()


def _step(way: Callable[[Tensor], Tensor], weight: Tensor) -> Callable[[], None]:
    def step() -> None:
        weight.grad = None
        way(weight).backward()

    return step


def _extra_megabytes(name: str, device: str, n: int, d: int) -> float:
    """Peak memory of one step of a way beyond what lay there before: weight and its gradient."""
    if torch.device(device).type == "cuda":
        return _extra_megabytes_cuda(name, device, n, d)
    # A process of its own for each way: the peak of resident memory can never be reset.
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_extra_megabytes_cpu, (name, torch.get_num_threads(), n, d))


def _extra_megabytes_cuda(name: str, device: str, n: int, d: int) -> float:
    weight = _weight(device, n, d)
    weight.grad = torch.zeros_like(weight)
    gc.collect()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    _WAYS[name](weight).backward()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / _MEGABYTE


def _extra_megabytes_cpu(name: str, threads: int, n: int, d: int) -> float:
    torch.set_num_threads(threads)
    way = _WAYS[name]
    small = _weight("cpu", 64, d)
    way(small).backward()  # loads the libraries
    weight = _weight("cpu", n, d)
    weight.grad = torch.zeros_like(weight)
    before = _peak_bytes()
    way(weight).backward()
    return (_peak_bytes() - before) / _MEGABYTE


def _peak_bytes() -> int:
    """Peak resident memory of this process.

    Linux's VmHWM is its own; ``ru_maxrss``, the fallback, begins at the peak of the parent and so
    hides whatever is smaller than that.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
