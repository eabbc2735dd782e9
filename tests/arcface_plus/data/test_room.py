"""Whether a cache fits the memory of the machine, its container and its GPU."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.data import room
from data_prep.errors import UserError


def test_too_small_a_gpu_is_reported(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (8 * 10**9, 10**10))
    gpu = torch.device("cuda", 0)
    room.need_device_memory(6 * 10**9, gpu)
    with pytest.raises(UserError, match=r"takes 18\.5 GB, but cuda:0 has 8 GB free.*cache: disk"):
        room.need_device_memory(18_500_000_000, gpu)


def test_a_containers_limit_counts(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\n")
    assert room._machine(meminfo) == 5000 * 1024
    assert room._machine(tmp_path / "gone") is None
    assert room._container(tmp_path) is None
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 300\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert room._container(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    assert room._container(tmp_path) == 600


def test_the_smaller_of_machine_and_container_counts(monkeypatch):
    for machine, container, expected in ((5, None, 5), (5, 3, 3), (None, None, None)):
        monkeypatch.setattr(room, "_machine", lambda m=machine: m)
        monkeypatch.setattr(room, "_container", lambda c=container: c)
        assert room.available_memory() == expected


def test_unknown_memory_is_accepted(monkeypatch):
    monkeypatch.setattr(room, "available_memory", lambda: None)
    room.need_memory(10**15)


def test_every_process_of_the_machine_counts(monkeypatch):
    monkeypatch.setattr(room, "available_memory", lambda: 8 * 10**9)
    room.need_memory(3 * 10**9)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    with pytest.raises(UserError, match=r"3 GB of memory in each of 4 processes, but only 8 GB"):
        room.need_memory(3 * 10**9)


def test_the_cpu_as_device_is_memory(monkeypatch):
    monkeypatch.setattr(room, "available_memory", lambda: 10**9)
    with pytest.raises(UserError, match="take 2 GB of memory"):
        room.need_device_memory(2 * 10**9, torch.device("cpu"))
