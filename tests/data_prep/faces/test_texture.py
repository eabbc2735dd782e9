"""Colours mix as paints do, and stay colours for every person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data_prep.faces.parameters import Identity, draw_identity
from data_prep.faces.texture import dim, hair_colour, mix, skin_colour


def test_mix_and_dim() -> None:
    black, white = (0.0, 0.0, 0.0), (200.0, 100.0, 50.0)
    assert mix(black, white, 0.5) == (100, 50, 25)
    assert mix(black, white, -1) == black
    assert mix(black, white, 2) == white
    assert dim(white, 0.5, 1, 0) == (100, 100, 0)


@pytest.mark.parametrize("seed", range(20))
def test_skin_is_redder_than_blue_and_a_colour(seed: int) -> None:
    """What `data inspect` relies on to judge the order of channels."""
    red, green, blue = skin_colour(draw_identity(np.random.default_rng(seed)))
    assert 255 >= red > green > blue >= 0


def test_melanin_darkens_and_age_greys() -> None:
    pale, dark = (replace(Identity(), skin_melanin=level) for level in (0.05, 0.95))
    assert sum(skin_colour(pale)) > sum(skin_colour(dark))
    brown = replace(Identity(), hair_melanin=0.9)
    assert sum(hair_colour(brown, 1.0)) > sum(hair_colour(brown, 0.0))
