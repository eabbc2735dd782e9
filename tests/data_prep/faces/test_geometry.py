"""Heads in space: turned, projected and aligned to the field's template."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.align.face_crop import TEMPLATE, similarity
from data_prep.faces.geometry import align, camera, landmarks, project, rotation
from data_prep.faces.parameters import Capture, Identity


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (30, 0), (-70, 15), (90, -20)])
def test_rotations_keep_lengths_and_handedness(yaw: float, pitch: float) -> None:
    turn = rotation(yaw, pitch)
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1)


def test_alignment_is_the_tools_own_similarity() -> None:
    points = np.random.default_rng(0).normal(0, 30, (5, 2))
    a, b = align(points @ (1, 1j))
    expected = similarity(points)
    assert np.allclose([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]], expected)


def test_a_frontal_face_lands_near_the_template_and_a_turned_nose_moves() -> None:
    person = Identity()
    frontal = project(camera(person, Capture()), landmarks(person))
    assert np.abs(frontal - TEMPLATE).max() < 4
    for yaw in (40, -40):
        nose = project(camera(person, Capture(yaw=yaw)), landmarks(person))[2]
        assert np.sign(nose[0] - frontal[2][0]) == np.sign(yaw)


def test_what_alignment_missed_shifts_turns_and_enlarges() -> None:
    person = Identity()
    exact = project(camera(person, Capture()), landmarks(person))
    shifted = project(camera(person, Capture(shift_x=3, shift_y=-2)), landmarks(person))
    assert np.allclose(shifted - exact, (3, -2))
    larger = project(camera(person, Capture(zoom=1.5)), landmarks(person))
    assert np.allclose(larger - larger.mean(0), 1.5 * (exact - exact.mean(0)))
