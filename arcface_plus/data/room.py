"""Is there room for a cache? Checked before the work begins."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from data_prep.errors import UserError

_BESIDE = 1 << 30  # the least that training needs besides a cache


def need_memory(needed: int) -> None:
    """UserError unless `needed` bytes are available for each process on this machine."""
    available = available_memory()
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # torchrun's
    if available is not None and needed * processes + _BESIDE > available:
        each = f" in each of {processes} processes" if processes > 1 else ""
        raise UserError(
            f"data.cache: the decoded images take {gigabytes(needed)} of memory{each}, but only "
            f"{gigabytes(available)} are available: use data.cache: disk, which processes share"
        )


def need_device_memory(needed: int, device: torch.device) -> None:
    """UserError unless `needed` bytes are free on the device."""
    if device.type != "cuda":
        return need_memory(needed)
    free, _ = torch.cuda.mem_get_info(device)
    if needed + _BESIDE > free:
        raise UserError(
            f"data.cache: device takes {gigabytes(needed)}, but {device} has {gigabytes(free)} "
            "free, and the network needs memory too: use data.cache: disk"
        )
    return None


def available_memory() -> int | None:
    """Bytes available without swapping, within the container's limit; None if unknown."""
    known = [_machine(), _container()]
    return min((size for size in known if size is not None), default=None)


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB"


def _machine(path: Path = Path("/proc/meminfo")) -> int | None:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _container(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What remains of the memory limit of control group v2, as seen inside a container."""
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        statistics = (folder / "memory.stat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    freed = int(statistics[statistics.index("inactive_file") + 1])  # reclaimable page cache
    return int(limit) - used + freed
