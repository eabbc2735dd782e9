"""The profile attributes kernels to phases and kinds, and counts what a step multiplies."""

from __future__ import annotations

import gzip
import json

import pytest
import torch

from arcface_plus.bench import trace
from arcface_plus.bench.step import Sizes, build
from arcface_plus.bench.step_profile import TRACE_FILE, _in_phases, matmul_rate, run, step_flops

SMALL = Sizes("tiny", batch=4, classes=30)
CPU = torch.device("cpu")


def event(name: str, start: float, duration: float, category: str, thread: int = 1) -> dict:
    return {"ph": "X", "name": name, "ts": start, "dur": duration, "cat": category, "tid": thread}


def test_kernels_belong_to_the_phase_they_start_in():
    events = [
        event("phase: network", 0, 100, "user_annotation"),
        event("phase: network", 0, 90, "gpu_user_annotation"),  # the same label on the GPU's row
        event("phase: optimizer", 100, 50, "user_annotation"),
        event("aten::add_", 5, 90, "cpu_op"),  # hosts' operators do not count beside kernels
        event("sm90_xmma_fprop_implicit_gemm_bf16", 10, 30, "kernel"),
        event("triton_poi_fused__native_batch_norm_prelu_3", 50, 20, "kernel"),
        event("Memcpy DtoD", 80, 10, "gpu_memcpy"),
        event("multi_tensor_apply_kernel<FusedSgd>", 110, 40, "kernel"),
        event("stray", 500, 2, "kernel"),
        {"ph": "s", "name": "ac2g", "ts": 10},
    ]
    rows = {row["name"]: row for row in trace.grouped(events, steps=2)}
    assert {name: row["milliseconds"] for name, row in rows.items()} == pytest.approx(
        {
            "optimizer": 0.020,
            "convolution": 0.015,
            "batch norm, with what is fused into it": 0.010,
            "copies": 0.005,
            "other": 0.001,
        }
    )
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)
    assert rows["convolution"]["calls"] == 0.5
    assert rows["optimizer"]["largest"].startswith("multi_tensor")


def test_an_operators_own_time_is_without_its_callees():
    events = [
        event("aten::conv2d", 0, 100, "cpu_op"),
        event("aten::mkldnn_convolution", 10, 80, "cpu_op"),
        event("aten::empty", 20, 5, "cpu_op"),
        event("aten::add", 100, 7, "cpu_op"),
        event("aten::mul", 50, 9, "cpu_op", thread=2),
    ]
    own = {span.name: span.duration for span in trace.own_times(events)}
    assert own == {
        "aten::conv2d": 20, "aten::mkldnn_convolution": 75, "aten::empty": 5,
        "aten::add": 7, "aten::mul": 9,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sm90_xmma_dgrad_implicit_gemm_indexed_bf16bf16_bf16f32", "convolution"),
        ("void cutlass__5x_cudnn::Kernel<cutlass_tensorop_bf16_s16816fprop>", "convolution"),
        ("void cudnn::bn_fw_tr_1C11_kernel_NCHW<float>", "batch norm"),
        ("void cudnn::batchnorm_bwtr_nhwc_semiPersist<__half>", "batch norm"),
        ("void at::native::batch_norm_collect_statistics_kernel<float>", "batch norm"),
        ("void cudnn::engines_precompiled::nchwToNhwcKernel<__half>", "copies"),
        ("void at::native::unrolled_elementwise_kernel<direct_copy_kernel_cuda>", "copies"),
        ("nvjet_hsh_128x256_64x4_1x2_h_bz_coopA_NNT", "fully connected"),
        ("void at::native::vectorized_elementwise_kernel<4, CUDAFunctor_add>",
         "PReLU and elementwise"),
        ("triton_red_fused__prelu_kernel_backward_native_batch_norm_backward_12",
         "batch norm, with what is fused into it"),
        ("triton_poi_fused__to_copy_convolution_5", "copies"),
        ("void cutlass::device_kernel<cutlass::gemm::kernel::GemmUniversal<cute::Copy_Atom>>",
         "fully connected"),
        ("void cudnn::ops::convertTensor_kernel<float, __half>", "copies"),
        ("triton_poi_fused__to_copy_2", "copies"),
        ("triton_tem_fused_convolution_7", "convolution"),
        ("aten::mkldnn_convolution", "convolution"),
        ("aten::_prelu_kernel_backward", "PReLU and elementwise"),
        ("aten::empty", "other"),
    ],
)  # fmt: skip
def test_kinds_of_kernels(name, kind):
    assert trace.kind_of(name) == kind


def test_a_trace_is_written_and_its_groups_are_told(tmp_path):
    groups, rates = run(CPU, SMALL, tmp_path / "new", {"ours ArcFace+": 2.0})
    with gzip.open(tmp_path / "new" / TRACE_FILE) as file:
        assert json.load(file)["traceEvents"]
    names = {row["name"] for row in groups["rows"]}
    assert {"convolution", "batch norm", "PReLU and elementwise", "fully connected"} <= names
    assert {"head and cross entropy", "regulariser", "optimizer"} <= names
    (row,) = rates["rows"]
    assert row["tflop_per_second"] == pytest.approx(row["tflop_per_step"] / 2e-3)
    assert row["fraction_of_matmul"] == pytest.approx(
        row["tflop_per_second"] / row["matmul_tflop_per_second"]
    )


def test_the_cut_step_is_the_step():
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
