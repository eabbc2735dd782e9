"""The picture of `match`: its words and colours, and names that would break it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from matplotlib.colors import to_hex

from arcface_plus.evaluation.match_picture import _figure, _shortened, write_png
from arcface_plus.evaluation.matching import Match, Rule

RULE = Rule(1.2, "lfw", "1e-2", 3000, 1000, 0.95, 0.01, 0.1)
CROPS = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("found", "words", "figures", "colour"),
    [
        (Match(0.5, 1.0, RULE), "Same person",
         "similarity 0.500, threshold 0.400 (FAR 1e-2 on lfw)", "#14822b"),
        (Match(0.2, 1.6, RULE), "Different people",
         "similarity 0.200, threshold 0.400 (FAR 1e-2 on lfw)", "#b4281e"),
        (Match(0.2, 1.6, None), "No verdict", "similarity 0.200, no threshold known", "#282828"),
    ],
)  # fmt: skip
def test_verdict_and_figures(found, words, figures, colour):
    figure = _figure(found, CROPS, ("a.jpg", "b.jpg"))
    assert [text.get_text() for text in figure.texts] == [words, figures]
    assert figure.texts[0].get_color() == colour
    for axes, crop, name in zip(figure.axes, CROPS, ("a.jpg", "b.jpg"), strict=True):
        assert np.array_equal(axes.images[0].get_array(), crop)
        assert axes.get_xlabel() == name
        assert to_hex(axes.spines["left"].get_edgecolor()) == colour


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["$x_{\x1b.jpg", "日本語" * 40 + ".jpg", "W" * 200, "i" * 80])
def test_any_name_can_be_drawn_and_fits(tmp_path, name):
    write_png(tmp_path / "m.png", Match(0.5, 1.0, RULE), CROPS, (name, name))
    drawn = cv2.imread(str(tmp_path / "m.png"))
    assert drawn.shape == (585, 900, 3)
    middle = slice(445, 455)
    assert (drawn[:, :30] == 255).all()  # nothing runs over the edge,
    assert (drawn[535:, middle] == 255).all()  # or into the other name
    assert (drawn[535:] < 128).any()


def test_names_are_shortened_in_their_middle():
    assert _shortened("abcdefgh", 8) == "abcdefgh"
    assert _shortened("abcdefgh", 7) == "abc…fgh"
    assert _shortened("abcdefgh", 4) == "a…gh"
