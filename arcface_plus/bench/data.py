"""What a decoded image costs: our path to uint8 RGB against the MXNet-like one, on one core.

The plain way is that of the field's PyTorch scripts: read the record, decode to an array (MXNet's
`imdecode` is OpenCV's), turn it into a PIL image, mirror it at random, into a float tensor, and
normalise that: all on the host, one image at a time. Ours decodes into a uint8 batch; flipping and
normalising wait for the device, where they cost next to nothing.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision import transforms

from arcface_plus.bench.timing import measure
from arcface_plus.data.images import SIZE, decode
from data_prep.recordio import RecordReader
from data_prep.synthetic import generate
from data_prep.training_set import image_keys


def run(images: int = 512, repeats: int = 5) -> dict[str, Any]:
    """Images/s a core from an open .rec of generated faces; ratio = plain seconds over ours."""
    threads = torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder), identities=16, images=images // 16, pairs=20)
            with RecordReader(Path(folder) / "train.rec") as reader:
                keys = [int(key) for key in image_keys(reader)]
                out = np.empty((len(keys), SIZE, SIZE, 3), np.uint8)
                rivals = {
                    "MXNet-like: decode, PIL, random flip, float tensor, normalise": lambda: plain(
                        reader, keys
                    ),
                    "ours: decode to uint8 RGB": lambda: ours(reader, keys, out),
                }
                seconds = {k: median(v) for k, v in measure(rivals, repeats).items()}
    finally:
        torch.set_num_threads(threads)
    baseline = next(iter(seconds.values()))
    return {
        "title": f"record → pixels, {len(keys)} images of {SIZE}×{SIZE}, one core",
        "rows": [
            {"name": name, "images_per_second": len(keys) / value, "ratio": baseline / value}
            for name, value in seconds.items()
        ],
    }


def ours(reader: RecordReader, keys: list[int], out: NDArray[np.uint8]) -> None:
    """What `arcface_plus.data.loader` does in each of its threads."""
    for place, key in enumerate(keys):
        out[place] = decode(reader[key].image)


def plain(reader: RecordReader, keys: list[int]) -> torch.Tensor:
    """The same images as normalised float tensors, made one by one on the host."""
    transform = transforms.Compose(
        [
            transforms.ToPILImage(),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
        ]
    )
    images = []
    for key in keys:
        encoded = np.frombuffer(reader[key].image, np.uint8)
        pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
        images.append(transform(pixels))
    return torch.stack(images)
