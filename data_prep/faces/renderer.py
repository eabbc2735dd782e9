"""Renders one generated face: parameters in, 112×112 RGB crop out.

The front of the face is drawn flat (``face_texture``), laid on a head made of ellipsoids
(``face_geometry``), lit, given hair, glasses and whatever stands in the way, then passed through
a camera of limited quality. A pure function of its arguments: no global random state, no cache
that could change a result, safe to call from many threads.
"""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.crop_size import SIDE
from data_prep.faces import texture
from data_prep.faces.clutter import draw_glasses, draw_occluder, draw_room
from data_prep.faces.geometry import (
    FAR,
    FRONT,
    Array,
    Quadric,
    View,
    camera,
    cast,
    ear_parts,
    hair_length,
    hair_shell,
    hanging_hair,
    head_frame,
    neck,
    quadrics,
    ramp,
    skin_parts,
    union_depth,
)
from data_prep.faces.parameters import Capture, Identity, aged

Image = NDArray[np.uint8]

_CREASE_BLUR = 2.0  # sigma in pixels that melts the ellipsoids into one surface
_WARM = np.array((0.10, 0.0, -0.14))  # gain of red, green, blue at temperature 1
_BEHIND = np.float32(0.64)  # brightness of what the head shades: the neck and the hair behind it
_RIM = np.ones((11, 11), np.uint8)  # reaches further than the blur and Sobel's kernel do
_LUMA = np.array((0.299, 0.587, 0.114))
_MIDDLE_GREY = 118.0  # what contrast leaves alone
_GLOSS = 26.0  # grey levels of the skin's highlight under full directed light
_BANK = 256  # side of the fixed noise pictures that grain and hair strands are cut from


def render(person: Identity, capture: Capture) -> Image:
    """One aligned face crop, (112, 112, 3) uint8 RGB."""
    detail = np.random.Generator(np.random.Philox(capture.detail_seed))
    person = aged(person, capture.age)
    view = camera(person, capture)
    hanging, below, shell, *head = quadrics(
        view,
        [
            hanging_hair(person, capture),
            neck(person),
            hair_shell(person, capture),
            *ear_parts(person),
            *skin_parts(person),
        ],
    )
    hair = np.array(texture.hair_colour(person, capture.age), np.float32)
    skin = np.array(texture.skin_colour(person), np.float32)
    canvas = draw_room(detail)
    if hair_length(person, capture) > 0:
        _blend(canvas, hanging.window, _BEHIND * hair, cast(view, hanging)[1])
    _blend(canvas, below.window, _BEHIND * skin, cast(view, below)[1])
    depth, diffuse = _skin(canvas, view, head[2:], person, capture)
    _ears(canvas, view, head[:2], skin * np.float32(0.86 - 0.3 * capture.light_strength), depth)
    _hair(canvas, view, shell, person, capture, hair, depth, diffuse)
    if capture.glasses > 0:
        draw_glasses(canvas, view, person, capture)
    draw_occluder(canvas, person, capture, detail)
    return _photograph(canvas, capture, detail)


def encode(image: Image, quality: int) -> bytes:
    """The crop as JPEG; ``image`` is RGB."""
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    assert done, "OpenCV could not encode a 112×112 image"
    return bytes(data)


@cache
def _noise_bank() -> Array:
    """Fixed standard normal noise, (256, 256, 3); images cut their grain from it."""
    rng = np.random.Generator(np.random.Philox(112))
    return rng.standard_normal((_BANK, _BANK, 3)).astype(np.float32)


@cache
def _strand_bank() -> Array:
    """Fixed vertical streaks around 1, (256, 256): the strands of hair."""
    streaks = cv2.GaussianBlur(_noise_bank()[..., 0], (0, 0), sigmaX=0.9, sigmaY=14)
    return np.asarray(1 + 0.13 * streaks / streaks.std(), dtype=np.float32)


def _blend(canvas: Array, window: tuple[slice, slice], paint: Array, alpha: Array) -> None:
    """canvas[window] ← paint where alpha is 1; paint may be one colour or a picture."""
    if alpha.size == 0:  # the shape is outside the picture
        return
    part = canvas[window]
    part += (paint - part) * _rgb(alpha)


def _rgb(plane: Array) -> Array:
    """A plane three times over: several times faster than broadcasting a last axis of 3."""
    return np.asarray(cv2.merge((plane, plane, plane)))


def _skin(
    canvas: Array, view: View, parts: list[Quadric], person: Identity, capture: Capture
) -> tuple[Array, Array]:
    """Lays the flat face on the head and lights it; returns depth and diffuse light."""
    depth, cover = union_depth(view, parts)
    diffuse, gloss = _light(view, _smooth(depth), capture)
    flat = texture.draw_face(person, capture)
    s = np.float32(texture.SCALE)
    column = (head_frame(view, depth, 0) + np.float32(texture.ORIGIN[0])) * s
    row = (head_frame(view, depth, 1) + np.float32(texture.ORIGIN[1])) * s
    laid = cv2.remap(flat, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    skin = laid * _rgb(diffuse)
    skin += _rgb(gloss)
    _blend(canvas, (slice(0, SIDE), slice(0, SIDE)), skin, cover)
    return depth, diffuse


def _smooth(depth: Array) -> Array:
    """The depth without creases where ellipsoids meet.

    Beyond the silhouette the surface goes on at its lowest depth nearby; otherwise the blur would
    turn the rim into a cliff, and a dark or a bright seam would run around the face.
    """
    outside = depth == FAR
    surface = depth.copy()
    surface[outside] = -FAR
    surface[outside] = cv2.erode(surface, _RIM)[outside]
    return np.asarray(cv2.GaussianBlur(surface, (7, 7), _CREASE_BLUR), dtype=np.float32)


def _light(view: View, depth: Array, capture: Capture) -> tuple[Array, Array]:
    """Diffuse factor and gloss of a surface given by its depth map (Lambert and Blinn-Phong)."""
    to_slope = -view.scale / 8  # Sobel's weights sum to 8; depth is in units of the camera
    nx = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=3, scale=to_slope)
    ny = cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=3, scale=to_slope)
    length = 1 / np.sqrt(nx * nx + ny * ny + 1)
    direction = _light_direction(capture)
    lit = (nx * direction[0] + ny * direction[1] + direction[2]) * length
    half = direction + np.array((0, 0, 1), np.float32)
    half /= np.linalg.norm(half)
    shine = np.maximum((nx * half[0] + ny * half[1] + half[2]) * length, 0)
    shine *= shine
    shine *= shine
    shine *= shine
    shine *= shine  # to the 16th
    strength = np.float32(capture.light_strength)
    # The ambient light comes from all around, a little less along grazing surfaces.
    ambient = (1 - strength) * (0.72 + 0.28 * length)
    diffuse = ambient + (1.25 * strength) * np.maximum(lit, 0)
    return diffuse.astype(np.float32), (_GLOSS * strength * shine).astype(np.float32)


def _light_direction(capture: Capture) -> Array:
    azimuth = math.radians(capture.light_azimuth)
    elevation = math.radians(capture.light_elevation)
    flat = math.cos(elevation)
    return np.array(
        (math.sin(azimuth) * flat, -math.sin(elevation), math.cos(azimuth) * flat), np.float32
    )


def _ears(canvas: Array, view: View, ears: list[Quadric], colour: Array, depth: Array) -> None:
    """Draws the ears where the head does not hide them, and puts them into ``depth``."""
    for ear in ears:
        z, alpha = cast(view, ear)
        seen = alpha * (z > depth[ear.window])
        _blend(canvas, ear.window, colour, seen)
        np.maximum(depth[ear.window], np.where(seen > 0.5, z, FAR), out=depth[ear.window])


def _hair(
    canvas: Array,
    view: View,
    shell: Quadric,
    person: Identity,
    capture: Capture,
    colour: Array,
    depth: Array,
    diffuse: Array,
) -> None:
    """The shell of hair where it is above the hairline and not behind an ear."""
    z, alpha = cast(view, shell)
    part = view.cut(shell.window)
    x, y = head_frame(part, z, 0), head_frame(part, z, 1)
    behind = np.float32(FRONT) - head_frame(part, z, 2)
    line = (
        np.float32(-person.hairline)
        + np.float32(person.hairline_fall / 40) * behind * np.abs(behind)
        + np.float32(person.parting + 0.12 * capture.hair_change) * x
        - np.float32(person.widows_peak) * np.abs(x)
        + np.float32(person.fringe_wave) * np.sin(np.float32(person.fringe_frequency) * x)
    )
    lowest = np.float32(16 + 46 * hair_length(person, capture))  # in front of the ears or beyond
    alpha *= ramp((np.minimum(line, lowest) - y) * np.float32(0.8) + np.float32(0.5))
    alpha *= z > depth[shell.window] - 4
    paint = colour * _rgb(_strands(person, x, y) * (0.25 + 0.8 * diffuse[shell.window]))
    _blend(canvas, shell.window, paint, alpha)


def _strands(person: Identity, x: Array, y: Array) -> Array:
    """Brightness of the strands at points of the head, around 1."""
    offset = np.float32(128 + 40 * person.hair_grain)
    return np.asarray(
        cv2.remap(
            _strand_bank(),
            np.asarray(x * 2 + offset, np.float32),
            np.asarray(y + 128 - 0.3 * np.abs(x), np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
    )


def _photograph(canvas: Array, capture: Capture, rng: np.random.Generator) -> Image:
    """Saturation, white balance, exposure, contrast, blur and grain."""
    grey = np.tile(_LUMA, (3, 1))
    colours = grey + capture.saturation * (np.eye(3) - grey)
    gain = capture.contrast * capture.exposure * (1 + capture.temperature * _WARM)
    shift = np.full((3, 1), _MIDDLE_GREY * (1 - capture.contrast))
    picture = cv2.transform(canvas, np.hstack([gain[:, None] * colours, shift]))
    if capture.blur > 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), capture.blur)
    if capture.noise > 0:
        top, left = rng.integers(0, _BANK - SIDE, 2)
        grain = _noise_bank()[top : top + SIDE, left : left + SIDE]
        picture = picture + np.float32(capture.noise) * grain
    # Rounds and saturates, which a numpy cast does not.
    return np.asarray(cv2.convertScaleAbs(np.maximum(picture, 0)), dtype=np.uint8)
