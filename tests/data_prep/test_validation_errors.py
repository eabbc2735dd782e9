"""Users are told what was expected and what is there, never in pydantic's words."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from data_prep.validation_errors import first_misfit


class Inner(BaseModel):
    count: Annotated[int, Field(gt=0)] = 1


class Outer(BaseModel):
    order: Literal["RGB", "BGR"] = "RGB"
    scale: float = 1.0
    names: dict[str, str] = {}
    inner: Inner = Inner()
    needed: int

    @field_validator("needed")
    @classmethod
    def even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"{value} is odd")
        return value


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"needed": 2, "order": "GBR"}, 'order: expected RGB or BGR, got "GBR"'),
        ({"needed": 2, "scale": "x"}, 'scale: expected a number, got "x"'),
        ({"needed": 2, "names": []}, "names: expected keys and values, got []"),
        ({"needed": 2, "inner": {"count": 0}}, "inner.count: expected a number greater than 0, "
         "got 0"),
        ({"needed": 2, "inner": {"count": 1.5}}, "inner.count: expected a whole number, got 1.5"),
        ({}, "missing key needed"),
        ([], "expected keys and values, got []"),
        ({"needed": 3}, "needed: 3 is odd"),
    ],
)  # fmt: skip
def test_the_first_misfit_in_the_users_words(content, words):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(content)
    assert first_misfit(caught.value) == words


def test_long_values_are_shortened():
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"needed": 2, "scale": "x" * 1000})
    assert len(first_misfit(caught.value)) < 120
