"""How much memory something takes at its peak: on a GPU as allocated, on a CPU as resident."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

MEGABYTE = 1e6


def peak_resident_mb() -> float:
    """Peak resident memory of this process, in MB (10⁶ bytes).

    Linux's VmHWM is its own; ``ru_maxrss``, the fallback, begins at the peak of the parent and so
    hides whatever is smaller than that.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / MEGABYTE
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak if sys.platform == "darwin" else peak * 1024) / MEGABYTE
