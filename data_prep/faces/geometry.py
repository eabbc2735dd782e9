"""The head as a union of ellipsoids, seen by an orthographic camera and aligned like a crop.

An ellipsoid's silhouette, depth and occlusion are closed formulas of the pixel, so a head turned
by any yaw and pitch costs a few array operations and foreshortens and hides itself correctly.
Frame and units as in ``face_parameters``; the camera looks along −z.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_prep.align.face_crop import TEMPLATE
from data_prep.crop_size import SIDE
from data_prep.faces.parameters import Capture, Identity

Array = NDArray[np.float32]

#: Depth of the face's plane, between the eyes.
FRONT = 46.0
#: Depth of pixels that see no head: behind everything.
FAR = -60.0

_TARGET = TEMPLATE[:, 0] + 1j * TEMPLATE[:, 1]
_TARGET_MIDDLE = complex(_TARGET.mean())
_COLUMNS, _ROWS = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))


@dataclass(frozen=True)
class Ellipsoid:
    """Centre and radii in the head's frame; ``tilt`` turns it about its own x axis (radians)."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    tilt: float = 0.0


@dataclass(frozen=True)
class View:
    """Where the camera stands: the head's rotation and, per pixel, the camera's x and y."""

    rotation: NDArray[np.float64]  # head frame -> camera frame
    to_pixel: NDArray[np.float64]  # (2, 3): camera x, y, 1 -> pixel column, row
    scale: float  # pixels per unit of the camera
    x: Array  # (112, 112)
    y: Array

    def cut(self, window: tuple[slice, slice]) -> View:
        """The same view of a part of the image."""
        return View(self.rotation, self.to_pixel, self.scale, self.x[window], self.y[window])


def skin_parts(person: Identity) -> list[Ellipsoid]:
    """Cranium, jaw, chin, cheekbones, nose bridge, nose tip and the two wings of the nose."""
    chin, jaw, nose = person.chin_length, person.jaw_width, person.nose_length
    tip = FRONT + person.nose_projection - 5.0
    wing = 0.62 * person.nose_width
    slope = np.arctan2(person.nose_projection - 1.0, nose)
    return [
        Ellipsoid((0, -12, -3), (person.head_width, 50, 50)),
        Ellipsoid((0, person.jaw_height, 6), (jaw + 3, chin - person.jaw_height, 37)),
        Ellipsoid((0, chin - 15, 22), (person.chin_width, 15.5, 15)),
        Ellipsoid((0, 17, 14), (jaw + 4 + person.cheek_fullness, 25, 25)),
        Ellipsoid(
            (0, 0.52 * nose, FRONT - 3.5 + 0.45 * person.nose_projection),
            (person.bridge_width, 0.62 * nose, 5.0),
            -float(slope),
        ),
        Ellipsoid((0, nose, tip), (0.62 * person.nose_width, 4.6, 5.5)),
        Ellipsoid((-wing, nose + 1, tip - 5), (0.40 * person.nose_width, 3.6, 5.5)),
        Ellipsoid((wing, nose + 1, tip - 5), (0.40 * person.nose_width, 3.6, 5.5)),
    ]


def ear_parts(person: Identity) -> list[Ellipsoid]:
    """The two ears, on the sides of the head at the height of the nose."""
    size = person.ear_size
    reach = person.head_width - 0.5 + person.ear_flare
    return [
        Ellipsoid((side * reach, 8, -6), (3.2 + 0.5 * person.ear_flare, 12 * size, 7 * size))
        for side in (-1, 1)
    ]


def neck(person: Identity) -> Ellipsoid:
    """Only its front edge is ever seen: the crop ends at the chin."""
    return Ellipsoid((0, 72, -14), (0.72 * person.head_width, 60, 24))


def hair_shell(person: Identity, capture: Capture) -> Ellipsoid:
    """The hair on the cranium; the hairline cuts it."""
    volume = person.hair_volume + 1.2 * capture.hair_change
    return Ellipsoid(
        (0, -14 - 0.5 * volume, -5),
        (person.head_width + 1.5 + 0.7 * volume, 51 + volume, 50.5 + 0.3 * volume),
    )


def hair_length(person: Identity, capture: Capture) -> float:
    """0 short, 1 to the shoulders."""
    return max(0.0, person.hair_length + 0.35 * capture.hair_change)


def hanging_hair(person: Identity, capture: Capture) -> Ellipsoid:
    """The hair behind the head."""
    length = hair_length(person, capture)
    thickness = person.head_width + person.hair_volume + 1.0
    return Ellipsoid((0, 10 + 25 * length, -16), (thickness, 62 + 22 * length, 34))


def rotation(yaw: float, pitch: float) -> NDArray[np.float64]:
    """Head frame to camera frame, degrees: pitch about x first, then yaw about y."""
    a, b = math.radians(yaw), math.radians(pitch)
    ca, sa, cb, sb = math.cos(a), math.sin(a), math.cos(b), math.sin(b)
    return np.array([[ca, -sa * sb, sa * cb], [0, cb, sb], [-sa, -ca * sb, ca * cb]])


def landmarks(person: Identity) -> NDArray[np.float64]:
    """The five points of the person in the head's frame, (5, 3)."""
    e, m = person.eye_spacing, person.mouth_width
    return np.array(
        [
            (-e, 0, 39.0),
            (e, 0, 39.0),
            (0, person.nose_length, FRONT + person.nose_projection),
            (-m, person.mouth_height, 37.0),
            (m, person.mouth_height, 37.0),
        ]
    )


def align(points: NDArray[np.complex128]) -> tuple[complex, complex]:
    """The similarity q = a·p + b that takes five points to ``TEMPLATE`` in least squares.

    Points are complex numbers x + iy. With centred points a = Σ p̄·q / Σ |p|², p̄ the conjugate;
    this is Umeyama's estimate without reflections.
    """
    middle = points.mean()
    centred = points - middle
    a = complex(np.vdot(centred, _TARGET - _TARGET_MIDDLE) / np.vdot(centred, centred))
    return a, complex(_TARGET_MIDDLE - a * middle)


def camera(person: Identity, capture: Capture) -> View:
    """The view of an aligned crop: yaw and pitch, then alignment, then what alignment missed."""
    turn = rotation(capture.yaw, capture.pitch)
    points = landmarks(person) @ turn.T
    a, b = align(points[:, 0] + 1j * points[:, 1])
    miss = capture.zoom * cmath.exp(1j * math.radians(capture.roll))
    b = miss * (b - _TARGET_MIDDLE) + _TARGET_MIDDLE + complex(capture.shift_x, capture.shift_y)
    a = miss * a
    inverse, start = 1 / a, -b / a
    re, im = np.float32(inverse.real), np.float32(inverse.imag)
    x = re * _COLUMNS - (im * _ROWS - np.float32(start.real))
    y = im * _COLUMNS + (re * _ROWS + np.float32(start.imag))
    to_pixel = np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
    return View(turn, to_pixel, abs(a), x, y)


def project(view: View, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of the head's frame (n, 3) to pixel columns and rows (n, 2)."""
    seen = points @ view.rotation[:2].T
    return np.asarray(seen @ view.to_pixel[:, :2].T + view.to_pixel[:, 2])


@dataclass(frozen=True)
class Quadric:
    """An ellipsoid as one camera sees it.

    A ray through camera x, y at (dx, dy) from the centre meets it where q22·dz² + 2·b·dz + c = 0,
    with b = q02·dx + q12·dy; ``xx``, ``xy``, ``yy`` are the coefficients of its discriminant, which
    is q22·(1 − squared radius within the silhouette).
    """

    centre: tuple[float, float, float]
    q02: np.float32
    q12: np.float32
    q22: np.float32
    xx: np.float32
    xy: np.float32
    yy: np.float32
    radius: float  # of the silhouette, about, in pixels
    window: tuple[slice, slice]  # rows and columns of the image that it can touch


def quadrics(view: View, shapes: list[Ellipsoid]) -> list[Quadric]:
    """The ellipsoids from a camera; all at once, since small arrays cost by the call."""
    tilts = np.array([shape.tilt for shape in shapes])
    turned = np.zeros((len(shapes), 3, 3))
    turned[:, 0, 0] = 1
    turned[:, 1, 1] = turned[:, 2, 2] = np.cos(tilts)
    turned[:, 1, 2] = np.sin(tilts)
    turned[:, 2, 1] = -turned[:, 1, 2]
    own = view.rotation @ turned
    squares = np.array([shape.radii for shape in shapes])[:, None, :] ** 2
    q = ((own / squares) @ own.transpose(0, 2, 1)).astype(np.float32)
    centres = np.array([shape.centre for shape in shapes]) @ view.rotation.T
    linear = view.to_pixel[:, :2]
    # The inverse of Q projected to the image is the silhouette's matrix; its diagonal, the box.
    outline = linear @ own[:, :2]
    reach = np.sqrt((outline * outline * squares).sum(axis=2)) + 2
    pixels = centres[:, :2] @ linear.T + view.to_pixel[:, 2]
    low = np.clip(pixels - reach, 0, SIDE).astype(int).tolist()
    high = np.clip(pixels + reach + 1, 0, SIDE).astype(int).tolist()
    radii = np.sqrt(reach.prod(axis=1)).tolist()
    return [
        Quadric(
            tuple(centre),
            m[0, 2],
            m[1, 2],
            m[2, 2],
            m[0, 2] ** 2 - m[2, 2] * m[0, 0],
            2 * (m[0, 2] * m[1, 2] - m[2, 2] * m[0, 1]),
            m[1, 2] ** 2 - m[2, 2] * m[1, 1],
            radius,
            (slice(start[1], end[1]), slice(start[0], end[0])),
        )
        for m, centre, radius, start, end in zip(q, centres.tolist(), radii, low, high, strict=True)
    ]


def cast(view: View, shape: Quadric) -> tuple[Array, Array]:
    """One ellipsoid in its window: depth of the near side, and coverage.

    Rays that miss get the depth of the rim. Coverage is 0 … 1, antialiased at the silhouette.
    """
    dx = view.x[shape.window] - np.float32(shape.centre[0])
    dy = view.y[shape.window] - np.float32(shape.centre[1])
    inside = shape.xx * dx
    inside += shape.xy * dy
    inside *= dx
    inside += (shape.yy * dy) * dy
    inside += shape.q22  # now the discriminant
    depth = np.sqrt(np.maximum(inside, 0))
    dx *= shape.q02
    dy *= shape.q12
    depth -= dx
    depth -= dy
    depth *= 1 / shape.q22
    depth += np.float32(shape.centre[2])
    inside *= np.float32(0.5 * shape.radius / shape.q22)  # discriminant -> pixels from the rim
    inside += np.float32(0.5)
    return depth, ramp(inside)


def ramp(values: Array) -> Array:
    """``values`` cut off below 0 and above 1, in place."""
    np.maximum(values, 0, out=values)
    return np.minimum(values, 1, out=values)


def union_depth(view: View, parts: list[Quadric]) -> tuple[Array, Array]:
    """Depth (``FAR`` where nothing is) and coverage, both (112, 112), of several ellipsoids."""
    depth = np.full((SIDE, SIDE), FAR, np.float32)
    coverage = np.zeros((SIDE, SIDE), np.float32)
    for part in parts:
        z, alpha = cast(view, part)
        z[alpha < 0.5] = FAR
        np.maximum(depth[part.window], z, out=depth[part.window])
        np.maximum(coverage[part.window], alpha, out=coverage[part.window])
    return depth, coverage


def head_frame(view: View, depth: Array, axis: int) -> Array:
    """The head's x (axis 0), y or z coordinate of what each pixel sees at ``depth``."""
    r = view.rotation[:, axis].astype(np.float32)
    return np.asarray(r[0] * view.x + r[1] * view.y + r[2] * depth, dtype=np.float32)
