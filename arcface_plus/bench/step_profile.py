"""Where the time of our step goes, and its rate relative to the device's matrix products."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.flop_counter import FlopCounterMode

from arcface_plus.bench import trace
from arcface_plus.bench.our_step import OurStep
from arcface_plus.bench.step import Sizes, build, configured, cudnn_search
from arcface_plus.bench.timing import measure
from arcface_plus.runtime import DTYPES, autocast, resolve_precision
from data_prep.crop_size import SIDE

TRACE_FILE = "trace.json.gz"
_RIVAL = "ours ArcFace+"
_LARGEST_MATRIX = 16_384


def run(
    device: torch.device, sizes: Sizes, folder: Path, milliseconds: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Write ``folder``/trace.json.gz; return the tables of groups and of rates.

    ``milliseconds``: duration of each step, as measured by `bench.step.run` without the profiler.
    """
    folder.mkdir(parents=True, exist_ok=True)
    steps = 3 if device.type == "cuda" else 1
    with cudnn_search():
        step = build(_RIVAL, sizes, device)
        assert isinstance(step, OurStep)
        _record(step, steps, folder / TRACE_FILE)
    rows = trace.grouped(trace.read(folder / TRACE_FILE), steps)
    del step
    accounted = sum(row["milliseconds"] for row in rows)
    title = f"where the time goes: {_RIVAL}, {accounted:.4g} ms per step in {_unit(device)}"
    if _RIVAL in milliseconds:
        title += f" (unprofiled step: {milliseconds[_RIVAL]:.4g} ms)"
    return [{"title": title, "rows": rows}, rates(device, sizes, milliseconds)]


def rates(device: torch.device, sizes: Sizes, milliseconds: Mapping[str, float]) -> dict[str, Any]:
    """TFLOP/s of network and classifier in each step, also relative to a measured matmul."""
    flops = step_flops(sizes)
    reference = "fp16" if device.type == "cuda" else "fp32"
    precisions = {"ours": resolve_precision("auto", device), "reference": reference}
    measured = {name: matmul_rate(device, DTYPES[name]) for name in set(precisions.values())}
    rows = []
    for name, taken in milliseconds.items():
        precision = precisions[name.split()[0]]
        rate = flops / (taken / 1e3)
        rows.append(
            {
                "name": name,
                "precision": precision,
                "tflop_per_step": flops / 1e12,
                "tflop_per_second": rate / 1e12,
                "matmul_tflop_per_second": measured[precision] / 1e12,
                "fraction_of_matmul": rate / measured[precision],
            }
        )
    title = "rate of network and classifier (without MMA's search) against that of matrix products"
    if device.type == "cpu":  # where convolutions and products come from different libraries
        title += "; on a CPU, convolutions can be faster than matrix products"
    return {"title": title, "rows": rows}


def step_flops(sizes: Sizes) -> int:
    """Floating-point operations (two per multiply-add) of one step, forward and backward."""
    with torch.device("meta"):
        backbone = configured(sizes, "ArcFace").model.build_backbone().train()
        images = torch.empty(sizes.batch, 3, SIDE, SIDE)
    with FlopCounterMode(display=False) as counter:
        embeddings = backbone(images)
        embeddings.sum().backward()
    dimensions = embeddings.shape[1]
    return counter.get_total_flops() + 6 * sizes.batch * sizes.classes * dimensions


def matmul_rate(device: torch.device, dtype: torch.dtype, repeats: int = 10) -> float:
    """FLOP/s of square matrix products of random numbers, large enough for the device."""
    synchronize = torch.cuda.synchronize if device.type == "cuda" else None
    worth_timing = 1e-3 if device.type == "cuda" else 2e-2
    size = 512
    while True:
        left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
        product = torch.empty_like(left)
        multiply = _product(left, right, product)
        times = measure({"it": multiply}, repeats, warmup=3, synchronize=synchronize)["it"]
        if median(times) >= worth_timing or size >= _LARGEST_MATRIX:
            return 2 * size**3 / median(times)
        size *= 2


def _product(
    left: torch.Tensor, right: torch.Tensor, product: torch.Tensor
) -> Callable[[], object]:
    return lambda: torch.mm(left, right, out=product)


def _record(step: OurStep, steps: int, path: Path) -> None:
    activities = [ProfilerActivity.CPU]
    if step.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    _in_phases(step)
    with profile(activities=activities, acc_events=True) as profiler:
        for _ in range(steps):
            _in_phases(step)
    profiler.export_chrome_trace(str(path))


def _in_phases(step: OurStep) -> None:
    """One update with the graph cut at the embeddings, so that head and network run separately.

    The arithmetic is the same as without the cut.
    """
    recognizer, device = step.recognizer, step.device
    sizes = [size for (size,) in step.parts]  # of the only process
    images, labels = step.batch.images.split(sizes), step.batch.labels.split(sizes)
    for pixels, classes in zip(images, labels, strict=True):
        with _phase(trace.NETWORK, device), autocast(device, step.precision):
            embeddings = recognizer.backbone(pixels)
        cut = embeddings.detach().requires_grad_()
        with _phase("head and cross entropy", device):
            loss = recognizer.classifier(cut, classes).loss * (
                len(classes) / len(step.batch.labels)
            )
            loss.backward()
        with _phase(trace.NETWORK, device):
            embeddings.backward(cut.grad)
    with _phase("regularizer", device):
        for term, value in zip(
            recognizer.regularizer.acting, recognizer.regularizer(), strict=True
        ):
            (term.weight * value).backward()
    with _phase("optimizer", device):
        step.optimizer.step()
        step.optimizer.zero_grad(set_to_none=True)


@contextmanager
def _phase(name: str, device: torch.device) -> Iterator[None]:
    with record_function(trace.PREFIX + name):
        yield
        if device.type == "cuda":
            torch.cuda.synchronize(device)


def _unit(device: torch.device) -> str:
    return "kernels and copies" if device.type == "cuda" else "operators"
