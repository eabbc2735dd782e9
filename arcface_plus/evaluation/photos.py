"""Photos as crops: the faces of an image source are found once, then cut out as they are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcface_plus.evaluation.image_source import ImageSource
from arcface_plus.evaluation.protocol_embedding import Progress
from data_prep.align.align import Aligner
from data_prep.align.detector import Face, pick_face
from data_prep.align.face_crop import center_crop, crop
from data_prep.errors import DataError, UserError
from data_prep.images import Image, decode_rgb, encode_as, one_thread_each

_LISTED = 10
_AT_ONCE = 256  # photos between two steps of the progress bar


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """landmarks: of the face taken from each photo, (5, 2) in its pixels; None without a face.

    several: how many photos show more than one face.
    """

    landmarks: list[NDArray[np.float64] | None]
    several: int

    @property
    def faceless(self) -> list[int]:
        """The photos in which no face was found."""
        return [index for index, points in enumerate(self.landmarks) if points is None]


def find_faces(
    source: ImageSource, aligner: Aligner, progress: Progress | None = None
) -> FoundFaces:
    """Look for the face of every photo, in a thread per core; DataError names an unreadable one."""
    found: list[tuple[Face | None, int]] = []

    def find(index: int) -> tuple[Face | None, int]:
        image = _photo(source, index)
        faces = aligner.finder.faces(source.names[index], image)
        if not faces:
            return None, 0
        return pick_face(faces, (image.shape[1], image.shape[0]), aligner.pick), len(faces)

    with one_thread_each(), ThreadPoolExecutor(os.cpu_count() or 1, "faces") as pool:
        for start in range(0, len(source), _AT_ONCE):
            found += pool.map(find, range(start, min(start + _AT_ONCE, len(source))))
            if progress is not None:
                progress(len(found), len(source))
    landmarks = [None if face is None else face.landmarks for face, _ in found]
    return FoundFaces(landmarks, sum(count > 1 for _, count in found))


def crops_of(
    source: ImageSource, found: FoundFaces, *, center_faceless: bool, skip_faceless: bool
) -> ImageSource:
    """The same images as losslessly encoded 112×112 crops.

    Photos without a face are cropped at their centre, left out, or an error that names them. Each
    photo is decoded again when its crop is read: a hundred thousand crops would fill the memory.

    Raises:
        UserError: photos without a face and no word on what to do; images of pairs left out.
        DataError: no photo shows a face.
    """
    faceless = [] if center_faceless else found.faceless
    if faceless and not skip_faceless:
        raise UserError(
            f"{source.path}: no face found in {len(faceless)} of {len(source)} photos: "
            f"{listed([source.names[k] for k in faceless])}; --skip-faceless leaves such photos "
            "out, --fallback center crops their centre"
        )
    if faceless and source.same is not None:
        raise UserError(
            f"{source.path}: {source.names[faceless[0]]}: no face found, and an image of a pair "
            "cannot be left out; --fallback center crops its centre"
        )
    if len(faceless) == len(source):
        raise DataError(f"{source.path}: no face found in any of its {len(source)} photos")
    left_out = set(faceless)
    kept = [k for k in range(len(source)) if k not in left_out]
    return ImageSource(
        source.path,
        [source.names[k] for k in kept],
        _reader(source, found, kept),
        None if source.labels is None else source.labels[kept],
        source.class_names,
        source.same,
    )


def listed(names: Sequence[str]) -> str:
    """The first ten names, and how many more there are."""
    more = f" … and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _reader(source: ImageSource, found: FoundFaces, kept: list[int]) -> Callable[[int], bytes]:
    def read(index: int) -> bytes:
        photo, points = _photo(source, kept[index]), found.landmarks[kept[index]]
        return encode_as(".bmp", center_crop(photo) if points is None else crop(photo, points))

    return read


def _photo(source: ImageSource, index: int) -> Image:
    try:
        return decode_rgb(source[index])
    except DataError as error:
        raise DataError(f"{source.name(index)}: {error}") from None
