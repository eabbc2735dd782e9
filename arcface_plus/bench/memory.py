"""Peak resident memory of a process."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

MEGABYTE = 1e6


def peak_resident_mb() -> float:
    """Peak resident memory of this process, in MB (10⁶ bytes).

    Linux's VmHWM counts this process only; ``ru_maxrss``, the fallback, starts at the parent's peak
    and hides anything smaller.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / MEGABYTE
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak if sys.platform == "darwin" else peak * 1024) / MEGABYTE
