"""Speed of data loading: our data path against the MXNet-like one, on one core and on all cores.

The baseline is the loader of common PyTorch scripts, DataLoader with worker processes, restated in
`bench/mxnet_like.py`. For a GPU, our path ends with a uint8 batch in a reused buffer (mirroring and
normalizing run on the GPU at almost no cost); for a CPU with a new float batch. Both are shown. The
baseline without worker processes, which is not used for training, shows how much of the time goes
into moving batches between processes. If ARCFACE_PLUS_MXNET_PYTHON names an environment with MXNet,
MXNet is measured too.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from arcface_plus.bench import mxnet_like
from arcface_plus.bench.timing import measure
from arcface_plus.data.loader import Loader, LoaderSettings
from arcface_plus.data.pixels import CHUNK, Decoding
from arcface_plus.data.sources import Source
from arcface_plus.data.workers import Workers
from data_prep.crop_size import SIDE
from data_prep.faces.synthetic import generate
from data_prep.image_sets import ImageSet, open_image_set
from data_prep.images import one_thread_each

_BATCH = 128  # arcface_torch's, for one GPU
_EPOCHS = 4  # per call of a loader, so that its start-up matters little


def run(images: int = 512, repeats: int = 5, train: Path | None = None) -> dict[str, Any]:
    """Images/s from an open .rec; ratio = the baseline's seconds over each way's, of medians.

    On generated faces and, if given, the first images of `train` (a .rec or a folder with
    train.rec) or of cfp_train under ARCFACE_PLUS_REAL_DATA.
    """
    real = train or _real_crops()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, _one_thread_a_core():
        generate(Path(folder), identities=16, images=max(1, images // 16), pairs=20)
        for name, path in (("generated", Path(folder)), ("real", real)):
            if path is not None:
                rows += _rows(name, path, images, repeats, Path(folder) / "cache")
    return {
        "title": f"record → batches of {SIDE}×{SIDE}, {images} images, {os.cpu_count()} cores",
        "rows": rows,
    }


def _rows(name: str, path: Path, images: int, repeats: int, cache: Path) -> list[dict[str, Any]]:
    record_file = path / "train.rec" if path.is_dir() else path
    source = _First(open_image_set(record_file), images)
    rows = []
    with _one_core(), _one_core_rivals(record_file, source) as rivals:
        rows += _compare(f"{name}, one core", rivals, len(source) * _EPOCHS, repeats)
    seconds = mxnet_like.real_mxnet_seconds(record_file, len(source), repeats)
    if seconds is not None:
        rate = len(source) / seconds
        row = {"name": f"{name}, one core: MXNet itself, decoded and no more"}
        ratio = rate / rows[0]["images_per_second"]
        rows.append({**row, "images_per_second": rate, "ratio": ratio})
    with _all_cores_rivals(record_file, source, cache) as rivals:
        rows += _compare(f"{name}, all cores", rivals, len(source) * _EPOCHS, repeats)
    return rows


@contextmanager
def _one_core_rivals(
    record_file: Path, source: Source
) -> Iterator[dict[str, Callable[[], object]]]:
    faces = mxnet_like.RecordImages(record_file)
    order = list(range(len(source))) * _EPOCHS
    batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
    plain = mxnet_like.loader(faces, order, _BATCH, workers=1)
    decoding, workers = Decoding(source), Workers(1)
    out = np.empty((_BATCH, SIDE, SIDE, 3), np.uint8)

    def in_one_process() -> None:
        for batch in batches:
            faces.batch(batch)

    def for_a_gpu() -> None:
        for batch in batches:
            indices = np.array(batch)

            def work(start: int, stop: int, indices: NDArray[np.int64] = indices) -> None:
                decoding.read(indices[start:stop], out[start:stop])

            workers.each_chunk(work, len(batch), CHUNK)

    with closing(_loader(source, "none", None, threads=1)) as ours:
        yield {
            "MXNet-like, DataLoader with a worker": partial(_use_up, plain),
            "MXNet-like, without DataLoader": in_one_process,
            "ours, uint8 batches for a GPU": for_a_gpu,
            "ours, float batches on a CPU": partial(_take, ours, len(batches)),
        }
    workers.close()


@contextmanager
def _all_cores_rivals(
    record_file: Path, source: Source, cache: Path
) -> Iterator[dict[str, Callable[[], object]]]:
    """Complete loaders that end with float batches on the CPU."""
    faces = mxnet_like.RecordImages(record_file)
    order = np.random.default_rng(0).permutation(len(source)).tolist() * _EPOCHS
    workers = mxnet_like.workers_with_room(_BATCH)
    plain = mxnet_like.loader(faces, order, _BATCH, workers)
    steps = -(-len(order) // _BATCH)
    with ExitStack() as stack:
        ours = {
            name: stack.enter_context(closing(_loader(source, name, cache, threads=0)))
            for name in ("none", "memory", "disk")
        }
        rivals: dict[str, Callable[[], object]]
        rivals = {f"MXNet-like, DataLoader with {workers}": partial(_use_up, plain)}
        for name, loader in ours.items():
            rivals[f"ours, data.cache: {name}"] = partial(_take, loader, steps)
        yield rivals


def _loader(source: Source, cache: str, folder: Path | None, threads: int) -> Loader:
    settings = LoaderSettings(_BATCH, seed=0, cache=cache, cache_dir=folder, threads=threads)
    return Loader(source, settings, torch.device("cpu"))


def _take(loader: Loader, steps: int) -> None:
    _use_up(loader.batches(0, steps))


def _use_up(batches: Iterable[object]) -> None:
    deque(batches, maxlen=0)


class _First(Source):
    """The first images of a set, so that their caches stay small."""

    def __init__(self, images: ImageSet, count: int) -> None:
        super().__init__(images)
        self.labels = self.labels[:count]


def _compare(
    where: str, rivals: Mapping[str, Callable[[], object]], images: int, repeats: int
) -> list[dict[str, Any]]:
    seconds = {name: median(each) for name, each in measure(rivals, repeats).items()}
    baseline = next(iter(seconds.values()))
    return [
        {
            "name": f"{where}: {name}",
            "images_per_second": images / value,
            "ratio": baseline / value,
        }
        for name, value in seconds.items()
    ]


def _real_crops() -> Path | None:
    folder = Path(os.environ.get("ARCFACE_PLUS_REAL_DATA", "")) / "cfp_train"
    return folder if (folder / "train.rec").is_file() else None


@contextmanager
def _one_core() -> Iterator[None]:
    """This thread and all threads and processes that it starts inside share one core."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def _one_thread_a_core() -> Iterator[None]:
    """Keep OpenCV and PyTorch from starting threads besides the measured ones."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with one_thread_each():
            yield
    finally:
        torch.set_num_threads(threads)
