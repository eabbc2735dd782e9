"""Text goes into a spreadsheet's cell as text, and comes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from data_prep.csv_cells import as_cell, from_cell


def test_formulas_are_marked_and_nothing_else() -> None:
    for text in ("=1+1", "+1", "-rf", "@SUM(A1)", "\t=1", "\r=1", "'=1"):
        assert as_cell(text) == f"'{text}"
    for text in ("", "anna", "a=b", "'quoted'", "1-2"):
        assert as_cell(text) == text


@given(st.text(alphabet="'=+-@\t\ra1", max_size=6))
def test_every_text_comes_back(text: str) -> None:
    assert from_cell(as_cell(text)) == text
    assert as_cell(text)[:1] not in tuple("=+-@\t\r")
