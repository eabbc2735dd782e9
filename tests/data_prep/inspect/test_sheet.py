"""A sheet's pictures lie where they were placed, and its words beside them."""

from __future__ import annotations

import numpy as np

from data_prep.inspect.sheet import GAP, SIZE, Sheet, shortened, top_of


def test_pictures_to_the_pixel_and_words_beside_them() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    sheet = Sheet(2, 100 + SIZE)
    sheet.place(1, 100, picture)
    before = sheet.drawn()
    assert before.shape == (top_of(2), 100 + SIZE + GAP, 3)
    assert (before[top_of(1) : top_of(1) + SIZE, 100 : 100 + SIZE] == picture).all()
    assert (before[:, :100] == 250).all()
    sheet.label(1, ["größer", "$x^2$"], colour=(200, 0, 0))  # no formula
    after = sheet.drawn()
    rows, columns = (after != before).any(axis=2).nonzero()
    assert top_of(1) < rows.min() < rows.max() < top_of(1) + SIZE
    assert columns.max() < 100
    assert abs((rows.min() + rows.max()) / 2 - (top_of(1) + SIZE / 2)) < 8


def test_letters_that_the_font_lacks_are_no_error(recwarn) -> None:
    sheet = Sheet(1, 200)
    sheet.heading("\u4e2d\u6587")
    assert sheet.drawn().min() < 250
    assert not recwarn.list


def test_shortened() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"
