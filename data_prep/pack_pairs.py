"""A pair list and a folder of crops → a .bin pair file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.align.landmarks import tidy_name
from data_prep.crop_size import SIDE
from data_prep.errors import DataError, UserError
from data_prep.image_header import ImageHeader, image_header
from data_prep.images import (
    SUFFIXES,
    center_square,
    decode_rgb,
    encode_jpeg,
    is_image_name,
    one_thread_each,
)
from data_prep.pair_lists import (
    FOLDS,
    Pair,
    Place,
    has_both_kinds_in_each_fold,
    read_pair_list,
)
from data_prep.pairs import write_pairs

_LISTED = 10
_DROPPED_LIMIT = 16  # leading folders that a list may name and the images' folder may lack


@dataclass(frozen=True)
class PackedPairs:
    """What went into a pair file; `usable` is False when a ten-fold evaluation would fail."""

    pairs: int
    same: int
    images: int
    encoded: int  # were not JPEG, or not 112x112
    resized: int  # were not 112x112
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
    cut to their central square, resized to 112x112 and stored as JPEG of `quality`, as by `pack`.
    An image in several pairs is stored once. See `read_pair_list` for `source` and `kind`.

    Raises:
        DataError: images are missing, unreadable or refused; names them and their lines.
        UserError: `out` exists, or an option is wrong.
    """
    root, out = Path(root), Path(out)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder of images")
    check_new(out)
    pairs = read_pair_list(source, kind)
    places = _first_places(pairs)
    store = ImageStore(_locate_images(root, places), encode, quality, places)
    return write_pair_file(out, [(pair.a, pair.b, pair.same) for pair in pairs], store, progress)


def check_new(path: Path) -> None:
    """Raise UserError if there is a file of this name: no pair file or list is overwritten."""
    if path.exists():
        raise UserError(f"{path} is there already: delete it or choose another name")


def write_pair_file(
    out: Path,
    pairs: Sequence[tuple[str, str, bool]],
    store: ImageStore,
    progress: Callable[[int, int], None] | None,
) -> PackedPairs:
    """Write `out`, a .bin of pairs (name, name, same) of the store's images."""
    images: list[bytes] = []
    with one_thread_each():
        for done, (a, b, _) in enumerate(pairs, 1):
            images += [store.get(a), store.get(b)]
            if progress is not None:
                progress(done, len(pairs))
    out.parent.mkdir(parents=True, exist_ok=True)
    truth = [same for _, _, same in pairs]
    write_pairs(out, images, truth)
    usable = len(pairs) >= FOLDS and has_both_kinds_in_each_fold(truth)
    return PackedPairs(len(pairs), sum(truth), store.images, store.encoded, store.resized, usable)


def _first_places(pairs: Sequence[Pair]) -> dict[str, Place]:
    """The first line that names each image."""
    first: dict[str, Place] = {}
    for pair in pairs:
        for name in (pair.a, pair.b):
            first[name] = min(first.get(name, pair.where), pair.where)
    return first


def _locate_images(root: Path, first: dict[str, Place]) -> dict[str, Path]:
    """The file of each image that a list names; DataError lists those that are not there.

    Lists may name images from further up (`../Data/Images/001/…` in CFP's). How many leading
    folders to drop is one number for the whole list, the one that finds most images, so that a
    missing image is never mistaken for a namesake elsewhere.
    """
    deepest = max(len(tidy_name(name).split("/")) for name in first)
    found: dict[str, Path] = {}
    for dropped in range(min(deepest, _DROPPED_LIMIT)):
        there = {name: path for name in first if (path := find_image(root, name, dropped))}
        if len(there) > len(found):
            found = there
        if len(found) == len(first):
            return found
    raise DataError(
        _missing(root, {n: at for n, at in first.items() if n not in found}, len(first))
    )


def _missing(root: Path, missing: dict[str, Place], images: int) -> str:
    """One line about all images that are not there, the first of them with their lines."""
    places = sorted(missing.items(), key=lambda item: item[1])
    one_file = len({at.file for at in missing.values()}) == 1
    shown = [
        f"{name} (line {at.line})" if one_file else f"{name} ({at})"
        for name, at in places[:_LISTED]
    ]
    if len(places) > _LISTED:
        shown.append(f"and {len(places) - _LISTED:,} more")
    listed_in = places[0][1].file if one_file else places[0][1].file.parent.parent
    return (
        f"{listed_in}: {len(missing):,} of {images:,} images are not in {root}: "
        f"{', '.join(shown)}; give the folder that the list's paths start from, with every photo "
        "aligned (data align --fallback center crops those without a face)"
    )


class ImageStore:
    """The bytes of each image that pairs name, read once.

    `places`: the line of a list that names each image, for messages; none if there is no list.
    """

    def __init__(
        self, files: dict[str, Path], encode: bool, quality: int, places: dict[str, Place]
    ) -> None:
        if not 1 <= quality <= 100:
            raise UserError(f"--quality {quality} is out of range; choose 1 to 100")
        self._files = files
        self._encode = encode
        self._quality = quality
        self._places = places
        self._of_name: dict[str, bytes] = {}
        self.encoded = self.resized = 0

    @property
    def images(self) -> int:
        """How many have been read."""
        return len(self._of_name)

    def get(self, name: str) -> bytes:
        """Image `name`, as it is stored. DataError if it is not fit to be."""
        if name not in self._of_name:
            try:
                self._of_name[name] = self._read(self._files[name])
            except DataError as error:
                place = f"{self._places[name]}: " if name in self._places else ""
                raise DataError(f"{place}{error}") from None
        return self._of_name[name]

    def _read(self, path: Path) -> bytes:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}") from None
        header = image_header(data)
        as_it_is = header == ("jpeg", SIDE, SIDE)
        if not as_it_is and not self._encode:
            raise DataError(
                f"{path} is {_what(header)}, not a {SIDE}x{SIDE} JPEG: align the photos first "
                "(data align), or give --encode to resize and encode aligned crops"
            )
        try:
            image = decode_rgb(data)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        if as_it_is:
            return data
        self.encoded += 1
        self.resized += image.shape[:2] != (SIDE, SIDE)
        return encode_jpeg(center_square(image), self._quality)


def _what(header: ImageHeader | None) -> str:
    return f"{header.format} {header.width}x{header.height}" if header else "no image we can read"


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
