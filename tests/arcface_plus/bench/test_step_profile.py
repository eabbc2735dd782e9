"""The profile attributes kernels to phases and kinds, and counts what a step multiplies."""

from __future__ import annotations

import gzip
import json

import pytest
import torch

from arcface_plus.bench.step import Sizes, build
from arcface_plus.bench.step_profile import TRACE_FILE, _in_phases, matmul_rate, run, step_flops

SMALL = Sizes("tiny", batch=4, classes=30)
CPU = torch.device("cpu")


def test_a_trace_is_written_and_its_groups_are_reported(tmp_path):
    groups, rates = run(CPU, SMALL, tmp_path / "new", {"ours ArcFace+": 2.0})
    with gzip.open(tmp_path / "new" / TRACE_FILE) as file:
        assert json.load(file)["traceEvents"]
    names = {row["name"] for row in groups["rows"]}
    assert {"convolution", "batch norm", "PReLU and elementwise", "fully connected"} <= names
    assert {"head and cross entropy", "regularizer", "optimizer"} <= names
    (row,) = rates["rows"]
    assert row["tflop_per_second"] == pytest.approx(row["tflop_per_step"] / 2e-3)
    assert row["fraction_of_matmul"] == pytest.approx(
        row["tflop_per_second"] / row["matmul_tflop_per_second"]
    )


def test_the_cut_step_equals_the_step():
    whole, cut = (build("ours ArcFace+", Sizes("tiny", 5, 30, micro_batch=3), CPU) for _ in "ab")
    for step in (whole, cut):
        step.recognizer.backbone.dropout.p = 0.0
        for group in step.optimizer.param_groups:
            group["lr"] = 0.1
    whole()
    _in_phases(cut)
    pairs = zip(whole.recognizer.parameters(), cut.recognizer.parameters(), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_operations_are_counted_as_by_hand():
    sizes, channels = (56, 28, 14, 7), (64, 128, 256, 512)
    multiply_adds = 9 * 3 * 64 * 112**2 + 512 * 49 * 512  # stem and fully connected layer
    before = 64
    for side, width in zip(sizes, channels, strict=True):
        multiply_adds += 9 * before * width * (2 * side) ** 2 + 9 * width**2 * side**2
        multiply_adds += before * width * side**2  # the projection
        multiply_adds += 2 * 9 * width**2 * side**2  # the second unit
        before = width
    flops = step_flops(Sizes("r18", batch=2, classes=10))
    assert flops == pytest.approx(3 * 2 * 2 * multiply_adds, rel=0.01)
    more = step_flops(Sizes("r18", batch=2, classes=1010)) - flops
    assert more == 3 * 2 * 2 * 1000 * 512


def test_the_matmul_rate_is_a_rate():
    assert 1e8 < matmul_rate(CPU, torch.float32, repeats=2) < 1e14
