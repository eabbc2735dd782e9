"""Small classification data sets in the layouts of the official ones."""

from __future__ import annotations

import gzip
import pickle
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np

CIFAR_10 = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]


def images(count: int, side: int, channels: int, seed: int = 0) -> np.ndarray:
    """(count, side, side, channels) uint8."""
    rng = np.random.default_rng((seed, count, side))
    return rng.integers(0, 256, (count, side, side, channels), np.uint8)


def labels(count: int, classes: int) -> np.ndarray:
    return np.arange(count) % classes


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_mnist(folder: Path, train: int = 20, test: int = 10, packed: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, count in (("train", train), ("t10k", test)):
        for name, array in (
            (f"{prefix}-images-idx3-ubyte", images(count, 28, 1)[..., 0]),
            (f"{prefix}-labels-idx1-ubyte", labels(count, 10)),
        ):
            data = idx(array)
            file = folder / (f"{name}.gz" if packed else name)
            file.write_bytes(gzip.compress(data) if packed else data)


def planes(pixels: np.ndarray) -> np.ndarray:
    """(n, 32, 32, 3) → (n, 3072), as CIFAR stores them."""
    return pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)


def python_2_pickle(content: dict[str, Any]) -> bytes:
    """As Python 2 wrote CIFAR's batches: byte strings of protocol 2, memoized like cPickle's."""
    out = bytearray(b"\x80\x02}q\x01(")

    def text(value: bytes) -> None:
        nonlocal out
        if len(value) < 256:
            out += b"U" + bytes([len(value)]) + value
        else:
            out += b"T" + struct.pack("<i", len(value)) + value

    def put(value: Any) -> None:
        nonlocal out
        if isinstance(value, str):
            text(value.encode())
        elif isinstance(value, int):
            out += b"J" + struct.pack("<i", value)
        elif isinstance(value, list):
            out += b"]("
            for item in value:
                put(item)
            out += b"e"
        else:
            out += b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
            out += b"(K\x01" + b"".join(b"J" + struct.pack("<i", side) for side in value.shape)
            out += b"\x86" if value.ndim == 2 else b"\x85"
            out += b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
            out += b"J\xff\xff\xff\xffK\x00tb\x89"
            text(value.tobytes())
            out += b"tb"

    for key, value in content.items():
        put(key)
        put(value)
    return bytes(out) + b"u."


def cifar_10_batches(count: int = 4) -> dict[str, dict[str, Any]]:
    """File → content of CIFAR-10's Python version."""
    files: dict[str, dict[str, Any]] = {
        "batches.meta": {"num_cases_per_batch": count, "label_names": CIFAR_10, "num_vis": 3072}
    }
    for k, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        files[name] = {
            "batch_label": name,
            "labels": [(k * count + i) % 10 for i in range(count)],
            "data": planes(images(count, 32, 3, seed=k)),
            "filenames": [f"{k}_{i}.png" for i in range(count)],
        }
    return files


def cifar_100_batches(train: int = 6, test: int = 4) -> dict[str, dict[str, Any]]:
    """File → content of CIFAR-100's Python version."""
    files: dict[str, dict[str, Any]] = {
        "meta": {
            "fine_label_names": [f"fine_{k}" for k in range(100)],
            "coarse_label_names": [f"coarse_{k}" for k in range(20)],
        }
    }
    for name, count in (("train", train), ("test", test)):
        files[name] = {
            "filenames": [f"{i}.png" for i in range(count)],
            "batch_label": name,
            "fine_labels": [(99 - i) % 100 for i in range(count)],
            "coarse_labels": [i % 20 for i in range(count)],
            "data": planes(images(count, 32, 3)),
        }
    return files


def write_pickles(folder: Path, files: dict[str, dict[str, Any]], python_2: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = python_2_pickle(content) if python_2 else pickle.dumps(content)
        (folder / name).write_bytes(data)


def write_cifar_10_binary(folder: Path, count: int = 4) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    batches = cifar_10_batches(count)
    names = batches.pop("batches.meta")["label_names"]
    (folder / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    for name, batch in batches.items():
        rows = np.concatenate([np.array(batch["labels"])[:, None], batch["data"]], axis=1)
        (folder / f"{name}.bin").write_bytes(rows.astype(np.uint8).tobytes())


def write_cifar_100_binary(folder: Path, train: int = 6, test: int = 4) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    batches = cifar_100_batches(train, test)
    names = batches.pop("meta")["fine_label_names"]
    (folder / "fine_label_names.txt").write_text("\n".join(names) + "\n")
    for name, batch in batches.items():
        both = np.array([batch["coarse_labels"], batch["fine_labels"]]).T
        rows = np.concatenate([both, batch["data"]], axis=1)
        (folder / f"{name}.bin").write_bytes(rows.astype(np.uint8).tobytes())


def png(pixels: np.ndarray) -> bytes:
    """(h, w, 3) RGB → PNG."""
    return cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()


def write_class_folders(
    folder: Path, classes: list[str], train: int = 3, test: int = 2, side: int = 32,
    test_folder: str = "test",
) -> None:  # fmt: skip
    for k, name in enumerate(classes):
        for split, count in (("train", train), (test_folder, test)):
            (folder / split / name).mkdir(parents=True)
            for i, pixels in enumerate(images(count, side, 3, seed=k)):
                (folder / split / name / f"{i}.png").write_bytes(png(pixels))


def write_imagenet(folder: Path, classes: int = 3, train: int = 4, test: int = 2) -> None:
    """Class folders with JPEGs of different sizes, as ImageNet's."""
    for k in range(classes):
        for split, count in (("train", train), ("val", test)):
            place = folder / split / f"n{k:08d}"
            place.mkdir(parents=True)
            for i in range(count):
                pixels = images(1, 50, 3, seed=10 * k + i)[0, : 50 - 3 * i, : 40 + 4 * i]
                jpeg = cv2.imencode(".jpg", pixels[..., ::-1])[1].tobytes()
                (place / f"n{k:08d}_{i}.JPEG").write_bytes(jpeg)


def write_tiny_imagenet(folder: Path, classes: int = 3, train: int = 2, test: int = 2) -> None:
    wnids = [f"n{9 - k:08d}" for k in range(classes)]  # not sorted, as in the original
    lines, number = [], 0
    (folder / "val/images").mkdir(parents=True)
    for k, wnid in enumerate(wnids):
        (folder / "train" / wnid / "images").mkdir(parents=True)
        (folder / "train" / wnid / f"{wnid}_boxes.txt").write_text("")
        for i, pixels in enumerate(images(train, 64, 3, seed=k)):
            jpeg = cv2.imencode(".jpg", pixels[..., ::-1])[1].tobytes()
            (folder / "train" / wnid / "images" / f"{wnid}_{i}.JPEG").write_bytes(jpeg)
    for i in range(test):
        for k, wnid in enumerate(wnids):
            jpeg = cv2.imencode(".jpg", images(1, 64, 3, seed=100 + 10 * k + i)[0])[1].tobytes()
            (folder / "val/images" / f"val_{number}.JPEG").write_bytes(jpeg)
            lines.append(f"val_{number}.JPEG\t{wnid}\t0\t0\t62\t62\n")
            number += 1
    (folder / "val/val_annotations.txt").write_text("".join(lines))
    (folder / "wnids.txt").write_text("\n".join(wnids))
    (folder / "words.txt").write_text("".join(f"{w}\tname of {w}, other\n" for w in sorted(wnids)))
