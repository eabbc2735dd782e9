"""Renders one generated face: parameters in, 112×112 RGB crop out.

The front of the face is drawn flat (``face_texture``), laid on a head made of ellipsoids
(``face_geometry``), lit, given hair, glasses and whatever stands in the way, then passed through
a camera of limited quality. A pure function of its arguments: no global random state, no cache
that could change a result, safe to call from many threads.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep import face_texture as texture
from data_prep.face_geometry import (
    FAR,
    SIZE,
    Array,
    Ellipsoid,
    View,
    camera,
    cast,
    ear_parts,
    head_frame,
    project,
    ramp,
    skin_parts,
    union_depth,
)
from data_prep.face_parameters import Capture, Identity, aged

Image = NDArray[np.uint8]

_CREASE_BLUR = 2.0  # sigma in pixels that melts the ellipsoids into one surface
_WARM = np.array((0.10, 0.0, -0.14))  # gain of red, green, blue at temperature 1
_LUMA = np.array((0.299, 0.587, 0.114))
_MIDDLE_GREY = 118.0  # what contrast leaves alone
_GLOSS = 26.0  # grey levels of the skin's highlight under full directed light
_BANK = 256  # side of the fixed noise pictures that grain and hair strands are cut from
_SUBPIXEL_BITS = 4


def render(person: Identity, capture: Capture) -> Image:
    """One aligned face crop, (112, 112, 3) uint8 RGB."""
    detail = np.random.Generator(np.random.Philox(capture.detail_seed))
    grown = aged(person, capture.age)
    view = camera(grown, capture)
    canvas = _background(detail)
    _body(canvas, view, grown, capture)
    _head(canvas, view, grown, capture)
    if capture.glasses > 0:
        _glasses(canvas, view, grown, capture)
    _occlude(canvas, grown, capture, detail)
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


def _background(rng: np.random.Generator) -> Array:
    """A blurred room: a coarse random colour field with one or two boxes in it."""
    base = rng.uniform(50, 215) + rng.normal(0, 20, 3)
    coarse = base + rng.normal(0, 20, (6, 6, 1)) + rng.normal(0, 8, (6, 6, 3))
    canvas = np.clip(cv2.resize(coarse.astype(np.float32), (SIZE, SIZE)), 0, 255)
    for _ in range(int(rng.integers(0, 3))):
        x, y = rng.integers(-20, SIZE, 2)
        w, h = rng.integers(15, 70, 2)
        colour = np.clip(base + rng.normal(0, 35) + rng.normal(0, 15, 3), 0, 255)
        cv2.rectangle(canvas, (int(x), int(y), int(w), int(h)), colour.tolist(), -1)
    return np.asarray(cv2.blur(canvas, (7, 7)), dtype=np.float32)


def _blend(canvas: Array, window: tuple[slice, slice], paint: Array, alpha: Array) -> None:
    """canvas[window] ← paint where alpha is 1; paint may be one colour or a picture."""
    part = canvas[window]
    part += (paint - part) * alpha[..., None]


def _body(canvas: Array, view: View, person: Identity, capture: Capture) -> None:
    """Hair that hangs behind the head, and the neck."""
    hair = texture.hair_colour(person, capture.age).astype(np.float32)
    length = person.hair_length + 0.35 * capture.hair_change
    if length > 0:
        thickness = person.head_width + person.hair_volume + 1.0
        hanging = Ellipsoid((0, 10 + 25 * length, -16), (thickness, 62 + 22 * length, 34))
        window, _, alpha = cast(view, hanging)
        _blend(canvas, window, hair * np.float32(0.62), alpha)
    neck = Ellipsoid((0, 72, -14), (0.72 * person.head_width, 60, 24))
    window, _, alpha = cast(view, neck)
    _blend(canvas, window, (0.66 * texture.skin_colour(person)).astype(np.float32), alpha)


def _head(canvas: Array, view: View, person: Identity, capture: Capture) -> None:
    """Skin, ears and hair, lit."""
    depth, cover = union_depth(view, skin_parts(person))
    smooth = cv2.GaussianBlur(depth, (0, 0), _CREASE_BLUR)
    surface: Array = np.where(cover > 0.99, np.maximum(smooth, depth - 2), depth)
    diffuse, gloss = _light(view, surface, capture)
    flat = texture.draw_face(person, capture)
    s = np.float32(texture.SCALE)
    column = (head_frame(view, depth, 0) + np.float32(texture.ORIGIN[0])) * s
    row = (head_frame(view, depth, 1) + np.float32(texture.ORIGIN[1])) * s
    skin = cv2.remap(flat, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(
        np.float32
    )
    skin *= diffuse[..., None]
    skin += gloss[..., None]
    everything = (slice(0, SIZE), slice(0, SIZE))
    _blend(canvas, everything, skin, cover)
    depth = _ears(canvas, view, person, depth, capture)
    _hair(canvas, view, person, capture, depth, diffuse)


def _light(view: View, depth: Array, capture: Capture) -> tuple[Array, Array]:
    """Diffuse factor and gloss of a surface given by its depth map (Lambert and Blinn-Phong)."""
    # Camera pixels are view.to_pixel wide; the slope per crop pixel is corrected by its scale.
    zoom = np.float32(np.sqrt(abs(np.linalg.det(view.to_pixel[:, :2]))))
    nx = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=3, scale=-float(zoom) / 8)
    ny = cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=3, scale=-float(zoom) / 8)
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
    azimuth, elevation = np.radians(capture.light_azimuth), np.radians(capture.light_elevation)
    return np.array(
        (
            np.sin(azimuth) * np.cos(elevation),
            -np.sin(elevation),
            np.cos(azimuth) * np.cos(elevation),
        ),
        np.float32,
    )


def _ears(canvas: Array, view: View, person: Identity, depth: Array, capture: Capture) -> Array:
    """Draws the ears where the head does not hide them; returns the depth with them."""
    skin = texture.skin_colour(person).astype(np.float32)
    depth = depth.copy()
    for ear in ear_parts(person):
        window, z, alpha = cast(view, ear)
        if alpha.size == 0:
            continue
        seen = alpha * (z > depth[window])
        rim = np.clip((alpha * (z - z.min())) / (float(np.ptp(z)) + 1e-3), 0, 1)
        shade = np.float32(1 - 0.35 * capture.light_strength) * (0.72 + 0.22 * rim)
        _blend(canvas, window, skin * shade[..., None], seen)
        depth[window] = np.maximum(depth[window], np.where(seen > 0.5, z, FAR))
    return depth


def _hair(
    canvas: Array, view: View, person: Identity, capture: Capture, depth: Array, diffuse: Array
) -> None:
    """A shell over the cranium, cut off along the hairline."""
    volume = person.hair_volume + 1.2 * capture.hair_change
    shell = Ellipsoid(
        (0, -14 - 0.5 * volume, -5),
        (person.head_width + 1.5 + 0.7 * volume, 51 + volume, 50.5 + 0.3 * volume),
    )
    window, z, alpha = cast(view, shell)
    part = View(view.rotation, view.to_pixel, view.x[window], view.y[window])
    x, y = head_frame(part, z, 0), head_frame(part, z, 1)
    behind = np.float32(46.0) - head_frame(part, z, 2)
    line = (
        np.float32(-person.hairline)
        + np.float32(person.hairline_fall / 40) * behind * np.abs(behind)
        + np.float32(person.parting + 0.12 * capture.hair_change) * x
        - np.float32(person.widows_peak) * np.abs(x)
        + np.float32(person.fringe_wave) * np.sin(np.float32(person.fringe_frequency) * x)
    )
    lowest = 16.0 + 46.0 * max(0.0, person.hair_length + 0.35 * capture.hair_change)
    present = ramp((np.minimum(line, np.float32(lowest)) - y) * np.float32(0.8) + np.float32(0.5))
    hair = texture.hair_colour(person, capture.age).astype(np.float32)
    hidden = (z > depth[window] - 4).astype(np.float32)
    paint = hair * (_strands(person, x, y) * (0.25 + 0.8 * diffuse[window]))[..., None]
    _blend(canvas, window, paint, alpha * present * hidden)


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


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.round(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def _glasses(canvas: Array, view: View, person: Identity, capture: Capture) -> None:
    """Two lenses in front of the eyes, the bridge, and the arms to the ears."""
    picture = np.clip(canvas, 0, 255).astype(np.uint8)
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    half = capture.glasses
    frame = (30, 28, 30)
    for side in (-1, 1):
        centre = side * (person.eye_spacing + 0.8)
        x = centre + half * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.7
        y = 1.5 + 0.72 * half * np.sin(angle)
        lens = np.stack([x, y, np.full_like(x, 49.0) - 0.006 * x * x], axis=1)
        outline = [_fixed(project(view, lens))]
        if capture.dark_glasses:
            cv2.fillPoly(picture, outline, (38, 36, 40), cv2.LINE_AA, _SUBPIXEL_BITS)
        cv2.polylines(picture, outline, True, frame, 2, cv2.LINE_AA, _SUBPIXEL_BITS)
        # The far arm is behind the head.
        if side * capture.yaw < 20:
            arm = np.array([(centre + side * half, 0, 47), (side * person.head_width, 0, 5)])
            cv2.polylines(
                picture, [_fixed(project(view, arm))], False, frame, 2, cv2.LINE_AA, _SUBPIXEL_BITS
            )
    inner = person.eye_spacing + 0.8 - half
    bridge = np.array([(-inner, 0, 49), (0, -1.0, 51), (inner, 0, 49)])
    cv2.polylines(
        picture, [_fixed(project(view, bridge))], False, frame, 2, cv2.LINE_AA, _SUBPIXEL_BITS
    )
    canvas[:] = picture


def _occlude(canvas: Array, person: Identity, capture: Capture, rng: np.random.Generator) -> None:
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
        _hand(canvas, texture.skin_colour(person), rng)


def _hand(canvas: Array, skin: NDArray[np.float64], rng: np.random.Generator) -> None:
    palm = np.array((rng.uniform(15, 97), rng.uniform(100, 118)))
    lean = rng.uniform(-0.6, 0.6)
    for k in range(4):
        angle = lean + 0.2 * (k - 1.5)
        tip = palm + rng.uniform(26, 36) * np.array((np.sin(angle), -np.cos(angle)))
        root = palm + np.array((6.5 * (k - 1.5), 0))
        finger = [_fixed(np.array([root, tip]))]
        for tone, width in ((0.72, 9), (0.90, 7)):
            cv2.polylines(
                canvas, finger, False, (tone * skin).tolist(), width, cv2.LINE_8, _SUBPIXEL_BITS
            )
    centre = (int(palm[0]), int(palm[1]) + 8)
    cv2.ellipse(canvas, centre, (17, 16), 0, 0, 360, (0.86 * skin).tolist(), -1)


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
        top, left = rng.integers(0, _BANK - SIZE, 2)
        grain = _noise_bank()[top : top + SIZE, left : left + SIZE]
        picture = picture + np.float32(capture.noise) * grain
    # Rounds and saturates, which a numpy cast does not.
    return np.asarray(cv2.convertScaleAbs(np.maximum(picture, 0)), dtype=np.uint8)
