"""Devices, processes, seeds and memory of the machine that a run uses."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from arcface_plus import torchrun
from data_prep.errors import UserError

PATIENCE = timedelta(hours=6)
"""How long processes wait for one that verifies, saves or builds a cache."""
START = timedelta(minutes=10)
"""How long processes wait for each other when a run begins: imports take long on shared disks."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Processes:
    """This process among those that torchrun started, or the only one.

    `patient`: the group in which processes wait for one that works alone.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    patient: dist.ProcessGroup | None = field(default=None, compare=False, repr=False)

    @property
    def first(self) -> bool:
        return self.rank == 0

    def largest(self, number: int) -> int:
        """The largest number of any process (a collective call if there are several)."""
        if self.count == 1:
            return number
        shared = torch.tensor([number])
        dist.all_reduce(shared, dist.ReduceOp.MAX)
        return int(shared.item())

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process (a collective call if there are several)."""
        return bool(self.largest(int(flag)))

    def barrier(self) -> None:
        """Wait for all processes, up to PATIENCE: one may work alone for long."""
        if self.count > 1:
            dist.barrier(self.patient)

    def gather(self, value: Any) -> list[Any]:
        """The value of each process, by rank, pickled; waits for the others as `barrier` does."""
        values: list[Any] = [value] * self.count
        if self.count > 1:
            dist.all_gather_object(values, value, self.patient)
        return values

    def apart(self) -> Processes:
        """The same processes, for `barrier` and `gather` in another thread (collective).

        The calls of two threads in one group would be taken for each other.
        """
        if self.count == 1:
            return self
        return replace(self, patient=dist.new_group(backend="gloo", timeout=PATIENCE))


def join_processes(timeout_seconds: float = 600.0) -> Processes:
    """Join torchrun's process group if there is one; else this is the only process.

    A collective call fails if another process does not join it within `timeout_seconds`. The group
    uses gloo for CPU tensors even with NCCL, for the flags that processes share.
    """
    count = torchrun.count()
    if count == 1:
        return Processes()
    found, rank, _ = next(dist.rendezvous("env://", timeout=START))
    # torchrun keeps its store when it starts processes again: addresses in it may be of dead ones.
    store = dist.PrefixStore(f"group/{torchrun.restarts()}", found)
    store.set(f"arrived/{rank}", "")
    store.wait([f"arrived/{other}" for other in range(count)], START)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
        timeout=timedelta(seconds=timeout_seconds),
        store=store,
        rank=rank,
        world_size=count,
    )
    patient = dist.new_group(backend="gloo", timeout=PATIENCE)
    return Processes(rank, count, int(os.environ.get("LOCAL_RANK", "0")), patient)


def leave_processes() -> None:
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def resolve_device(name: str, local_rank: int = 0) -> torch.device:
    """`auto` → this process's GPU, or the CPU; UserError for a device that does not exist."""
    if name == "auto":
        name = f"cuda:{local_rank}" if torch.cuda.is_available() else "cpu"
    elif name == "cuda":
        name = f"cuda:{local_rank}"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"device {name!r}: expected auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"device {name!r}: expected auto, cpu, cuda or cuda:N")
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise UserError(f"device {name}: this machine has {count} CUDA devices; try cpu")
        torch.cuda.set_device(device)
    return device


def resolve_precision(name: str, device: torch.device) -> str:
    """`auto` → bf16 on GPUs that support it, else fp32."""
    if name != "auto":
        return name
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The autocast context for `precision`; disabled for fp32."""
    return torch.autocast(device.type, DTYPES[precision], enabled=precision != "fp32")


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed torch's generators from (seed, step, rank), of which dropout is then a pure function."""
    words = np.random.SeedSequence((seed, step, rank)).generate_state(2, np.uint32)
    torch.manual_seed(int(words[0]) << 31 ^ int(words[1]))


def make_deterministic() -> None:
    """Use only algorithms with bit-identical results in every run; slower on GPUs."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def peak_memory(device: torch.device) -> dict[str, float]:
    """Peak memory so far, in MB: of the GPU, or of the process on a CPU.

    For a GPU also what torch's allocator has reserved, which other programs cannot use.
    """
    if device.type != "cuda":
        return {"peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}
    return {
        "peak_memory_mb": torch.cuda.max_memory_allocated(device) / 1e6,
        "peak_reserved_memory_mb": torch.cuda.max_memory_reserved(device) / 1e6,
    }
