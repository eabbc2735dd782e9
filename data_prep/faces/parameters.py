"""What makes one generated face: who it is (Identity) and how it was photographed (Capture).

Lengths are pixels of the frontal 112×112 crop, measured from the point midway between the eyes:
x to the right, y down, z towards the camera. An ``Identity`` stays the same in all images of a
person; a ``Capture`` is drawn anew for every image. The defaults are the average face under
studio light, so ``render(Identity(), Capture())`` is a picture too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

#: Identity traits are normal, cut off at this many standard deviations so no face falls apart.
TRAIT_LIMIT = 2.2


def _trait(mean: float, sd: float, low: float = -np.inf, high: float = np.inf) -> Any:
    """A field that defaults to ``mean`` and is drawn from N(mean, sd), then clipped."""
    return field(default=mean, metadata={"sd": sd, "low": low, "high": high})


@dataclass(frozen=True)
class Identity:
    """One person. Each field names its mean and standard deviation over the population."""

    # Skull and jaw: half widths, and how far below the eyes the chin ends.
    head_width: float = _trait(40.0, 2.6)
    jaw_width: float = _trait(33.0, 3.6)
    jaw_height: float = _trait(17.0, 4.0)
    chin_length: float = _trait(62.0, 4.0)
    chin_width: float = _trait(13.0, 3.0)
    cheek_fullness: float = _trait(0.0, 1.6)
    # Eyes: half distance, half width, half opening, upward slant of the outer corner (radians).
    eye_spacing: float = _trait(17.6, 1.5)
    eye_width: float = _trait(7.4, 1.0)
    eye_opening: float = _trait(3.5, 0.75, 2.0)
    eye_tilt: float = _trait(0.06, 0.12)
    lid_fold: float = _trait(2.4, 1.1, 0.6)
    iris_melanin: float = _trait(0.55, 0.45, 0.0, 1.0)  # 0 blue, 0.5 hazel, 1 dark brown
    iris_size: float = _trait(3.5, 0.35)
    # Brows: distance above the eyes, thickness, outward slope, arch, length, darkness.
    brow_height: float = _trait(11.5, 1.9, 8.0)
    brow_thickness: float = _trait(2.3, 0.95, 0.8)
    brow_slope: float = _trait(0.0, 2.0)
    brow_arch: float = _trait(1.6, 1.4, 0.0)
    brow_length: float = _trait(17.0, 2.2)
    brow_gap: float = _trait(7.5, 1.8, 3.5)
    # Nose: tip below the eyes, half width, how far it stands out, bridge half width.
    nose_length: float = _trait(20.5, 2.6)
    nose_width: float = _trait(7.0, 1.45)
    nose_projection: float = _trait(9.0, 2.2, 4.0)
    bridge_width: float = _trait(4.0, 0.8, 2.2)
    # Mouth: below the eyes, half width, lip thicknesses, curve of the corners, colour.
    mouth_height: float = _trait(40.6, 2.4)
    mouth_width: float = _trait(14.8, 2.2)
    upper_lip: float = _trait(3.0, 1.0, 1.0)
    lower_lip: float = _trait(4.0, 1.25, 1.4)
    mouth_curve: float = _trait(0.9, 0.8)
    lip_redness: float = _trait(0.45, 0.3, 0.05, 1.0)
    # Skin and hair colours: 0 lightest … 1 darkest; red is the share of red pigment.
    skin_melanin: float = _trait(0.38, 0.27, 0.0, 0.95)
    skin_red: float = _trait(0.0, 0.8)
    hair_melanin: float = _trait(0.68, 0.34, 0.05, 1.0)
    hair_red: float = _trait(0.15, 0.42, 0.0, 1.0)
    # Hair: height of the hairline above the eyes, how steeply it falls to the temples, parting,
    # jaggedness of its edge, widow's peak, thickness, length (below 0 short, above 0 long).
    hairline: float = _trait(33.0, 8.5, 20.0)
    hairline_fall: float = _trait(1.0, 0.3, 0.35)
    parting: float = _trait(0.0, 0.32)
    fringe_wave: float = _trait(0.8, 1.1, 0.0)
    fringe_frequency: float = _trait(0.55, 0.25, 0.15)
    widows_peak: float = _trait(0.0, 0.16)
    hair_volume: float = _trait(5.0, 2.8, 1.0)
    hair_length: float = _trait(-0.1, 1.3)
    hair_grain: float = _trait(0.0, 1.0)
    # Beard and moustache: below 0 none, 1 full.
    beard: float = _trait(-0.45, 0.8, -1.0, 1.0)
    moustache: float = _trait(-0.4, 0.75, -1.0, 1.0)
    # Ears: size and how far they stand off.
    ear_size: float = _trait(1.0, 0.15)
    ear_flare: float = _trait(1.5, 1.5)
    # Freckles below 0 none. Moles: (x, y, radius) on the front of the face.
    freckles: float = _trait(-0.6, 1.0, -3.0, 1.2)
    moles: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class Capture:
    """One photograph of a person. Angles in degrees, lengths in pixels of the crop."""

    yaw: float = 0.0  # positive: the face turns to the right of the image
    pitch: float = 0.0  # positive: the face looks down
    roll: float = 0.0  # what the alignment left over, as are shift and zoom
    shift_x: float = 0.0
    shift_y: float = 0.0
    zoom: float = 1.0
    light_azimuth: float = -20.0
    light_elevation: float = 35.0
    light_strength: float = 0.45  # share of the directed light; the rest is ambient
    exposure: float = 1.0
    temperature: float = 0.0  # −1 cold … 1 warm
    contrast: float = 1.0
    saturation: float = 1.0
    blur: float = 0.0  # Gaussian sigma
    noise: float = 0.0  # standard deviation in grey levels
    jpeg_quality: int = 92
    age: float = 0.0  # −1 child … 0 adult … 1 old
    smile: float = 0.0  # −1 … 1
    mouth_open: float = 0.0  # 0 … 1
    brow_raise: float = 0.0  # −1 … 1
    blink: float = 0.0  # 0 open … 1 shut
    gaze: float = 0.0  # −1 … 1
    hair_change: float = 0.0  # a good or a bad hair day: −1 … 1
    glasses: float = 0.0  # 0 none; else the half width of a lens
    dark_glasses: bool = False
    occluder: str = "none"  # none, bar or hand
    detail_seed: int = 0  # background, occluder, noise


_TRAITS = [f for f in fields(Identity) if "sd" in f.metadata]
_NAMES = [f.name for f in _TRAITS]
_MEANS = np.array([f.default for f in _TRAITS])
_DEVIATIONS, _LOWEST, _HIGHEST = (
    np.array([f.metadata[key] for f in _TRAITS]) for key in ("sd", "low", "high")
)


def draw_identity(rng: np.random.Generator) -> Identity:
    """A person from the population."""
    scores = np.clip(rng.standard_normal(len(_TRAITS)), -TRAIT_LIMIT, TRAIT_LIMIT)
    values = np.clip(_MEANS + _DEVIATIONS * scores, _LOWEST, _HIGHEST).tolist()
    moles = tuple(
        (rng.uniform(-26, 26), rng.uniform(-18, 52), rng.uniform(0.6, 1.5))
        for _ in range(rng.integers(0, 5))
    )
    return Identity(**dict(zip(_NAMES, values, strict=True)), moles=moles)


def draw_capture(
    rng: np.random.Generator,
    yaw: tuple[float, float] | None = None,
    age: tuple[float, float] | None = None,
) -> Capture:
    """A photograph from the wild.

    Args:
        rng: source of all randomness.
        yaw: bounds of the yaw's size in degrees; the side is drawn. None: mostly frontal, with
            a long tail.
        age: bounds of the age. None: adults mostly, −1 … 1.
    """
    return Capture(
        yaw=_draw_yaw(rng, yaw),
        pitch=_within(rng.normal(0, 8), -20, 20),
        roll=rng.normal(0, 2.0),
        shift_x=rng.normal(0, 1.2),
        shift_y=rng.normal(0, 1.2),
        zoom=math.exp(rng.normal(0, 0.03)),
        light_azimuth=rng.uniform(-70, 70),
        light_elevation=rng.uniform(-10, 60),
        light_strength=rng.uniform(0.15, 0.55),
        exposure=math.exp(rng.normal(0.0, 0.13)),
        temperature=rng.uniform(-0.6, 0.6),
        contrast=math.exp(rng.normal(0, 0.10)),
        saturation=rng.uniform(0.7, 1.15) if rng.random() > 0.04 else 0.0,
        blur=abs(rng.normal(0, 0.6)),
        noise=abs(rng.normal(0, 5.0)),
        jpeg_quality=int(rng.integers(45, 96)),
        age=_within(rng.normal(0, 0.4), -1, 1) if age is None else rng.uniform(*age),
        smile=rng.uniform(-0.4, 0.9),
        mouth_open=max(0.0, rng.normal(-0.2, 0.5)),
        brow_raise=rng.uniform(-0.7, 0.7),
        blink=max(0.0, rng.normal(-0.1, 0.3)) if rng.random() > 0.04 else 1.0,
        gaze=rng.uniform(-1, 1),
        hair_change=rng.uniform(-1, 1),
        glasses=rng.uniform(9, 13) if rng.random() < 0.12 else 0.0,
        dark_glasses=rng.random() < 0.25,
        occluder=_draw_occluder(rng),
        detail_seed=int(rng.integers(0, 2**63)),
    )


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _draw_occluder(rng: np.random.Generator) -> str:
    lot = rng.random()
    return "bar" if lot < 0.05 else "hand" if lot < 0.1 else "none"


def _draw_yaw(rng: np.random.Generator, bounds: tuple[float, float] | None) -> float:
    if bounds is not None:
        return rng.uniform(*bounds) * (1 if rng.random() < 0.5 else -1)
    if rng.random() < 0.2:
        return rng.uniform(-70, 70)
    return _within(rng.normal(0, 12), -40, 40)


def aged(person: Identity, age: float) -> Identity:
    """The same person as a child (−1) or old (1): the bones grow, the flesh follows gravity.

    Children have large eyes and foreheads and small noses and jaws; nose and ears grow all life;
    lips thin, brows sink and the hairline recedes with age.
    """
    young, old = max(0.0, -age), max(0.0, age)
    return replace(
        person,
        jaw_width=person.jaw_width - 1.5 * young + 1.2 * old,
        chin_length=person.chin_length - 6.0 * young + 1.5 * old,
        cheek_fullness=person.cheek_fullness + 1.2 * young - 1.0 * old,
        eye_width=person.eye_width * (1 + 0.10 * young - 0.04 * old),
        eye_opening=person.eye_opening * (1 + 0.20 * young - 0.22 * old),
        brow_height=person.brow_height + 0.8 * young - 1.2 * old,
        brow_thickness=person.brow_thickness * (1 - 0.35 * young),
        nose_length=person.nose_length - 2.5 * young + 1.2 * old,
        nose_width=person.nose_width * (1 - 0.10 * young + 0.10 * old),
        nose_projection=person.nose_projection * (1 - 0.35 * young + 0.12 * old),
        mouth_height=person.mouth_height - 2.0 * young + 0.8 * old,
        mouth_width=person.mouth_width * (1 - 0.08 * young),
        upper_lip=person.upper_lip * (1 - 0.35 * old),
        lower_lip=person.lower_lip * (1 - 0.25 * old),
        hairline=person.hairline + 2.0 * young + 5.0 * old,
        ear_size=person.ear_size * (1 + 0.15 * old),
        beard=person.beard - 2.0 * young,
        moustache=person.moustache - 2.0 * young,
    )
