#!/usr/bin/env python3
"""What each head and each regularizer adds to a training step: time and memory after the backbone.

    python3 tools/step_costs.py --json FILE [--device cuda] [--backbone r50] [--batch 440]

Forward and backward passes from given embeddings, in the precision of a run, without the
backbone's own; regularizers act on the weights of that backbone where they have layers. Interleaved
(see `bench.timing`), ten steps a turn. The baseline is ArcFace without a regularizer. "Sharded" is
the code of several processes, in a group of one.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from arcface_plus.bench.machine import facts  # noqa: E402
from arcface_plus.bench.timing import measure  # noqa: E402
from arcface_plus.models.backbones import BACKBONES  # noqa: E402
from arcface_plus.models.class_loss import Held, Progress  # noqa: E402
from arcface_plus.models.classifier import Classifier  # noqa: E402
from arcface_plus.models.heads import HEADS, Classes, Head  # noqa: E402
from arcface_plus.models.regularization import Regularization, TermPlan  # noqa: E402
from arcface_plus.models.regularizers import REGULARIZERS, Moment  # noqa: E402
from arcface_plus.models.sharded_loss import sharded_loss  # noqa: E402
from arcface_plus.runtime import resolve_device  # noqa: E402

TERMS: dict[str, tuple[str, dict[str, Any], str]] = {
    "mma": ("mma", {}, "classifier"),
    "mma, cached": ("mma", {"mode": "cached"}, "classifier"),
    "mma, rolling": ("mma", {"mode": "rolling"}, "classifier"),
    "mma on all layers": ("mma", {}, "all"),
    "koleo": ("koleo", {}, "classifier"),
    "cosine": ("cosine", {}, "classifier"),
    "mhe": ("mhe", {}, "classifier"),
    "mhe, pairs of the batch": ("mhe", {"pairs": "batch"}, "classifier"),
    "mhe in half space, hidden layers": ("mhe", {"half_space": True}, "hidden"),
    "orthogonal": ("orthogonal", {}, "classifier"),
    "orthonormal, hidden layers": ("orthonormal", {}, "hidden"),
}
DIMENSIONS, STEPS = 512, 10
PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}
Step = Callable[[], None]


def heads(device: torch.device, batch: int, classes: int) -> dict[str, Any]:
    """All heads, and three of them sharded over one process, from embeddings in half precision."""
    steps: dict[str, Step] = {}
    for name in HEADS:
        steps[name] = _head_step(HEADS[name](), device, batch, classes, torch.float32, False)
    for label, dtype in PRECISIONS.items():
        for name in ("arcface", "adaface", "curricularface"):
            named = f"{name}, sharded, {label}"
            steps[named] = _head_step(HEADS[name](), device, batch, classes, dtype, True)
    title = f"heads, {device.type}: batch {batch}, {classes:,} classes × {DIMENSIONS}"
    return {"title": title, "rows": _rows(steps, device, "arcface")}


def regularizers(device: torch.device, backbone: str, batch: int, classes: int) -> dict[str, Any]:
    """Every term alone, forward and backward, beside ArcFace's loss alone."""
    torch.manual_seed(0)
    network = BACKBONES[backbone](embedding_dim=DIMENSIONS).to(device)
    classifier = Classifier(DIMENSIONS, classes, HEADS["arcface"]()).to(device)
    labels = torch.randint(classes, (batch,), device=device)
    steps = {
        "arcface": _head_step(HEADS["arcface"](), device, batch, classes, torch.float32, False)
    }
    for label, (name, settings, layers) in TERMS.items():
        made = REGULARIZERS[name]

        def build(made: Callable[..., Any] = made, settings: dict[str, Any] = settings) -> Any:
            return made(**settings)

        term = Regularization([TermPlan(name, 1.0, build, layers)], network, classifier).to(device)
        steps[label] = _term_step(term, [*network.parameters(), *classifier.parameters()], labels)
    title = f"regularizers, {device.type}: {backbone}, {classes:,} classes × {DIMENSIONS}"
    return {"title": title, "rows": _rows(steps, device, "arcface")}


def _head_step(
    head: Head, device: torch.device, batch: int, classes: int, dtype: torch.dtype, sharded: bool
) -> Step:
    torch.manual_seed(0)
    classifier = Classifier(DIMENSIONS, classes, head).to(device)
    embeddings = torch.randn(batch, DIMENSIONS, device=device, dtype=dtype, requires_grad=True)
    labels = torch.randint(classes, (batch,), device=device)

    def step() -> None:
        embeddings.grad = None
        classifier.zero_grad(set_to_none=True)
        loss = (
            one_shard(classifier, embeddings, labels)
            if sharded
            else classifier(embeddings, labels).loss
        )
        loss.backward()

    return step


def one_shard(classifier: Classifier, embeddings: Tensor, labels: Tensor) -> Tensor:
    """The loss by the code for several processes, of which there is one (in a group)."""
    weight = classifier.weight
    facts = Classes(
        weight.norm(dim=-1) if classifier.head.uses_class_norms else weight.new_ones(len(weight)),
        weight.new_zeros(len(weight)) if classifier.bias is None else classifier.bias,
    )
    held = Held(torch.nn.functional.normalize(weight, dim=-1), facts, labels)
    with torch.autocast(weight.device.type, enabled=False):
        return sharded_loss(classifier.head, embeddings.float(), held, Progress(), [len(labels)])[0]


def _term_step(term: Regularization, weights: list[Tensor], labels: Tensor) -> Step:
    count = 0

    def step() -> None:
        nonlocal count
        for weight in weights:
            weight.grad = None
        sum(term(Moment(0, count, labels))).backward()
        count += 1

    return step


def _rows(steps: dict[str, Step], device: torch.device, baseline: str) -> list[dict[str, Any]]:
    on_gpu = device.type == "cuda"
    repeats, length = (5, STEPS) if on_gpu else (3, 1)

    def turn(step: Step) -> Step:
        def work() -> None:
            for _ in range(length):
                step()

        return work

    peaks = {name: _peak_mb(step, device) if on_gpu else None for name, step in steps.items()}
    turns = {name: turn(step) for name, step in steps.items()}
    seconds = measure(turns, repeats, 1, torch.cuda.synchronize if on_gpu else None)
    taken = {name: 1e3 * median(values) / length for name, values in seconds.items()}
    return [
        {"name": name, "milliseconds": value, "ratio": value / taken[baseline],
         "peak_mb": peaks[name]}
        for name, value in taken.items()
    ]  # fmt: skip


def _peak_mb(step: Step, device: torch.device) -> float:
    """Of the second step, beyond what was allocated before it."""
    step()
    gc.collect()
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    step()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--backbone", default="r50", choices=sorted(BACKBONES))
    parser.add_argument("--batch", type=int, default=440)
    parser.add_argument("--classes", type=int, default=10_575)
    options = parser.parse_args()
    device = resolve_device(options.device)
    with tempfile.TemporaryDirectory() as folder:
        kind = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(kind, init_method=f"file://{folder}/store", rank=0, world_size=1)
        results = [heads(device, options.batch, options.classes)]
        results.append(regularizers(device, options.backbone, options.batch, options.classes))
        dist.destroy_process_group()
    content = {"schema": 1, "results": results, "machine": facts()}
    options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
