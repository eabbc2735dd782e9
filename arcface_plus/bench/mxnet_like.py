"""The data path of common PyTorch scripts, restated; and MXNet itself if available.

`MXFaceDataset` of arcface_torch reads a record, decodes it with MXNet to an array, converts that to
a PIL image, mirrors it at random, converts it to a float tensor and normalizes it; DataLoader
stacks 128 of them in a worker process and passes them through shared memory. Here our reader and
OpenCV read and decode, in a third of the time of MXNet (whose engine uses a separate thread).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision import transforms

from data_prep.crop_size import SIDE
from data_prep.recordio import RecordReader
from data_prep.training_set import image_keys

Sample = tuple[torch.Tensor, torch.Tensor]


class RecordImages(Dataset[Sample]):
    """`MXFaceDataset` of arcface_torch, with our reader and OpenCV instead of MXNet's."""

    def __init__(self, record_file: Path) -> None:
        self._reader = RecordReader(record_file)
        self._keys = image_keys(self._reader)
        self._transform = transforms.Compose(
            [
                transforms.ToPILImage(),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5]),
            ]
        )

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, index: int) -> Sample:
        record = self._reader[int(self._keys[index])]
        label = record.label if isinstance(record.label, float) else float(record.label[0])
        # mx.image.imdecode decodes to BGR, then swaps the channels; asnumpy makes a copy.
        bgr = cv2.imdecode(np.frombuffer(record.image, np.uint8), cv2.IMREAD_COLOR)
        assert bgr is not None
        pixels = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).copy()
        return self._transform(pixels), torch.tensor(label, dtype=torch.long)

    def batch(self, indices: Iterable[int]) -> Sample:
        """A batch as DataLoader's workers build it: (n, 3, 112, 112) float32, (n,) int64."""
        images, labels = default_collate([self[index] for index in indices])
        return images, labels


def loader(faces: RecordImages, order: list[int], batch: int, workers: int) -> DataLoader[Sample]:
    """arcface_torch's DataLoader: `workers` processes, pinned memory where there is a GPU."""
    return DataLoader(
        faces,
        batch_size=batch,
        sampler=order,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=True,
    )


def workers_with_room(batch: int) -> int:
    """One worker per core, but no more than /dev/shm has room for: batches pass through it."""
    each = 3 * batch * 3 * SIDE * SIDE * 4  # float32, two ahead and one in use
    shared = Path("/dev/shm")
    room = shutil.disk_usage(shared).free // each if shared.is_dir() else 1
    return max(1, min(os.cpu_count() or 1, room))


_REAL = """
import os, sys, time
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # its engine's threads on one core, too
import mxnet as mx
record_file, images, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
reader = mx.recordio.MXIndexedRecordIO(record_file[:-4] + ".idx", record_file, "r")
header, image = mx.recordio.unpack(reader.read_idx(0))
keys = range(1, images + 1) if header.flag > 0 and not image else reader.keys[:images]
seconds = []
for _ in range(repeats + 1):
    start = time.perf_counter()
    for key in keys:
        header, image = mx.recordio.unpack(reader.read_idx(key))
        mx.image.imdecode(image).asnumpy()
    seconds.append(time.perf_counter() - start)
print(sorted(seconds[1:])[repeats // 2])
"""


def real_mxnet_seconds(record_file: Path, images: int, repeats: int) -> float | None:
    """Median seconds in which MXNet reads and decodes the first images, without further steps.

    In its own process, on one core; None unless ARCFACE_PLUS_MXNET_PYTHON names a Python with MXNet
    (tests/interop/make_environment.sh creates one).
    """
    python = os.environ.get("ARCFACE_PLUS_MXNET_PYTHON")
    if not python:
        return None
    command = [python, "-c", _REAL, str(record_file), str(images), str(repeats)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(answer.stdout.split()[-1])
