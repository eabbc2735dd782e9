"""Time and memory of identification: the method of `eval identify` against the plain one.

The plain way holds all distractors and all scores at once. Every way runs in its own process
(``python -m arcface_plus.bench.identification FOLDER DISTRACTORS WAY``), since a process's peak
memory cannot be reset.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WAYS = {"plain": "all scores at once", "blocks": "in blocks"}


def run(
    probes: int = 1000,
    distractors: int = 1_000_000,
    compared_at: int = 100_000,
    dimensions: int = 512,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Both ways at `compared_at` distractors, the blocks at `distractors` too, from files.

    Needs 4 · distractors · dimensions bytes of temporary disk space (2 GB).

    Returns:
        ``title``; ``rows``, each with name, seconds (of the search, including reading the files),
        peak_mb (resident, of the whole process with PyTorch loaded) and ratio (the plain way's time
        over this one's; None where the plain way was not run); ``same_figures``, whether both ways
        found the same rank-1 rate and the same TAR at FAR 1e-3.
    """
    sizes = {compared_at: ("plain", "blocks"), distractors: ("blocks",)}
    with tempfile.TemporaryDirectory(prefix="arcface-plus-bench-") as name:
        folder = Path(name)
        _write(folder, probes, sizes, dimensions, seed)
        found = {}
        for size, ways in sizes.items():
            for way in ways:
                found[size, way] = _in_own_process(folder, size, way)
                if progress is not None:
                    progress(len(found), 3)
    baseline, rival = found[compared_at, "plain"], found[compared_at, "blocks"]
    return {
        "title": f"identification of {probes:,} probes, {dimensions}-d float32 embeddings",
        "rows": [
            {
                "name": f"{size:,} distractors, {WAYS[way]}",
                "seconds": result["seconds"],
                "peak_mb": result["peak_mb"],
                "ratio": baseline["seconds"] / result["seconds"] if size == compared_at else None,
            }
            for (size, way), result in found.items()
        ],
        "same_figures": baseline["figures"] == rival["figures"],
    }


def _write(
    folder: Path, probes: int, sizes: dict[int, tuple[str, ...]], dimensions: int, seed: int
) -> None:
    """Write gallery and probes, one image each, of which some are found; and the distractors."""
    rng = np.random.default_rng(seed)
    gallery = rng.standard_normal((probes, dimensions), dtype=np.float32)
    noise = rng.standard_normal((probes, dimensions), dtype=np.float32)
    # Cosines of a probe and its mate from 0.1 to 0.4, of strangers around 0 ± 1/sqrt(512).
    near = np.linspace(0.1, 0.4, probes, dtype=np.float32)[:, None]
    labels = np.arange(probes)
    np.savez(folder / "gallery.npz", embeddings=gallery, labels=labels)
    np.savez(folder / "probes.npz", embeddings=near * gallery + noise, labels=labels)
    for size in sizes:
        file = np.lib.format.open_memmap(
            folder / f"distractors_{size}.npy", "w+", np.float32, (size, dimensions)
        )
        for start in range(0, size, 10_000):
            file[start : start + 10_000] = rng.standard_normal(
                (min(10_000, size - start), dimensions), dtype=np.float32
            )
        file.flush()


def _in_own_process(folder: Path, size: int, way: str) -> dict[str, Any]:
    # -P: the current folder may have its own `eval`.
    module = "arcface_plus.bench.identification"
    words = [sys.executable, "-P", "-m", module, str(folder), str(size), way]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _blocks(gallery: Path, probes: Path, distractors: Path) -> list[float | None]:
    import torch

    from arcface_plus.evaluation.identification import identify_files

    result = identify_files(
        gallery, probes, distractors, embedder=None, device=torch.device("cpu"), batch_size=128
    )
    return [result.rank_rates[result.distractors][1], result.tar_at_far["1e-3"]]


def _plain(gallery: Path, probes: Path, distractors: Path) -> list[float | None]:
    from sklearn.preprocessing import normalize

    from eval.search import TIE

    rows = [np.load(gallery)["embeddings"], np.load(probes)["embeddings"], np.load(distractors)]
    known, asked, strangers = (normalize(row) for row in rows)
    limits = np.einsum("ij,ij->i", known.astype(np.float64), asked) - TIE
    scores: NDArray[np.float32] = asked @ strangers.T
    ahead = np.sum(scores >= limits[:, None].astype(np.float32), axis=1)
    ordered = scores.ravel()
    ordered.sort()
    threshold = ordered[-1 - ordered.size // 1000]
    return [float(np.mean(ahead < 1)), float(np.mean(limits > threshold))]


def _peak_mb() -> float:
    """Highest resident memory of this process in MB (10⁶ bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # unlike getrusage's, this peak is reset when a program starts
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _main(folder: str, size: str, way: str) -> None:
    import torch  # noqa: F401  # loaded for both ways, as in the command line

    files = [Path(folder) / name for name in ("gallery.npz", "probes.npz")]
    search = {"plain": _plain, "blocks": _blocks}[way]
    start = time.perf_counter()
    figures = search(files[0], files[1], Path(folder) / f"distractors_{size}.npy")
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_mb": _peak_mb(), "figures": figures}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
