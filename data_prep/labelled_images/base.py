"""What every kind of classification data set offers: images of one size, each with a class."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError
from data_prep.files import read_file
from data_prep.image_container import container_damage
from data_prep.image_header import image_header
from data_prep.images import decode_rgb

Split = Literal["train", "test"]
Pixels = NDArray[np.uint8]
_DECODING = 1  # increase when `_read` changes the pixels


class LabelledImages(ABC):
    """The training or the test split of a data set: images 0 … n − 1.

    A kind of set is a subclass in a file of its own and a line in `KINDS` (`__init__.py`).

    Attributes:
        path: what was opened.
        split: "train" or "test".
        labels: (n,) int64.
        class_names: class → name, of every class, whether or not the split has images of it.
        size: height and width of every image.
    """

    kind: ClassVar[str]  # "CIFAR, Python version": what a person calls it
    described: ClassVar[str]  # which files make a folder one

    def __init__(
        self,
        path: Path,
        split: Split,
        labels: NDArray[np.int64],
        class_names: dict[int, str],
        size: tuple[int, int],
    ) -> None:
        self.path, self.split, self.labels = path, split, labels
        self.class_names, self.size = class_names, size

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @property
    def folder(self) -> Path:
        """Where files that belong to the set are kept."""
        return self.path

    @property
    def name(self) -> str:
        """The prefix of their names."""
        return self.split

    @abstractmethod
    def image(self, index: int) -> Pixels:
        """Image `index`: (h, w, 3) uint8 RGB, grey repeated; DataError naming a bad file.

        Any number of threads may call it.
        """

    def original(self, index: int) -> Pixels:
        """Image `index` as its file has it, (h, w, 3) of any size; see `Squares`."""
        return self.image(index)

    def batch(self, indices: NDArray[np.int64]) -> Pixels:
        """The images `indices` (m,): (m, h, w, 3) uint8 RGB."""
        pixels = np.empty((len(indices), *self.size, 3), np.uint8)
        for place, index in enumerate(indices.tolist()):
            pixels[place] = self.image(index)
        return pixels

    @abstractmethod
    def stamps(self) -> Iterator[bytes]:
        """What changes when images, their order or their files do; told without reading pixels."""

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the images, their order or the decoder."""
        return _hash(8, self.stamps())

    @abstractmethod
    def contents(self) -> Iterator[bytes]:
        """The images as the files have them."""

    def digest(self) -> str:
        """32 hexadecimal digits of what training sees: labels, images and their order.

        A copy of the set in another place has the same.
        """

        def parts() -> Iterator[bytes]:
            yield np.ascontiguousarray(self.labels, "<i8").tobytes()
            yield from self.contents()

        return _hash(16, parts())

    def subset(self, indices: NDArray[np.int64]) -> LabelledImages:
        """Only the images `indices` (m,), in this order, with all classes."""
        return Subset(self, indices)


class PixelArray(LabelledImages):
    """Images that lie in memory: `pixels` (n, h, w, c) uint8, c being 1 (grey) or 3 (RGB)."""

    def __init__(
        self,
        path: Path,
        split: Split,
        pixels: Pixels,
        labels: NDArray[np.int64],
        class_names: dict[int, str],
    ) -> None:
        super().__init__(path, split, labels, class_names, (pixels.shape[1], pixels.shape[2]))
        self._pixels = pixels

    def image(self, index: int) -> Pixels:
        return np.broadcast_to(self._pixels[index], (*self.size, 3))

    def batch(self, indices: NDArray[np.int64]) -> Pixels:
        return np.broadcast_to(self._pixels[indices], (len(indices), *self.size, 3))

    def stamps(self) -> Iterator[bytes]:
        yield self.digest().encode()

    def contents(self) -> Iterator[bytes]:
        yield str(self._pixels.shape).encode()
        for image in self._pixels:
            yield image.tobytes()


class ImageFiles(LabelledImages):
    """Encoded images in files, decoded whenever they are asked for.

    names: (n) paths below `path`. The first image's size is that of all.
    """

    def __init__(
        self,
        path: Path,
        split: Split,
        names: list[str],
        labels: NDArray[np.int64],
        class_names: dict[int, str],
    ) -> None:
        height, width, _ = _read(path / names[0]).shape
        super().__init__(path, split, labels, class_names, (height, width))
        self._names = names

    def image(self, index: int) -> Pixels:
        return _read(self.path / self._names[index], self.size)

    def original(self, index: int) -> Pixels:
        return _read(self.path / self._names[index])

    def stamps(self) -> Iterator[bytes]:
        """Of the decoder, and of every file's name, size and time of change."""
        yield f"{_DECODING} opencv {cv2.__version__} {len(self)}".encode()
        for name in self._names:
            try:
                status = (self.path / name).stat()
            except OSError as error:
                raise DataError(f"{self.path / name}: {error.strerror or error}") from None
            text = f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0"
            yield text.encode("utf-8", "surrogateescape")

    def contents(self) -> Iterator[bytes]:
        for name in self._names:
            data = read_file(self.path / name)
            yield len(data).to_bytes(8, "little")
            yield data


class Subset(LabelledImages):
    """Some images of a set."""

    kind = described = "part of a set"

    def __init__(self, images: LabelledImages, indices: NDArray[np.int64]) -> None:
        super().__init__(
            images.path, images.split, images.labels[indices], images.class_names, images.size
        )
        self._images, self._indices = images, indices

    def image(self, index: int) -> Pixels:
        return self._images.image(int(self._indices[index]))

    def original(self, index: int) -> Pixels:
        return self._images.original(int(self._indices[index]))

    def batch(self, indices: NDArray[np.int64]) -> Pixels:
        return self._images.batch(self._indices[indices])

    def stamps(self) -> Iterator[bytes]:
        yield from self._images.stamps()
        yield np.ascontiguousarray(self._indices, "<i8").tobytes()

    def contents(self) -> Iterator[bytes]:
        yield self._images.digest().encode()
        yield np.ascontiguousarray(self._indices, "<i8").tobytes()


def _read(file: Path, size: tuple[int, int] | None = None) -> Pixels:
    """(h, w, 3) RGB of any size or of `size`; DataError names the file.

    An image that claims another size is refused before it is decoded.
    """
    data = read_file(file)
    header = image_header(data)
    if header is not None and size is not None and {header.height, header.width} != set(size):
        raise _of_other_size(file, (header.height, header.width), size)
    damage = container_damage(data)
    if damage is not None:
        raise DataError(f"{file}: cannot be decoded: {damage}")
    try:
        image = decode_rgb(data)
    except DataError as error:
        raise DataError(f"{file}: cannot be decoded: {error}") from None
    if size is not None and image.shape[:2] != size:  # EXIF turns it to the other side
        raise _of_other_size(file, image.shape[:2], size)
    return image


def _of_other_size(file: Path, size: tuple[int, ...], wanted: tuple[int, int]) -> DataError:
    return DataError(f"{file}: is {size[1]}×{size[0]}, the first image {wanted[1]}×{wanted[0]}")


def _hash(size: int, parts: Iterator[bytes]) -> str:
    digest = hashlib.blake2b(digest_size=size)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
