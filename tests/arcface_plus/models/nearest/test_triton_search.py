"""The Triton search on machines without a GPU: by Triton's interpreter, and by its compiler."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from arcface_plus.models.nearest import triton_search
from arcface_plus.models.nearest.triton_search import Tiling, available


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTEST_ADDOPTS": "", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_kernel_under_the_interpreter() -> None:
    pytest.importorskip("triton")
    cases = Path(__file__).with_name("interpreted_triton_search.py")
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases), TRITON_INTERPRET="1")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_without_triton_it_imports_and_is_not_available() -> None:
    program = (
        "import sys; sys.modules['triton'] = None\n"
        "import torch\n"
        "from arcface_plus.models.nearest.triton_search import available\n"
        "assert not available(torch.zeros(2, 2, dtype=torch.float16))\n"
    )
    done = run("-c", program)
    assert done.returncode == 0, done.stderr


def test_cpu_tensors_use_plain_matmuls() -> None:
    assert not available(torch.zeros(4, 8, dtype=torch.float16))


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(
    ("capability", "tiling", "shared"),  # KB on a multiprocessor: A100, H100, RTX 30, RTX 50
    [
        (80, Tiling(), 164),
        (90, Tiling(), 228),
        (86, Tiling(depth=32), 100),
        (120, Tiling(depth=32), 100),
    ],
)
def test_it_compiles_for_gpus_and_two_programs_fit(
    capability: int,
    tiling: Tiling,
    shared: int,
    symmetric: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Needs no device. The epilogue of one program overlaps the products of another if two fit on a
    multiprocessor and neither spills registers into memory."""
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    tools = Path(triton.__file__).parent / "backends/nvidia/bin"
    if not (tools / "ptxas").exists() or not (tools / "cuobjdump").exists():
        pytest.skip("this Triton comes without ptxas and cuobjdump")
    scalars = dict.fromkeys(["count", "first", "last", "slots"], "i32")
    constants = {
        "WIDTH": 512,
        "SYMMETRIC": symmetric,
        "BLOCK": tiling.block,
        "DEPTH": tiling.depth,
        "GROUP": tiling.group,
    }
    source = ASTSource(
        fn=triton_search._search_kernel,
        signature={"unit": "*fp16", "penalty": "*fp32", "table": "*i64"}
        | scalars
        | dict.fromkeys(constants, "constexpr"),
        constexprs=constants,
        attrs={(place,): [["tt.divisibility", 16]] for place in range(3)},
    )
    compiled = triton.compile(
        source,
        target=GPUTarget("cuda", capability, 32),
        options={"num_warps": tiling.warps, "num_stages": tiling.stages},
    )
    (tmp_path / "kernel.cubin").write_bytes(compiled.asm["cubin"])
    usage = subprocess.run(
        [tools / "cuobjdump", "-res-usage", tmp_path / "kernel.cubin"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    registers, stack = (int(found) for found in re.findall(r"REG:(\d+) STACK:(\d+)", usage)[0])
    assert re.search(r"wgmma|mma\.sync", compiled.asm["ptx"]), "not on tensor cores"
    assert stack <= 64, usage
    assert 2 * registers * 32 * tiling.warps <= 65536, usage
    assert 2 * (compiled.metadata.shared + 1024) <= shared * 1024
