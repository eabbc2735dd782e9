"""People and photographs are drawn within bounds, and the same seed draws the same ones."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from data_prep.faces.parameters import Identity, aged, draw_capture, draw_identity


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_same_seed_draws_the_same() -> None:
    assert draw_identity(rng(1)) == draw_identity(rng(1)) != draw_identity(rng(2))
    assert draw_capture(rng(1)) == draw_capture(rng(1)) != draw_capture(rng(2))


def test_traits_stay_within_their_bounds_and_spread() -> None:
    generator = rng()
    people = [draw_identity(generator) for _ in range(300)]
    for trait in fields(Identity):
        if "sd" not in trait.metadata:
            continue
        values = np.array([getattr(person, trait.name) for person in people])
        assert trait.metadata["low"] <= values.min() < values.max() <= trait.metadata["high"]


@pytest.mark.parametrize("bounds", [(0, 10), (45, 80)])
def test_yaw_and_age_keep_to_the_bounds_asked_for(bounds: tuple[float, float]) -> None:
    generator = rng()
    drawn = [draw_capture(generator, yaw=bounds, age=(0.6, 1.0)) for _ in range(200)]
    yaws = np.array([capture.yaw for capture in drawn])
    assert bounds[0] <= np.abs(yaws).min() <= np.abs(yaws).max() <= bounds[1]
    assert 40 < (yaws > 0).sum() < 160  # both sides
    assert all(0.6 <= capture.age <= 1 for capture in drawn)


def test_age_changes_the_face_and_not_the_person() -> None:
    person = draw_identity(rng())
    assert aged(person, 0) == person
    child, old = aged(person, -1), aged(person, 1)
    assert child.nose_length < person.nose_length < old.nose_length
    assert child.eye_opening > person.eye_opening > old.eye_opening
    for kept in ("skin_melanin", "hair_melanin", "eye_spacing", "moles"):
        assert getattr(child, kept) == getattr(person, kept) == getattr(old, kept)
