"""Single images: their pixels, their embeddings by hand, and a face detector without a model."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from arcface_plus.embedder.load import load_embedder
from data_prep.align.detector import Face
from data_prep.align.face_crop import TEMPLATE
from data_prep.crop_size import SIDE


def pixels(*paths: Path) -> NDArray[np.uint8]:
    return np.stack([cv2.cvtColor(cv2.imread(str(p)), cv2.COLOR_BGR2RGB) for p in paths])


def by_hand(run: Path, images: NDArray[np.uint8], flip: bool = True) -> NDArray[np.float64]:
    embedder = load_embedder(run)
    summed = embedder(images).astype(np.float64)
    if flip:
        summed += embedder(images[:, :, ::-1])
    return summed / np.linalg.norm(summed, axis=1, keepdims=True)


class MadeUpDetector:
    """Sees one face in every photo, two in wide ones and none in black ones.

    The first fills the photo's left square as it would fill a crop, the second its right square.
    """

    no_face = "none"

    def __init__(self, model: object = None, min_score: float | None = None) -> None:
        self.given = (model, min_score)

    def settings(self) -> dict[str, str | float]:
        return {"detector": "made up"}

    def faces(self, name: str, image: NDArray[np.uint8]) -> list[Face]:
        height, width = image.shape[:2]
        if not image.any():
            return []
        points = np.asarray(TEMPLATE, np.float64) * (height / SIDE)
        left = Face((0, 0, height, height), points, 0.9)
        if width == height:
            return [left]
        shift = width - height
        return [left, Face((shift, 0, height, height), points + np.array([shift, 0]), 0.8)]


def photo_of(crop: Path, times: int = 3) -> NDArray[np.uint8]:
    """(h, w, 3) BGR: the crop enlarged, so that `MadeUpDetector` cuts out what it shows."""
    image = cv2.imread(str(crop))
    return np.asarray(cv2.resize(image, None, fx=times, fy=times), np.uint8)
