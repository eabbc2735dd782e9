"""Which of several faces is taken, and the detector on real photos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.align.detector import PICKS, Face, YuNet, pick_face
from data_prep.align.face_crop import TEMPLATE, similarity, yaw_degrees
from data_prep.errors import DataError, UserError
from data_prep.images import read_rgb


def face(x: float, y: float, side: float, score: float) -> Face:
    return Face((x, y, side, side), TEMPLATE, score)


LARGE = face(0, 0, 60, 0.7)  # at the edge of a 200x200 photo
CENTRAL = face(95, 95, 10, 0.8)
SURE = face(170, 10, 12, 0.99)
BOTH = face(65, 65, 55, 0.75)


@pytest.mark.parametrize(
    ("pick", "wanted"),
    [("largest", LARGE), ("central", CENTRAL), ("best", SURE), ("central-and-large", BOTH)],
)
def test_picks(pick: str, wanted: Face) -> None:
    faces = [SURE, LARGE, BOTH, CENTRAL]
    assert pick_face(faces, (200, 200), pick) is wanted
    assert pick_face(faces[::-1], (200, 200), pick) is wanted
    assert pick_face([SURE], (200, 200), pick) is SURE


def test_default_pick_and_unknown_pick() -> None:
    assert pick_face([LARGE, BOTH], (200, 200)) is BOTH
    assert set(PICKS) == {"central-and-large", "largest", "central", "best"}
    with pytest.raises(UserError, match="'any' is not known; choose one of central-and-large"):
        pick_face([LARGE], (200, 200), "any")


def test_bad_models(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.onnx: no such detector model"):
        YuNet(tmp_path / "no.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model" * 40)
    with pytest.raises(DataError, match=r"bad\.onnx: not a YuNet model"):
        YuNet(tmp_path / "bad.onnx")


@pytest.fixture(scope="module")
def yunet(real_data: Path) -> YuNet:
    return YuNet(real_data / "models" / "face_detection_yunet.onnx")


def test_faces_of_real_photos_land_on_the_template(real_data: Path, yunet: YuNet) -> None:
    photos = sorted((real_data / "photos").rglob("*.jpg"))
    assert len(photos) == 60
    off = []
    for photo in photos:
        image = read_rgb(photo)
        points = pick_face(yunet.faces("", image), (250, 250)).landmarks
        matrix = similarity(points)
        off.append(np.linalg.norm(points @ matrix[:, :2].T + matrix[:, 2] - TEMPLATE, axis=1))
        # Eyes over nose over mouth, first points on the left, in the middle of the photo.
        assert points[0, 0] < points[1, 0]
        assert points[3, 0] < points[4, 0]
        assert points[:2, 1].max() < points[2, 1] < points[3:, 1].min()
        assert np.abs(points.mean(0) - 125).max() < 25
    assert np.median(off) < 3  # pixels of the crop
    assert np.max(off) < 16


def test_detection_hardly_depends_on_scale_or_mirror(real_data: Path, yunet: YuNet) -> None:
    """YuNet's points are good to a few pixels of 250; a wrong scale or axis is far worse."""
    of_scale, of_mirror, of_yaw = [], [], []
    for photo in sorted((real_data / "photos").rglob("*.jpg"))[::6]:
        image = read_rgb(photo)
        points = pick_face(yunet.faces("", image), (250, 250)).landmarks
        large = cv2.resize(image, (1500, 1500), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
        found = pick_face(yunet.faces("", large), (1500, 1500)).landmarks
        of_scale.append(np.linalg.norm((found + 0.5) / 6 - 0.5 - points, axis=1))
        found = pick_face(yunet.faces("", np.ascontiguousarray(image[:, ::-1])), (250, 250))
        back = np.column_stack([249 - found.landmarks[:, 0], found.landmarks[:, 1]])
        of_mirror.append(np.linalg.norm(back[[1, 0, 2, 4, 3]] - points, axis=1))
        of_yaw.append(yaw_degrees(found.landmarks) + yaw_degrees(points))
    assert np.median(of_scale) < 6
    assert np.median(of_mirror) < 6
    assert np.abs(of_yaw).mean() < 8


def test_no_face_in_noise_or_tiny_photos(yunet: YuNet) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 90, 3), np.uint8)
    assert yunet.faces("", noise) == []
    assert yunet.faces("", noise[:1, :1]) == []
    assert yunet.faces("", np.zeros((3, 3000, 3), np.uint8)) == []
