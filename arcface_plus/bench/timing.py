"""Fair timing of alternatives: all in one run, interleaved, after a warm-up.

Interleaving matters more than the number of repeats: on a shared machine the clock rate and the
load change from second to second, so alternatives timed one after the other run under different
conditions. Compare the medians of what `measure` returns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median


def measure(
    callables: Mapping[str, Callable[[], object]],
    repeats: int,
    warmup: int = 1,
    synchronize: Callable[[], None] | None = None,
) -> dict[str, list[float]]:
    """Seconds of each call, `repeats` of them per name, interleaved.

    Args:
        callables: what to time; return values are ignored.
        repeats: timed calls of each, at least 1.
        warmup: untimed calls of each beforehand (caches, lazy initialization, compilation).
        synchronize: waits for the device (e.g. ``torch.cuda.synchronize``), called before the
            clock starts and again before it stops; None for work that ends when its call returns.
    """
    if repeats < 1 or warmup < 0:
        raise ValueError(f"repeats must be >= 1 and warmup >= 0, not {repeats} and {warmup}")
    wait = synchronize if synchronize is not None else _nothing
    for call in callables.values():
        for _ in range(warmup):
            call()
    seconds: dict[str, list[float]] = {name: [] for name in callables}
    for _ in range(repeats):
        for name, call in callables.items():
            wait()
            start = time.perf_counter()
            call()
            wait()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def median_seconds(
    function: Callable[[], object],
    repeats: int,
    warmup: int = 1,
    synchronize: Callable[[], None] | None = None,
) -> float:
    """Median seconds of a single function; to compare several, use one `measure`."""
    return median(measure({"it": function}, repeats, warmup, synchronize)["it"])


def _nothing() -> None:
    return None
