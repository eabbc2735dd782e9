"""Values onto pixels, with round ticks: the one axis of all pictures of a page."""

from __future__ import annotations

import math
from dataclasses import dataclass

MINUS = "−"


@dataclass(frozen=True)
class Scale:
    """Values low … high onto pixels start … end; both ends are round numbers."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value lies, in pixels."""
        low, high, x = (_flat(v, self.log) for v in (self.low, self.high, value))
        return self.start + (x - low) / (high - low) * (self.end - self.start)


def linear(
    low: float,
    high: float,
    start: float,
    end: float,
    intervals: int = 5,
    padded: bool = False,
    least_step: float = 0.0,
) -> Scale:
    """A linear axis that holds low … high, its ends and ticks multiples of 1, 2 or 5 · 10^k.

    `intervals` is how many there are at most; `padded` leaves room beyond both values; ticks are at
    least `least_step` apart.
    """
    if high <= low:  # one value alone: room around it
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    room = 0.04 * (high - low) if padded else 0.0
    low, high = low - room, high + room
    step = nice(max((high - low) / intervals, least_step))
    first, last = _floor(low / step), _ceil(high / step)
    while last - first > intervals:  # the ends, moved out to ticks, made one too many
        step = nice(1.01 * step)
        first, last = _floor(low / step), _ceil(high / step)
    ticks = tuple(k * step for k in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], start, end, ticks)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """A logarithmic axis that holds 0 < low … high; ticks at powers of ten, or 1, 2, 5 of each.

    The ends are 1, 2 or 5 · 10^k.
    """
    if high <= low:
        low, high = low / 2, high * 2
    grid = [
        factor * 10.0**k
        for k in range(_floor(math.log10(low)) - 1, _ceil(math.log10(high)) + 2)
        for factor in (1, 2, 5)
    ]
    first = max(value for value in grid if value <= low * (1 + 1e-9))
    last = min(value for value in grid if value >= high * (1 - 1e-9))
    inside = [value for value in grid if first <= value <= last]
    powers = [value for value in inside if math.isclose(math.log10(value) % 1, 0, abs_tol=1e-9)]
    ticks = tuple(powers if len(powers) > 2 else inside)
    return Scale(first, last, start, end, ticks, log=True)


def nice(step: float) -> float:
    """The next of 1, 2, 5, 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(f * power for f in (1, 2, 5, 10) if f * power >= step * (1 - 1e-9))


def number(value: float, signed: bool = False) -> str:
    """A tick as it is written: 0, 0.05, 12.5k, −3; `signed` writes +3."""
    if abs(value) < 1e-12:
        return "0"
    text = f"{value / 1000:g}k" if abs(value) >= 10_000 else f"{value:.6g}"
    return ("+" if signed and value > 0 else "") + text.replace("-", MINUS)


def _flat(value: float, log: bool) -> float:
    return math.log10(value) if log else value


def _floor(value: float) -> int:
    return math.floor(value + 1e-9)


def _ceil(value: float) -> int:
    return math.ceil(value - 1e-9)
