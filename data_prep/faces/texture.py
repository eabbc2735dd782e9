"""The front of a face drawn flat: skin, eyes, brows, mouth, beard, wrinkles; no light, no pose.

The picture is the head's front view at twice the crop's resolution. The renderer lays it on the
head's surface, so whatever is drawn here turns, squeezes and hides with the head. Colours are
RGB, float arrays of 3 in 0 … 255.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from data_prep.faces.parameters import Capture, Identity

#: Pixels of texture per pixel of crop, and the crop's position of the point between the eyes.
SCALE = 2
ORIGIN = (56.0, 52.0)
WIDTH = HEIGHT = 112 * SCALE

_SOFT = 4  # the soft layer (shadows, blush, beard) is drawn this many times smaller
_SUBPIXEL_BITS = 4  # OpenCV draws with coordinates in 1/16 pixel

Colour = tuple[float, float, float]
Picture = NDArray[np.uint8]

# From light to dark.
_SKIN_TONES = ((252, 222, 203), (240, 196, 166), (212, 157, 117), (156, 103, 70), (92, 60, 45))
_HAIR_TONES = ((226, 196, 140), (168, 124, 74), (104, 68, 42), (48, 34, 27), (20, 17, 17))
_IRIS_TONES = ((110, 150, 190), (118, 142, 110), (122, 96, 54), (66, 40, 24))
_GREY_HAIR = (198.0, 196.0, 193.0)
_RED_HAIR = (190.0, 84.0, 36.0)
_SCLERA = (240.0, 236.0, 231.0)
_PUPIL = (17.0, 11.0, 10.0)
_GLINT = (250.0, 250.0, 250.0)
_TEETH = (238.0, 233.0, 220.0)
_DARK = (28.0, 18.0, 16.0)  # lashes, lines, nostrils: mixed into the skin
_MOUTH_INSIDE = (45.0, 29.0, 26.0)
_BLOOD = (205.0, 70.0, 60.0)  # blush
_SHADE = (70.0, 30.0, 30.0)  # eye sockets, the dent under the lips
_LIPSTICK = (176.0, 52.0, 62.0)
_FRECKLE = (120.0, 62.0, 38.0)
_MOLE = (60.0, 34.0, 26.0)
_CURVE = np.linspace(-1, 1, 11)  # along an eye, a lip or a wrinkle, corner to corner
_BOW = 1 - _CURVE**2


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """``share`` of b over a. Plain numbers: numpy is four times slower on three of them."""
    share = min(max(share, 0.0), 1.0)
    return (
        a[0] + (b[0] - a[0]) * share,
        a[1] + (b[1] - a[1]) * share,
        a[2] + (b[2] - a[2]) * share,
    )


def dim(colour: Colour, red: float, green: float, blue: float) -> Colour:
    """The colour under a filter."""
    return colour[0] * red, colour[1] * green, colour[2] * blue


def _tone(tones: Sequence[Colour], level: float) -> Colour:
    position = level * (len(tones) - 1)
    low = min(int(position), len(tones) - 2)
    return mix(tones[low], tones[low + 1], position - low)


def skin_colour(person: Identity) -> Colour:
    """Albedo of the skin."""
    red, green, blue = _tone(_SKIN_TONES, person.skin_melanin)
    blood = person.skin_red
    return min(red + 3 * blood, 255.0), green - 5 * blood, blue - 7 * blood


def hair_colour(person: Identity, age: float) -> Colour:
    """Albedo of the hair; it greys from middle age on."""
    tone = _tone(_HAIR_TONES, person.hair_melanin)
    lightness = 0.25 + 0.75 * sum(tone) / (3 * 190)
    red = mix(tone, dim(_RED_HAIR, lightness, lightness, lightness), 0.7 * person.hair_red)
    return mix(red, _GREY_HAIR, 1.1 * (age - 0.25))


def draw_face(person: Identity, capture: Capture) -> Picture:
    """The flat front view, (224, 224, 3) uint8. ``person`` is already of the capture's age."""
    skin = skin_colour(person)
    hair = hair_colour(person, capture.age)
    picture = _soft_layer(person, capture, skin, hair)
    _wrinkles(picture, person, skin, max(0.0, capture.age))
    _spots(picture, person, skin)
    _nostrils(picture, person, skin)
    _mouth(picture, person, capture, skin)
    for side in (-1, 1):
        _eye(picture, person, capture, skin, side)
        _brow(picture, person, capture, skin, hair, side)
    return picture


def polygon(picture: Picture, x: NDArray, y: NDArray, colour: Colour, scale: float = SCALE) -> None:
    """Fill a polygon given in crop pixels from the point between the eyes."""
    cv2.fillPoly(picture, [_fixed(x, y, scale)], colour, cv2.LINE_AA, _SUBPIXEL_BITS)


def stroke(picture: Picture, x: NDArray, y: NDArray, colour: Colour, thickness: int = 1) -> None:
    """An open line; the thickness is in pixels of the texture."""
    points = [_fixed(x, y, SCALE)]
    cv2.polylines(picture, points, False, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def disc(
    picture: Picture,
    x: float,
    y: float,
    radii: tuple[float, float],
    colour: Colour,
    scale: float = SCALE,
    angle: float = 0.0,
) -> None:
    """A filled ellipse."""
    one = 1 << _SUBPIXEL_BITS
    centre = (round((x + ORIGIN[0]) * scale * one), round((y + ORIGIN[1]) * scale * one))
    axes = (max(1, round(radii[0] * scale * one)), max(1, round(radii[1] * scale * one)))
    cv2.ellipse(picture, centre, axes, angle, 0, 360, colour, -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def _fixed(x: NDArray, y: NDArray, scale: float) -> NDArray[np.int32]:
    unit = scale * (1 << _SUBPIXEL_BITS)
    points = np.empty((len(x), 2), np.int32)
    points[:, 0] = x * unit + ORIGIN[0] * unit
    points[:, 1] = y * unit + ORIGIN[1] * unit
    return points


def _soft_layer(person: Identity, capture: Capture, skin: Colour, hair: Colour) -> Picture:
    """Everything without an edge: eye sockets, blush, beard. Drawn small, blurred, enlarged."""
    scale = SCALE / _SOFT
    layer = np.empty((HEIGHT // _SOFT, WIDTH // _SOFT, 3), np.uint8)
    layer[:] = skin
    blush = mix(skin, _BLOOD, 0.16)
    shadow = mix(skin, _SHADE, 0.22)
    for side in (-1, 1):
        disc(layer, side * 23, 21, (8, 6), blush, scale)
        disc(layer, side * (person.eye_spacing - 2), -2, (10, 6), shadow, scale)
        if capture.age > 0.1:
            bag = mix(skin, shadow, 1.2 * capture.age)
            disc(layer, side * person.eye_spacing, 7, (7, 2.5), bag, scale)
    disc(layer, 0, person.nose_length, (person.nose_width, 4), blush, scale)
    below = person.mouth_height + person.lower_lip + 3.5
    disc(layer, 0, below, (7, 1.8), mix(skin, shadow, 0.7), scale)
    _beard(layer, person, skin, hair, scale)
    blurred = cv2.GaussianBlur(layer, (0, 0), 1.1)
    return np.asarray(
        cv2.resize(blurred, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR), dtype=np.uint8
    )


def _beard(layer: Picture, person: Identity, skin: Colour, hair: Colour, scale: float) -> None:
    mouth = person.mouth_height
    if person.beard > 0:
        colour = mix(skin, hair, 0.25 + 0.6 * person.beard)
        x = np.array([-38, -33, -21, -14, 0, 14, 21, 33, 38, 34, 0, -34])
        y = np.array([8, 26, 33, mouth - 8, mouth - 9, mouth - 8, 33, 26, 8, 72, 84, 72])
        polygon(layer, x, y, colour, scale)
    if person.moustache > 0:
        colour = mix(skin, hair, 0.3 + 0.6 * person.moustache)
        w = person.mouth_width
        x = np.array([-w - 2, -5, 0, 5, w + 2, w, 0, -w])
        y = mouth + np.array([0, -10, -9, -10, 0, -2, -3, -2])
        polygon(layer, x, y, colour, scale)


def _eye(picture: Picture, person: Identity, capture: Capture, skin: Colour, side: int) -> None:
    x0, width = side * person.eye_spacing, person.eye_width
    opening = person.eye_opening * (1 - 0.95 * capture.blink) * (1 + 0.15 * capture.brow_raise)
    opening *= 1 - 0.2 * max(0.0, capture.smile)
    x = x0 + width * _CURVE
    slant = -np.sin(person.eye_tilt) * width * _CURVE * side
    upper = slant - opening * _BOW**0.75
    lower = slant + 0.62 * opening * _BOW
    _eyeball(picture, person, capture, x, upper, lower, x0)
    lash = mix(skin, _DARK, 0.85)
    crease = mix(skin, _DARK, 0.35)
    stroke(picture, x, upper - person.lid_fold - 0.4 * _BOW, crease)
    stroke(picture, x, lower + 0.3, mix(skin, _DARK, 0.4))
    stroke(picture, x, upper, lash, 2 if opening > 1 else 3)


def _eyeball(
    picture: Picture,
    person: Identity,
    capture: Capture,
    x: NDArray,
    upper: NDArray,
    lower: NDArray,
    x0: float,
) -> None:
    """White, iris, pupil and highlight, seen only between the lids."""
    outline = _fixed(np.concatenate([x, x[::-1]]), np.concatenate([upper, lower[::-1]]), SCALE)
    left, top, w, h = cv2.boundingRect(outline >> _SUBPIXEL_BITS)
    window = picture[top : top + h + 1, left : left + w + 1]
    inside = np.zeros(window.shape[:2], np.uint8)
    corner = np.array((left, top)) << _SUBPIXEL_BITS
    cv2.fillPoly(inside, [outline - corner], 255, cv2.LINE_8, _SUBPIXEL_BITS)
    ball = np.empty_like(window)
    ball[:] = _SCLERA
    iris = _tone(_IRIS_TONES, person.iris_melanin)
    x0 = x0 + 1.6 * capture.gaze - left / SCALE
    y0 = -0.5 - top / SCALE
    for share, colour in ((1.0, mix(iris, _DARK, 0.55)), (0.82, iris), (0.42, _PUPIL)):
        radius = share * person.iris_size
        disc(ball, x0, y0, (radius, radius), colour)
    disc(ball, x0 - 1.0, y0 - 1.0, (0.7, 0.7), _GLINT)
    shaded = ball[: max(1, h // 4)]  # the upper lid's shadow
    shaded[:] = shaded * 0.72
    cv2.copyTo(ball, inside, window)


def _brow(
    picture: Picture, person: Identity, capture: Capture, skin: Colour, hair: Colour, side: int
) -> None:
    along = np.linspace(0, 1, 9)
    rise = 2.2 * capture.brow_raise
    middle = (
        -person.brow_height
        - rise
        - person.brow_arch * (1 - (2 * along - 1.1) ** 2)
        - person.brow_slope * (along - 0.5)
    )
    half = 0.5 * person.brow_thickness * (1.15 - 0.15 * along) * np.clip(4 * (1.06 - along), 0, 1)
    x = side * (person.brow_gap + person.brow_length * along)
    colour = mix(skin, mix(hair, _DARK, 0.35), 0.82)
    polygon(
        picture,
        np.concatenate([x, x[::-1]]),
        np.concatenate([middle - half, (middle + half)[::-1]]),
        colour,
    )


def _nostrils(picture: Picture, person: Identity, skin: Colour) -> None:
    y, w = person.nose_length + 3.6, person.nose_width
    dark = mix(skin, _DARK, 0.72)
    fold = mix(skin, _DARK, 0.28)
    for side in (-1, 1):
        disc(picture, side * 0.48 * w, y, (0.26 * w, 1.1), dark, angle=side * 12)
        x = side * (0.98 * w + np.array([0.0, 0.35, 0.0, -1.2]))
        stroke(picture, x, y + np.array([-5.0, -2.6, -0.6, 0.4]), fold)
    stroke(picture, w * np.array([-0.4, 0.0, 0.4]), y + np.array([0.6, 1.6, 0.6]), fold)


def _mouth(picture: Picture, person: Identity, capture: Capture, skin: Colour) -> None:
    """Upper lip with its bow, lower lip, and between them the line, the teeth or the dark."""
    smile = capture.smile
    width = person.mouth_width * (1 + 0.16 * smile - 0.10 * capture.mouth_open)
    x = width * _CURVE
    corners = person.mouth_height - (2.2 * smile + person.mouth_curve) * _CURVE**2
    gape = (5.5 * capture.mouth_open + 1.8 * max(0.0, smile - 0.45)) * _BOW
    dip = 0.9 * np.exp(-((_CURVE / 0.16) ** 2))
    upper_edge = corners - 0.35 * gape
    lower_edge = corners + 0.65 * gape
    top = upper_edge - person.upper_lip * (_BOW**0.7 - 0.25 * dip)
    bottom = lower_edge + person.lower_lip * _BOW**0.6
    light = 0.55 + 0.45 * sum(skin) / 600
    lip = mix(dim(skin, 0.90, 0.74, 0.74), dim(_LIPSTICK, light, light, light), person.lip_redness)
    both = np.concatenate([x, x[::-1]])
    polygon(picture, both, np.concatenate([top, upper_edge[::-1]]), dim(lip, 0.9, 0.9, 0.9))
    polygon(picture, both, np.concatenate([lower_edge, bottom[::-1]]), lip)
    if gape[5] > 0.8:
        polygon(picture, both, np.concatenate([upper_edge, lower_edge[::-1]]), _MOUTH_INSIDE)
        teeth = upper_edge + np.minimum(0.62 * gape, 3.2) * _BOW
        inner = slice(1, -1)
        polygon(
            picture,
            np.concatenate([x[inner], x[inner][::-1]]),
            np.concatenate([upper_edge[inner], teeth[inner][::-1]]),
            _TEETH,
        )
    stroke(picture, x, upper_edge, mix(lip, _DARK, 0.55))


def _wrinkles(picture: Picture, person: Identity, skin: Colour, old: float) -> None:
    """Forehead lines, crow's feet and the folds from the nose to the mouth."""
    fold = mix(skin, _DARK, 0.10 + 0.28 * old)
    nose, mouth, w = person.nose_length, person.mouth_height, person.mouth_width
    for side in (-1, 1):
        x = side * np.array([person.nose_width + 1, person.nose_width + 5, w + 4.5])
        stroke(picture, x, np.array([nose, nose + 6, mouth - 3]), fold)
    if old < 0.15:
        return
    line = mix(skin, _DARK, 0.34 * old)
    for height in (-17, -21, -25):
        stroke(picture, 19 * _CURVE, height - 1.5 * _BOW, line)
    for side in (-1, 1):
        start = side * (person.eye_spacing + person.eye_width + 2)
        for fall in (-3.0, 0.5, 4.0):
            stroke(picture, start + side * np.array([0, 5.5]), np.array([0.3 * fall, fall]), line)
        x = side * (person.eye_spacing + 0.9 * person.eye_width * _CURVE)
        stroke(picture, x, 5.0 + 3.0 * _BOW, line)
        x = side * np.array([w + 3, w + 6, w + 5])
        stroke(picture, x, mouth + np.array([1, 7, 13]), line)


def _spots(picture: Picture, person: Identity, skin: Colour) -> None:
    brown = mix(skin, _FRECKLE, 0.30 + 0.25 * person.freckles)
    for k in range(int(40 * max(0.0, person.freckles))):
        # A sunflower's spiral, squeezed over nose and cheeks: even, and the same for everybody.
        r, angle = np.sqrt((k + 0.5) / 40), 2.39996 * k
        disc(picture, 30 * r * np.cos(angle), 15 + 9 * r * np.sin(angle), (0.5, 0.45), brown)
    for x, y, radius in person.moles:
        disc(picture, x, y, (radius, radius), mix(skin, _MOLE, 0.75))
