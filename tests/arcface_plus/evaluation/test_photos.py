"""Faces found once, crops cut when they are read; photos without a face are never lost silently."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from image_files import face
from single_images import MadeUpDetector

from arcface_plus.data.images import decode
from arcface_plus.evaluation.image_source import ImageSource
from arcface_plus.evaluation.photos import crops_of, find_faces, listed
from data_prep.align.align import Aligner
from data_prep.errors import DataError, UserError
from data_prep.images import decode_rgb

BLACK = cv2.imencode(".png", np.zeros((130, 130, 3), np.uint8))[1].tobytes()


def source_of(*photos: bytes, **more) -> ImageSource:
    from pathlib import Path

    return ImageSource(
        Path("p"), [f"{k}.png" for k in range(len(photos))], photos.__getitem__, **more
    )


def test_crops_are_those_of_the_aligner():
    photos = [face(k, 224 + 10 * k, 448, ".png") for k in range(3)]
    source = source_of(*photos, labels=np.array([5, 6, 7]), class_names={5: "a", 6: "b", 7: "c"})
    aligner = Aligner(MadeUpDetector(), pick="largest")
    steps = []
    found = find_faces(source, aligner, lambda done, total: steps.append((done, total)))
    assert (found.several, found.faceless, steps) == (3, [], [(3, 3)])
    crops = crops_of(source, found, center_faceless=False, skip_faceless=False)
    assert (crops.names, crops.labels.tolist()) == (source.names, [5, 6, 7])
    assert crops.class_names == source.class_names
    for k, photo in enumerate(photos):
        expected, _ = aligner.align("", decode_rgb(photo))
        assert np.array_equal(decode(crops[k]), expected)


def test_photos_without_a_face():
    source = source_of(BLACK, face(1, 200, suffix=".png"), BLACK, labels=np.array([0, 1, 2]))
    found = find_faces(source, Aligner(MadeUpDetector()))
    assert found.faceless == [0, 2]
    with pytest.raises(
        UserError, match=r"^p: no face found in 2 of 3 photos: 0\.png, 2\.png; --sk"
    ):
        crops_of(source, found, center_faceless=False, skip_faceless=False)
    skipped = crops_of(source, found, center_faceless=False, skip_faceless=True)
    assert (skipped.names, skipped.labels.tolist()) == (["1.png"], [1])
    assert decode(skipped[0]).any()
    centred = crops_of(source, found, center_faceless=True, skip_faceless=False)
    assert (len(centred), decode(centred[2]).any()) == (3, False)
    assert np.array_equal(decode(centred[1]), decode(skipped[0]))


def test_no_face_at_all_and_pairs():
    source = source_of(BLACK, BLACK)
    found = find_faces(source, Aligner(MadeUpDetector()))
    with pytest.raises(DataError, match="p: no face found in any of its 2 photos"):
        crops_of(source, found, center_faceless=False, skip_faceless=True)
    pairs = source_of(face(1, 200), BLACK, same=np.array([True]))
    found = find_faces(pairs, Aligner(MadeUpDetector()))
    with pytest.raises(UserError, match=r"1\.png: no face found, and an image of a pair cannot be"):
        crops_of(pairs, found, center_faceless=False, skip_faceless=True)
    kept = crops_of(pairs, found, center_faceless=True, skip_faceless=False)
    assert kept.same.tolist() == [True]


def test_an_unreadable_photo_is_named():
    source = source_of(face(1, 200), b"no image")
    with pytest.raises(DataError, match=r"^p: 1\.png: not a .* image"):
        find_faces(source, Aligner(MadeUpDetector()))


def test_long_lists_are_cut():
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(k) for k in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 … and 2 more"
