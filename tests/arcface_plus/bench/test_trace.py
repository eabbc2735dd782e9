"""The trace attributes kernels to phases and kinds."""

from __future__ import annotations

import pytest

from arcface_plus.bench import trace


def event(name: str, start: float, duration: float, category: str, thread: int = 1) -> dict:
    return {"ph": "X", "name": name, "ts": start, "dur": duration, "cat": category, "tid": thread}


def test_kernels_belong_to_the_phase_they_start_in():
    events = [
        event("phase: network", 0, 100, "user_annotation"),
        event("phase: network", 0, 90, "gpu_user_annotation"),  # the same label on the GPU's row
        event("phase: optimizer", 100, 50, "user_annotation"),
        event("aten::add_", 5, 90, "cpu_op"),  # host operators do not count if there are kernels
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
