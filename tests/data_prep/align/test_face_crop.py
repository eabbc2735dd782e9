"""The similarity against two independent least squares; the crop against a point-by-point one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.align.face_crop import (
    TEMPLATE,
    center_crop,
    crop,
    crop_side,
    scale_of,
    similarity,
    yaw_degrees,
)
from data_prep.errors import DataError

POINTS = TEMPLATE * 1.3 + (20, 31) + np.random.default_rng(0).normal(0, 3, (5, 2))


def umeyama(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The paper's form: SVD of the covariance, with the sign that forbids a reflection."""
    s, t = source - source.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(t.T @ s / len(s))
    sign = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ sign @ vt
    scale = np.trace(np.diag(d) @ sign) / s.var(0).sum()
    shift = target.mean(0) - scale * rotation @ source.mean(0)
    return np.column_stack([scale * rotation, shift])


def normal_equations(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least squares over a, b, tx, ty of [[a, -b, tx], [b, a, ty]], solved by lstsq."""
    rows, right = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [(x, -y, 1, 0), (y, x, 0, 1)]
        right += [u, v]
    a, b, tx, ty = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
    return np.array([(a, -b, tx), (b, a, ty)])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 50), st.floats(-1000, 1000))
def test_similarity_is_the_least_squares_one(seed: int, noise: float, offset: float) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 30, (5, 2)) + offset + rng.normal(0, noise, (5, 2))
    found = similarity(points)
    np.testing.assert_allclose(found, umeyama(points, TEMPLATE), atol=1e-6)
    np.testing.assert_allclose(found, normal_equations(points, TEMPLATE), atol=1e-6)


@pytest.mark.parametrize("angle", [0, 30, 90, 180, -135])
@pytest.mark.parametrize("scale", [0.1, 1, 7])
def test_similarity_undoes_a_similarity(angle: float, scale: float) -> None:
    turn = scale * np.exp(1j * math.radians(angle))
    rotation = np.array([(turn.real, -turn.imag), (turn.imag, turn.real)])
    matrix = similarity(TEMPLATE @ rotation.T + (5, -7))
    moved = (TEMPLATE @ rotation.T + (5, -7)) @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(moved, TEMPLATE, atol=1e-9)
    assert scale_of(matrix) == pytest.approx(1 / scale)
    assert crop_side(TEMPLATE * scale) == pytest.approx(112 * scale)


def test_similarity_never_mirrors() -> None:
    mirrored = (112 - TEMPLATE[:, 0:1], TEMPLATE[:, 1:])
    matrix = similarity(np.hstack(mirrored))
    assert np.linalg.det(matrix[:, :2]) > 0


def test_one_point_is_refused() -> None:
    with pytest.raises(DataError, match="the same point"):
        similarity(np.ones((5, 2)))


def test_crop_is_bilinear() -> None:
    """Naive: each crop pixel is mapped back and interpolated by hand; black outside."""
    rng = np.random.default_rng(1)
    photo = rng.integers(0, 256, (150, 170, 3), np.uint8)
    padded = np.zeros((152, 172, 3))
    padded[1:-1, 1:-1] = photo
    matrix = np.vstack([umeyama(POINTS, TEMPLATE), (0, 0, 1)])
    u, v = np.meshgrid(np.arange(112), np.arange(112))
    back = np.linalg.inv(matrix) @ np.stack([u.ravel(), v.ravel(), np.ones(u.size)])
    x, y = np.clip(back[0], -1, 169.999) + 1, np.clip(back[1], -1, 149.999) + 1
    left, top = x.astype(int), y.astype(int)
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    naive = (
        padded[top, left] * (1 - fx) * (1 - fy)
        + padded[top, left + 1] * fx * (1 - fy)
        + padded[top + 1, left] * (1 - fx) * fy
        + padded[top + 1, left + 1] * fx * fy
    ).reshape(112, 112, 3)
    error = np.abs(crop(photo, POINTS) - naive)
    assert error.max() < 8  # OpenCV may weigh in 1/32 steps
    assert error.mean() < 1


def face_like(width: int, height: int) -> np.ndarray:
    """A smooth picture that is the same at every resolution."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    waves = [np.sin(9 * x + 4 * y), np.cos(11 * y), np.sin(7 * x * y)]
    return (np.stack(waves, -1) * 100 + 128).astype(np.uint8)


@pytest.mark.parametrize("factor", [2, 3.7, 8])
def test_large_photos_give_the_same_crop_without_aliasing(factor: float) -> None:
    small = face_like(160, 180)
    large = face_like(round(160 * factor), round(180 * factor))
    ratio = np.array((large.shape[1] / 160, large.shape[0] / 180))
    points = (POINTS + 0.5) * ratio - 0.5
    difference = np.abs(crop(large, points).astype(int) - crop(small, POINTS))
    assert difference[:, :100].mean() < 0.6
    noise = np.random.default_rng(0).integers(0, 256, large.shape, np.uint8)
    if factor > 2:  # averaged noise is calmer than sampled noise
        assert crop(noise, points)[20:90, 20:90].std() < 45


def test_center_crop_takes_the_centred_square() -> None:
    photo = np.zeros((112, 300, 3), np.uint8)
    photo[:, 94:206] = 200
    assert (center_crop(photo) == 200).all()
    assert center_crop(np.zeros((7, 5, 3), np.uint8)).shape == (112, 112, 3)
    assert center_crop(photo.swapaxes(0, 1)).shape == (112, 112, 3)


def test_yaw() -> None:
    eyes = np.array([(0, 0), (40, 0), (20, 20), (5, 40), (35, 40)], float)
    assert yaw_degrees(eyes) == 0
    turned = eyes + np.array([(0, 0), (0, 0), (16, 0), (0, 0), (0, 0)])
    assert yaw_degrees(turned) == pytest.approx(45)
    flipped = np.column_stack([-turned[:, 0], turned[:, 1]])[[1, 0, 2, 4, 3]]
    assert yaw_degrees(flipped) == pytest.approx(-45)
    rolled = turned @ np.array([(0, 1), (-1, 0)])  # in-plane rotation is no yaw
    assert yaw_degrees(rolled) == pytest.approx(45)
    assert yaw_degrees(np.zeros((5, 2))) == 90
