"""What is drawn for faces depends on seed, step and position alone."""

from __future__ import annotations

import numpy as np

from arcface_plus.data.order import batch_flips
from arcface_plus.data.preparation import Crops, Drawing

INDICES = np.arange(4)


def test_flips_are_those_of_the_positions_in_the_global_batch():
    share = Crops().share(INDICES, INDICES * 10, Drawing(5, 7, 12, slice(4, 8)))
    assert np.array_equal(share.flips, batch_flips(5, 7, 12)[4:8])
    assert share.labels.tolist() == [0, 10, 20, 30]


def test_without_flip_none_is_mirrored():
    assert not Crops(flip=False).share(INDICES, INDICES, Drawing(5, 7, 12, slice(0, 4))).flips.any()
