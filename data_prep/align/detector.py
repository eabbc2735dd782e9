"""Faces and their landmarks from a detector, and which of several faces to take."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.errors import DataError, UserError
from data_prep.images import Image, one_thread_each

PICKS = ("central-and-large", "largest", "central", "best")
_LONGEST_SIDE = 640  # YuNet was trained on faces of 10 to 300 pixels; larger photos are shrunk


@dataclass(frozen=True)
class Face:
    """Box (x, y, width, height) and (5, 2) landmarks in pixels of the photo; score 0 to 1."""

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float64]
    score: float


class FaceFinder(Protocol):
    """Where landmarks come from: a detector or a file. Called from several threads at once."""

    no_face: str
    """The status of a photo for which `faces` is empty: "none" or "unlisted"."""

    def settings(self) -> dict[str, str | float]:
        """What distinguishes this finder from others; a resumed run compares it."""
        ...

    def faces(self, name: str, image: Image) -> list[Face]:
        """Faces of an (h, w, 3) RGB photo; `name` is its path relative to the photos' folder."""
        ...


class YuNet:
    """OpenCV's YuNet face detector from an ONNX file (face_detection_yunet*.onnx of OpenCV Zoo).

    Photos whose longer side is over 640 pixels are shrunk for the search alone. Each thread has a
    network of its own, because cv2.FaceDetectorYN holds the size of its input.
    """

    no_face = "none"

    def __init__(self, model: str | os.PathLike[str], min_score: float = 0.6) -> None:
        self.model = Path(model)
        self.min_score = min_score
        if not self.model.is_file():
            raise DataError(
                f"{self.model}: no such detector model; download face_detection_yunet_2023mar.onnx "
                "from the OpenCV Zoo and give its path"
            )
        self._of_thread = threading.local()
        try:
            with one_thread_each():
                self.faces("", np.zeros((32, 32, 3), np.uint8))
        except cv2.error as error:
            reason = " ".join(str(error).split())[:120]
            raise DataError(
                f"{self.model}: not a YuNet model that OpenCV reads ({reason})"
            ) from None

    def settings(self) -> dict[str, str | float]:
        digest = hashlib.sha256(self.model.read_bytes()).hexdigest()[:16]
        return {"detector": "yunet", "model_sha256": digest, "min_score": self.min_score}

    def faces(self, name: str, image: Image) -> list[Face]:
        height, width = image.shape[:2]
        shrink = min(1.0, _LONGEST_SIDE / max(height, width))
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        if shrink < 1:
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        network = self._network()
        network.setInputSize(size)
        _, rows = network.detect(np.ascontiguousarray(image[..., ::-1]))
        back = np.array((width / size[0], height / size[1]))
        return [] if rows is None else [_face(row, back) for row in rows if np.isfinite(row).all()]

    def _network(self) -> cv2.FaceDetectorYN:
        if not hasattr(self._of_thread, "network"):
            self._of_thread.network = cv2.FaceDetectorYN.create(
                str(self.model), "", (320, 320), score_threshold=self.min_score, top_k=100
            )
        return self._of_thread.network


def _face(row: NDArray[np.float32], back: NDArray[np.float64]) -> Face:
    """A row of YuNet's answer (x, y, w, h, five points, score) in pixels of the whole photo."""
    points = row[:14].astype(np.float64).reshape(7, 2) * back
    (x, y), (width, height) = points[:2]
    return Face((x, y, width, height), points[2:], float(row[14]))


def pick_face(faces: Sequence[Face], image_size: tuple[int, int], pick: str = PICKS[0]) -> Face:
    """One of the faces of a photo of (width, height) pixels.

    largest: the box of most pixels. central: the box nearest to the photo's middle. best: the
    detector's highest score. central-and-large: area less twice the squared distance from the
    middle, as FaceNet's and InsightFace's scripts choose.
    """
    middle = np.array(image_size) / 2

    def area(face: Face) -> float:
        return face.box[2] * face.box[3]

    def off_centre(face: Face) -> float:
        x, y, width, height = face.box
        return float(((np.array((x + width / 2, y + height / 2)) - middle) ** 2).sum())

    if pick == "largest":
        return max(faces, key=area)
    if pick == "central":
        return min(faces, key=off_centre)
    if pick == "best":
        return max(faces, key=lambda face: face.score)
    if pick == "central-and-large":
        return max(faces, key=lambda face: area(face) - 2 * off_centre(face))
    raise UserError(f"--pick {pick!r} is not known; choose one of {', '.join(PICKS)}")
