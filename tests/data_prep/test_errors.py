"""What a terminal would obey is shown; ordinary text of any language stays as it is."""

from __future__ import annotations

import pytest

from data_prep.errors import first_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë 王芳 \U0001f642 a b", "Zoë 王芳 \U0001f642 a b"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\tand\r", "two\\nlines\\tand\\r"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "caf\\xe9"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_first_line() -> None:
    assert first_line(ValueError("one\ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"
    assert first_line(ValueError("x" * 500), limit=10) == "x" * 10
