"""The head as a union of ellipsoids, seen by an orthographic camera and aligned like a crop.

An ellipsoid's silhouette, depth and occlusion are closed formulas of the pixel, so a head turned
by any yaw and pitch costs a few array operations and foreshortens and hides itself correctly.
Frame and units as in ``face_parameters``; the camera looks along −z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_prep.face_parameters import Capture, Identity

Array = NDArray[np.float32]

SIZE = 112
#: ArcFace's five points of the 112×112 crop: eye, eye, nose tip, mouth corner, mouth corner.
TEMPLATE = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
#: Depth of pixels that see no head: behind everything.
FAR = -60.0

_COLUMNS, _ROWS = np.meshgrid(np.arange(SIZE, dtype=np.float32), np.arange(SIZE, dtype=np.float32))


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
    x: Array  # (112, 112)
    y: Array


def skin_parts(person: Identity) -> list[Ellipsoid]:
    """Cranium, jaw, chin, cheekbones, nose bridge, nose tip and the two wings of the nose."""
    front = 46.0  # depth of the face's plane between the eyes
    chin = person.chin_length
    tip = front + person.nose_projection - 5.0
    wing = 0.62 * person.nose_width
    slope = np.arctan2(person.nose_projection - 1.0, person.nose_length)
    return [
        Ellipsoid((0, -12, -3), (person.head_width, 50, 50)),
        Ellipsoid((0, person.jaw_height, 6), (person.jaw_width + 3, chin - person.jaw_height, 37)),
        Ellipsoid((0, chin - 15, 22), (person.chin_width, 15.5, 15)),
        Ellipsoid((0, 17, 14), (person.jaw_width + 4 + person.cheek_fullness, 25, 25)),
        Ellipsoid(
            (0, 0.52 * person.nose_length, front - 3.5 + 0.45 * person.nose_projection),
            (person.bridge_width, 0.62 * person.nose_length, 5.0),
            -float(slope),
        ),
        Ellipsoid((0, person.nose_length, tip), (0.62 * person.nose_width, 4.6, 5.5)),
        Ellipsoid((-wing, person.nose_length + 1, tip - 5), (0.40 * person.nose_width, 3.6, 5.5)),
        Ellipsoid((wing, person.nose_length + 1, tip - 5), (0.40 * person.nose_width, 3.6, 5.5)),
    ]


def ear_parts(person: Identity) -> list[Ellipsoid]:
    """The two ears, on the sides of the head at the height of the nose."""
    size = person.ear_size
    reach = person.head_width - 0.5 + person.ear_flare
    return [
        Ellipsoid((side * reach, 8, -6), (3.2 + 0.5 * person.ear_flare, 12 * size, 7 * size))
        for side in (-1, 1)
    ]


def rotation(yaw: float, pitch: float) -> NDArray[np.float64]:
    """Head frame to camera frame, degrees: pitch about x first, then yaw about y."""
    a, b = np.radians(yaw), np.radians(pitch)
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    return np.asarray(about_y @ about_x)


def landmarks(person: Identity) -> NDArray[np.float64]:
    """The five points of the person in the head's frame, (5, 3)."""
    e, m = person.eye_spacing, person.mouth_width
    return np.array(
        [
            (-e, 0, 39.0),
            (e, 0, 39.0),
            (0, person.nose_length, 46.0 + person.nose_projection),
            (-m, person.mouth_height, 37.0),
            (m, person.mouth_height, 37.0),
        ]
    )


def align(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The similarity (2, 3) that takes five projected points to ``TEMPLATE`` in least squares.

    In complex numbers q = a·p + b, the least-squares solution is a = Σ p̄*q̄ / Σ |p̄|² over the
    centred points; the same as Umeyama's estimate without reflections.
    """
    p = points[:, 0] + 1j * points[:, 1]
    q = TEMPLATE[:, 0] + 1j * TEMPLATE[:, 1]
    centred = p - p.mean()
    a = (centred.conj() * (q - q.mean())).sum() / (np.abs(centred) ** 2).sum()
    b = q.mean() - a * p.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def camera(person: Identity, capture: Capture) -> View:
    """The view of an aligned crop: yaw and pitch, then alignment, then what alignment missed."""
    turn = rotation(capture.yaw, capture.pitch)
    points = landmarks(person) @ turn.T
    aligned = align(points[:, :2])
    angle = np.radians(capture.roll)
    miss = capture.zoom * np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    centre = TEMPLATE.mean(axis=0)
    linear = miss @ aligned[:, :2]
    offset = miss @ (aligned[:, 2] - centre) + centre + (capture.shift_x, capture.shift_y)
    inverse = np.linalg.inv(linear)
    start = inverse @ -offset
    m = inverse.astype(np.float32)
    x = _COLUMNS * m[0, 0] + (_ROWS * m[0, 1] + np.float32(start[0]))
    y = _COLUMNS * m[1, 0] + (_ROWS * m[1, 1] + np.float32(start[1]))
    return View(turn, np.column_stack([linear, offset]), x, y)


def project(view: View, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of the head's frame (n, 3) to pixel columns and rows (n, 2)."""
    seen = points @ view.rotation[:2].T
    return np.asarray(seen @ view.to_pixel[:, :2].T + view.to_pixel[:, 2])


def cast(view: View, shape: Ellipsoid) -> tuple[tuple[slice, slice], Array, Array]:
    """Rays through the pixels against one ellipsoid.

    Returns the window of the image it can touch, the depth of its near side there (the depth of
    its rim for rays that miss) and its coverage 0 … 1, antialiased at the silhouette.
    """
    own = view.rotation
    if shape.tilt:
        own = own @ rotation(0.0, np.degrees(shape.tilt))
    radii = np.array(shape.radii)
    q = (own / radii**2) @ own.T
    cx, cy, cz = view.rotation @ shape.centre
    window = _window(view, (own * radii**2) @ own.T, cx, cy)
    dx, dy = view.x[window] - np.float32(cx), view.y[window] - np.float32(cy)
    # Along a ray: q22·z² + 2·b·z + c = 0 with b, c linear and quadratic in (dx, dy). Its
    # discriminant is q22·(1 − squared radius within the silhouette).
    xx = np.float32(q[0, 2] ** 2 - q[2, 2] * q[0, 0])
    xy = np.float32(2 * (q[0, 2] * q[1, 2] - q[2, 2] * q[0, 1]))
    yy = np.float32(q[1, 2] ** 2 - q[2, 2] * q[1, 1])
    inside = xx * dx
    inside += xy * dy
    inside *= dx
    inside += (yy * dy) * dy
    inside += np.float32(q[2, 2])
    depth = np.sqrt(np.maximum(inside, 0))
    dx *= np.float32(q[0, 2])
    dy *= np.float32(q[1, 2])
    depth -= dx
    depth -= dy
    depth *= np.float32(1 / q[2, 2])
    depth += np.float32(cz)
    inside *= np.float32(0.5 * np.sqrt(radii[0] * radii[1]) / q[2, 2])  # discriminant -> pixels
    inside += np.float32(0.5)
    return window, depth, ramp(inside)


def ramp(values: Array) -> Array:
    """``values`` cut off below 0 and above 1, in place."""
    np.maximum(values, 0, out=values)
    return np.minimum(values, 1, out=values)


def _window(view: View, spread: NDArray[np.float64], cx: float, cy: float) -> tuple[slice, slice]:
    """The rectangle of pixels around the ellipsoid's silhouette (``spread`` = inverse of Q)."""
    linear = view.to_pixel[:, :2]
    column, row = linear @ (cx, cy) + view.to_pixel[:, 2]
    reach = np.sqrt(np.diag(linear @ spread[:2, :2] @ linear.T)) + 2

    def span(middle: float, half: float) -> slice:
        low, high = int(max(0, middle - half)), int(min(SIZE, middle + half + 1))
        return slice(min(low, SIZE), max(high, 0))

    return span(row, reach[1]), span(column, reach[0])


def union_depth(view: View, parts: list[Ellipsoid]) -> tuple[Array, Array]:
    """Depth (``FAR`` where nothing is) and coverage, both (112, 112), of several ellipsoids."""
    depth = np.full((SIZE, SIZE), FAR, np.float32)
    coverage = np.zeros((SIZE, SIZE), np.float32)
    for part in parts:
        window, z, alpha = cast(view, part)
        z[alpha < 0.5] = FAR
        np.maximum(depth[window], z, out=depth[window])
        np.maximum(coverage[window], alpha, out=coverage[window])
    return depth, coverage


def head_frame(view: View, depth: Array, axis: int) -> Array:
    """The head's x (axis 0), y or z coordinate of what each pixel sees at ``depth``."""
    r = view.rotation[:, axis].astype(np.float32)
    return np.asarray(r[0] * view.x + r[1] * view.y + r[2] * depth, dtype=np.float32)
