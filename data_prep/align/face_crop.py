"""Five landmarks → the field's 112x112 crop.

Landmarks are (5, 2) arrays of x, y in pixels: eye, eye, nose tip, mouth corner, mouth corner, each
two of a kind from image left to image right (so the person's right eye comes first).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from data_prep.crop_size import SIDE
from data_prep.errors import DataError
from data_prep.images import Image

TEMPLATE = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
# The nose tip is this far in front of the plane of the eyes, in distances between the eyes. With it
# YuNet's points give 95% of CFP's frontal photos under 16 degrees and its profiles 33 to 64: a
# detector's points understate a full profile.
_NOSE_LENGTH = 0.4


def similarity(source: ArrayLike, target: ArrayLike = TEMPLATE) -> NDArray[np.float64]:
    """The (2, 3) similarity that maps (n, 2) points onto (n, 2) points with least squared error.

    Umeyama (1991), equations 40 to 42. In the plane its SVD is not needed: with points as complex
    numbers a rotation with scale is one factor, and the best factor is a projection:
    Σ conj(s) t / Σ |s|² over the centred points. Never a reflection. DataError if the source points
    coincide.
    """
    s = np.asarray(source, np.float64) @ (1, 1j)
    t = np.asarray(target, np.float64) @ (1, 1j)
    centred = s - s.mean()
    spread = float((np.abs(centred) ** 2).sum())
    if not spread > 1e-9:
        raise DataError("the five landmarks are the same point")
    factor = (centred.conj() @ (t - t.mean())) / spread
    shift = t.mean() - factor * s.mean()
    return np.array(
        [(factor.real, -factor.imag, shift.real), (factor.imag, factor.real, shift.imag)]
    )


def crop(image: Image, landmarks: ArrayLike) -> Image:
    """(h, w, 3) photo and its (5, 2) landmarks → (112, 112, 3) crop, black beyond the photo.

    Bilinear, as the field's sets were cut. Where the crop is less than half the photo's resolution
    bilinear sampling would skip pixels, so the photo is first averaged down by a whole factor.
    """
    matrix = similarity(landmarks)
    factor = int(1 / scale_of(matrix))
    if factor >= 2:
        height, width = (max(1, side // factor) for side in image.shape[:2])
        image_scale = np.array((width / image.shape[1], height / image.shape[0]))
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
        # Pixel centres are at whole numbers, so the photo's corner is at -0.5 in both scales.
        matrix = similarity((np.asarray(landmarks, np.float64) + 0.5) * image_scale - 0.5)
    warped = cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    return warped.astype(np.uint8, copy=False)


def center_crop(image: Image) -> Image:
    """The largest centred square of an (h, w, 3) photo, resized to (112, 112, 3)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    how = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    return cv2.resize(square, (SIDE, SIDE), interpolation=how).astype(np.uint8, copy=False)


def scale_of(matrix: NDArray[np.float64]) -> float:
    """How many pixels of the target a pixel of the source becomes."""
    return math.hypot(matrix[0, 0], matrix[1, 0])


def crop_side(landmarks: ArrayLike) -> float:
    """Side in photo pixels of the square that becomes the crop; under 112 the crop is enlarged."""
    return SIDE / scale_of(similarity(landmarks))


def yaw_degrees(landmarks: ArrayLike) -> float:
    """Roughly how far the head is turned: 0 frontal, positive when the nose points image-right.

    From where the nose tip falls along the line of the eyes, with an average nose: good for a
    distribution, not for a measurement of one face.
    """
    points = np.asarray(landmarks, np.float64)
    eyes = points[1] - points[0]
    square = float(eyes @ eyes)
    if square == 0:
        return 90.0
    offset = float((points[2] - (points[0] + points[1]) / 2) @ eyes) / square
    return math.degrees(math.atan(offset / _NOSE_LENGTH))
