"""Where a step's time goes, read from the profiler's Chrome trace.

The step runs phase by phase; each phase ends with a synchronization and is labelled ``phase: …``,
so a kernel belongs to the phase in which it starts, forward or backward. Within the network the
kernels' names distinguish convolution, batch norm and the rest.
"""

from __future__ import annotations

import gzip
import json
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

PREFIX = "phase: "
NETWORK = "network"
OUTSIDE = "other"
_DEVICE_CATEGORIES = {"kernel", "gpu_memcpy", "gpu_memset"}
# The first match counts. The name of a compiled kernel lists everything fused into it.
_KINDS = (
    ("convolution", r"^triton_tem.*conv"),
    ("batch norm, with what is fused into it", r"^triton_.*batch_norm"),
    ("PReLU and elementwise", r"^triton_.*(prelu|add|mul|dropout)"),
    ("copies", r"^triton_.*(convolution|copy)|convert|memcpy|memset|nchwtonhwc|nhwctonchw"),
    ("convolution", r"conv|cudnn.*gemm|fprop|dgrad|wgrad|winograd|cutlass.*cudnn"),
    ("batch norm", r"batch_?norm|bn_fw|bn_bw"),
    ("fully connected", r"gemm|gemv|nvjet|cutlass|cublas|splitk|addmm|::mm|::linear"),
    ("copies", r"copy|contiguous|clone"),
    ("PReLU and elementwise", r"prelu|elementwise|dropout|bernoulli|aten::(add|mul|div)|reduce"),
)


class Span(NamedTuple):
    """A kernel or operator, in microseconds of the trace's clock."""

    name: str
    start: float
    duration: float


def read(path: Path) -> list[dict[str, Any]]:
    """The events of a Chrome trace, gzipped or not."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        events: list[dict[str, Any]] = json.load(file)["traceEvents"]
    return events


def grouped(events: Iterable[dict[str, Any]], steps: int) -> list[dict[str, Any]]:
    """Milliseconds and calls per step by group, largest first, with the group's largest entry.

    On a GPU this counts the time of kernels and copies; if the trace has none, the time of
    operators on the host, without that of the operators they call.
    """
    complete = [event for event in events if event.get("ph") == "X"]
    phases = sorted(
        (_span(event) for event in complete if str(event["name"]).startswith(PREFIX)
         and event.get("cat") == "user_annotation"),
        key=lambda span: span.start,
    )  # fmt: skip
    spans = [_span(event) for event in complete if event.get("cat") in _DEVICE_CATEGORIES]
    if not spans:
        spans = own_times(event for event in complete if event.get("cat") == "cpu_op")
    time: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    inside: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for span in spans:
        group = group_of(span, phases)
        time[group] += span.duration
        calls[group] += 1
        inside[group][span.name] += span.duration
    total = sum(time.values())
    return [
        {
            "name": group,
            "milliseconds": time[group] / 1e3 / steps,
            "share": time[group] / total,
            "calls": calls[group] / steps,
            "largest": max(inside[group], key=lambda name: inside[group][name])[:60],
        }
        for group in sorted(time, key=lambda group: -time[group])
    ]


def group_of(span: Span, phases: Sequence[Span]) -> str:
    """The phase the span starts in; within the network, the kind of work."""
    place = bisect_right([phase.start for phase in phases], span.start) - 1
    if place < 0 or span.start > phases[place].start + phases[place].duration:
        return OUTSIDE
    phase = phases[place].name.removeprefix(PREFIX)
    return kind_of(span.name) if phase == NETWORK else phase


def kind_of(name: str) -> str:
    """Kind of work of a kernel or operator of the network."""
    lower = name.lower()
    return next((kind for kind, pattern in _KINDS if re.search(pattern, lower)), OUTSIDE)


def own_times(events: Iterable[dict[str, Any]]) -> list[Span]:
    """Each operator with its own time, without the time in operators that it calls."""
    threads: dict[object, list[Span]] = defaultdict(list)
    for event in events:
        threads[event.get("pid"), event.get("tid")].append(_span(event))
    result: list[Span] = []
    for spans in threads.values():
        result += _own_times_of_a_thread(sorted(spans, key=lambda s: (s.start, -s.duration)))
    return result


def _own_times_of_a_thread(spans: Sequence[Span]) -> list[Span]:
    own = [span.duration for span in spans]
    open_spans: list[int] = []
    for number, span in enumerate(spans):
        while open_spans and _end(spans[open_spans[-1]]) <= span.start:
            open_spans.pop()
        if open_spans:
            own[open_spans[-1]] -= span.duration
        open_spans.append(number)
    return [span._replace(duration=max(0.0, time)) for span, time in zip(spans, own, strict=True)]


def _span(event: dict[str, Any]) -> Span:
    return Span(str(event["name"]), float(event["ts"]), float(event.get("dur", 0.0)))


def _end(span: Span) -> float:
    return span.start + span.duration
