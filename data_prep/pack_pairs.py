"""A pair list and a folder of crops → a .bin pair file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from data_prep.align.landmarks import tidy_name
from data_prep.crop_size import SIDE
from data_prep.errors import DataError, UserError
from data_prep.image_header import ImageHeader, image_header
from data_prep.images import SUFFIXES, decode_rgb, encode_jpeg, is_image_name, one_thread_each
from data_prep.pair_lists import FOLDS, has_both_kinds_in_each_fold, read_pair_list
from data_prep.pairs import write_pairs


@dataclass(frozen=True)
class PackedPairs:
    """What went into a pair file; `usable` is False when a ten-fold evaluation would fail."""

    pairs: int
    same: int
    images: int
    encoded: int
    usable: bool


def pack_pairs(
    source: str | os.PathLike[str],
    root: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    kind: str = "auto",
    encode: bool = False,
    quality: int = 95,
    progress: Callable[[int, int], None] | None = None,
) -> PackedPairs:
    """Write `out`, a .bin of the pairs that `source` lists, from the images below `root`.

    JPEG images of 112x112 are stored byte for byte. Others are refused, or with `encode` decoded,
    resized to 112x112 and stored as JPEG of `quality`. An image in several pairs is stored once.

    Raises DataError, naming file and line of the list, for an image that is missing, unreadable or
    refused; UserError where `out` exists. See `read_pair_list` for `source` and `kind`.
    """
    root, out = Path(root), Path(out)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder of images")
    if out.exists():
        raise UserError(f"{out} is there already: delete it or choose another name")
    if not 1 <= quality <= 100:
        raise UserError(f"--quality {quality} is out of range; choose 1 to 100")
    pairs = read_pair_list(source, kind)
    store = _Store(root, encode, quality)
    images: list[bytes] = []
    with one_thread_each():
        for done, pair in enumerate(pairs, 1):
            images += [store.get(name, pair.where) for name in (pair.a, pair.b)]
            if progress is not None:
                progress(done, len(pairs))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_pairs(out, images, [pair.same for pair in pairs])
    return PackedPairs(
        len(pairs),
        sum(pair.same for pair in pairs),
        len(store),
        store.encoded,
        len(pairs) >= FOLDS and has_both_kinds_in_each_fold(pairs),
    )


class _Store:
    """The bytes of each image that pairs name, read once."""

    def __init__(self, root: Path, encode: bool, quality: int) -> None:
        self._root = root
        self._encode = encode
        self._quality = quality
        self._of_name: dict[str, bytes] = {}
        self._dropped: int | None = None
        self.encoded = 0

    def __len__(self) -> int:
        return len(self._of_name)

    def get(self, name: str, where: str) -> bytes:
        if name not in self._of_name:
            self._of_name[name] = self._read(self._find(name, where), where)
        return self._of_name[name]

    def _find(self, name: str, where: str) -> Path:
        """The image's file; DataError if it is not there.

        Lists may name images from further up (`../Data/Images/001/…` in CFP's). How many leading
        folders to drop is settled by the first image and holds for all, so that a missing image
        is never mistaken for a namesake elsewhere.
        """
        depth = len(tidy_name(name).split("/"))
        depths = range(depth) if self._dropped is None else (self._dropped,)
        for dropped in depths:
            if path := find_image(self._root, name, dropped):
                self._dropped = dropped
                return path
        raise DataError(
            f"{where}: image {name} is not in {self._root}; give the folder that the list's paths "
            "start from, with every photo aligned (--fallback center crops those without a face)"
        )

    def _read(self, path: Path, where: str) -> bytes:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(f"{where}: {path}: {error.strerror or error}") from None
        header = image_header(data)
        as_it_is = header == ("jpeg", SIDE, SIDE)
        if not as_it_is and not self._encode:
            raise DataError(
                f"{where}: {path} is {_what(header)}, not a {SIDE}x{SIDE} JPEG: align the photos "
                "first (data align), or --encode to resize and encode them"
            )
        try:
            image = decode_rgb(data)
        except DataError as error:
            raise DataError(f"{where}: {path}: {error}") from None
        if as_it_is:
            return data
        self.encoded += 1
        if image.shape[:2] != (SIDE, SIDE):
            resized = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            image = resized.astype(np.uint8, copy=False)
        return encode_jpeg(image, self._quality)


def _what(header: ImageHeader | None) -> str:
    return f"{header.format} {header.width}x{header.height}" if header else "no image we read"


def find_image(root: Path, name: str, dropped: int) -> Path | None:
    """What a list calls `name`, below `root` and never outside it; None if it is not there.

    `dropped` leading folders of the name are left out; another image suffix will do (crops are
    often PNG where the list says .jpg).
    """
    parts = [part for part in tidy_name(name).split("/") if part != ".."][dropped:]
    if not parts:
        return None
    path = root.joinpath(*parts)
    suffixes = (path.suffix, *sorted(SUFFIXES)) if is_image_name(path.name) else (path.suffix,)
    return next((p for p in map(path.with_suffix, suffixes) if os.path.isfile(p)), None)
