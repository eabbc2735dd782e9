"""What is on a photograph besides the face: the room behind, glasses, things in the way."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.crop_size import SIDE
from data_prep.faces.geometry import Array, View, project
from data_prep.faces.parameters import Capture, Identity
from data_prep.faces.texture import Colour, dim, skin_colour

_ROOM = 28  # the room is drawn this small, then enlarged: out of focus
_SUBPIXEL_BITS = 4  # OpenCV draws with coordinates in 1/16 pixel
_FRAME = (30, 28, 30)  # colour of the glasses
_DARK_LENS = (38, 36, 40)
_LENS_DEPTH = 49.0  # in front of the eyes, in the head's frame


def draw_room(rng: np.random.Generator) -> Array:
    """A blurred room: a coarse random colour field with up to two boxes in it."""
    base = rng.uniform(50, 215) + rng.normal(0, 20, 3)
    coarse = base + rng.normal(0, 20, (6, 6, 1)) + rng.normal(0, 8, (6, 6, 3))
    room = cv2.resize(coarse.astype(np.float32), (_ROOM, _ROOM))
    for _ in range(int(rng.integers(0, 3))):
        x, y, w, h = (rng.integers((-5, -5, 4, 4), (28, 28, 18, 18))).tolist()
        colour = base + rng.normal(0, 35) + rng.normal(0, 15, 3)
        cv2.rectangle(room, (x, y, w, h), colour.tolist(), -1)
    return np.asarray(cv2.resize(np.clip(room, 0, 255), (SIDE, SIDE)), dtype=np.float32)


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.round(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def draw_glasses(canvas: Array, view: View, person: Identity, capture: Capture) -> None:
    """Two lenses in front of the eyes, the bridge, and the arms to the ears."""
    picture = np.clip(canvas, 0, 255).astype(np.uint8)
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    half = capture.glasses
    for side in (-1, 1):
        centre = side * (person.eye_spacing + 0.8)
        x = centre + half * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.7
        y = 1.5 + 0.72 * half * np.sin(angle)
        lens = np.stack([x, y, np.full_like(x, _LENS_DEPTH) - 0.006 * x * x], axis=1)
        outline = [_fixed(project(view, lens))]
        if capture.dark_glasses:
            cv2.fillPoly(picture, outline, _DARK_LENS, cv2.LINE_AA, _SUBPIXEL_BITS)
        cv2.polylines(picture, outline, True, _FRAME, 2, cv2.LINE_AA, _SUBPIXEL_BITS)
        # The far arm is behind the head.
        if side * capture.yaw < 20:
            arm = np.array(
                [(centre + side * half, 0, _LENS_DEPTH - 2), (side * person.head_width, 0, 5)]
            )
            cv2.polylines(
                picture, [_fixed(project(view, arm))], False, _FRAME, 2, cv2.LINE_AA, _SUBPIXEL_BITS
            )
    inner = person.eye_spacing + 0.8 - half
    bridge = np.array(
        [(-inner, 0, _LENS_DEPTH), (0, -1.0, _LENS_DEPTH + 2), (inner, 0, _LENS_DEPTH)]
    )
    cv2.polylines(
        picture, [_fixed(project(view, bridge))], False, _FRAME, 2, cv2.LINE_AA, _SUBPIXEL_BITS
    )
    canvas[:] = picture


def draw_occluder(
    canvas: Array, person: Identity, capture: Capture, rng: np.random.Generator
) -> None:
    """A bar across the picture (a pole, a microphone) or a hand that comes from below."""
    if capture.occluder == "bar":
        middle = rng.uniform(10, 102, 2)
        angle = rng.uniform(0, np.pi)
        reach = 170 * np.array((np.cos(angle), np.sin(angle)))
        ends = _fixed(np.array([middle - reach, middle + reach]))
        width = int(rng.integers(8, 18))
        colour = rng.uniform(20, 230, 3).tolist()
        cv2.line(canvas, tuple(ends[0]), tuple(ends[1]), colour, width, cv2.LINE_8, _SUBPIXEL_BITS)
    elif capture.occluder == "hand":
        _hand(canvas, skin_colour(person), rng)


def _hand(canvas: Array, skin: Colour, rng: np.random.Generator) -> None:
    palm = np.array((rng.uniform(15, 97), rng.uniform(100, 118)))
    lean = rng.uniform(-0.6, 0.6)
    for k in range(4):
        angle = lean + 0.2 * (k - 1.5)
        tip = palm + rng.uniform(26, 36) * np.array((np.sin(angle), -np.cos(angle)))
        root = palm + np.array((6.5 * (k - 1.5), 0))
        finger = [_fixed(np.array([root, tip]))]
        for tone, width in ((0.72, 9), (0.90, 7)):
            cv2.polylines(
                canvas,
                finger,
                False,
                dim(skin, tone, tone, tone),
                width,
                cv2.LINE_8,
                _SUBPIXEL_BITS,
            )
    centre = (int(palm[0]), int(palm[1]) + 8)
    cv2.ellipse(canvas, centre, (17, 16), 0, 0, 360, dim(skin, 0.86, 0.86, 0.86), -1)
