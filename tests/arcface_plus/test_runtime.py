"""Devices, precision, processes and seeds: what is resolved, and what is refused in one line."""

from __future__ import annotations

import os
import time

import pytest
import torch
import torch.distributed as dist
from processes import in_processes

from arcface_plus import runtime
from arcface_plus.runtime import (
    Processes,
    autocast,
    join_processes,
    peak_memory,
    resolve_device,
    resolve_precision,
    seed_step,
)
from data_prep.errors import UserError

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "mps", "", "cuda:x", "cpu0"])
def test_invalid_device_names(name):
    with pytest.raises(UserError, match="expected auto, cpu, cuda or cuda:N"):
        resolve_device(name)


def test_a_device_that_does_not_exist(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match=r"cuda:2: this machine has 2 CUDA devices"):
        resolve_device("cuda:2")
    with pytest.raises(UserError, match="cuda:5: this machine"):
        resolve_device("cuda", local_rank=5)


def test_auto_is_this_processs_gpu_or_the_cpu(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto", local_rank=1) == torch.device("cuda:1") == chosen[0]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto", local_rank=1) == CPU


def test_precision_by_device(monkeypatch):
    gpu = torch.device("cuda")
    for able, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda able=able: able)
        assert resolve_precision("auto", gpu) == expected
    assert resolve_precision("auto", CPU) == "fp32"
    assert resolve_precision("fp16", CPU) == "fp16"


@pytest.mark.parametrize(("name", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_autocast_computes_at_the_precision(name, dtype):
    with autocast(CPU, name):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_generators_are_a_function_of_seed_step_and_process():
    def drawn(*place: int) -> float:
        seed_step(*place)
        return float(torch.rand(()))

    places = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 2**31 - 1, 0)]
    assert [drawn(*p) for p in places] == [drawn(*p) for p in places]
    assert len({drawn(*p) for p in places}) == len(places)


def test_one_process_needs_no_collective_call(monkeypatch):
    monkeypatch.setattr(runtime.dist, "all_reduce", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(runtime.dist, "barrier", lambda *_: pytest.fail("waited"))
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    alone = join_processes()
    assert alone == Processes(0, 1, 0)
    assert (alone.first, alone.any(True), alone.any(False)) == (True, True, False)
    alone.barrier()


def test_several_agree(monkeypatch):
    asked = []
    monkeypatch.setattr(runtime.dist, "all_reduce", lambda t, op: (asked.append(op), t.fill_(1.0)))
    assert Processes(1, 2).any(False)
    assert asked == [runtime.dist.ReduceOp.MAX]


def _late(rank: int, port: int) -> tuple[int, str]:
    """What two processes agree on after one was late at a barrier, and then at a flag."""
    dist.destroy_process_group()
    os.environ |= {
        "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }  # fmt: skip
    time.sleep(1.5 * rank)
    processes = join_processes(timeout_seconds=1.0)
    time.sleep(1.5 * rank)
    processes.barrier()
    agreed = processes.largest(5 * rank)
    if rank:
        time.sleep(2.5)
    try:
        processes.any(False)
        ending = "joined"
    except RuntimeError as error:
        ending = type(error).__name__
    dist.destroy_process_group()
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())  # to be left
    return agreed, ending


def test_who_works_alone_is_waited_for_and_who_misses_a_step_is_not():
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    found = in_processes(2, _late, store.port)
    assert [agreed for agreed, _ in found] == [5, 5]
    assert "joined" not in [ending for _, ending in found]


def test_memory_on_a_cpu_is_the_processs():
    assert peak_memory(CPU)["peak_memory_mb"] > 50
