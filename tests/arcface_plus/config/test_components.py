"""Sections made from signatures: typed, defaulted, closed, one for each component."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import ValidationError

from arcface_plus.config.components import Choice, ComponentSection, OneOf, Section, one_of


class Round:
    """A shape without corners."""

    def __init__(self, size: float, cuts: tuple[int, ...] = (1, 2), mode: Literal["a", "b"] = "a"):
        self.made = (size, cuts, mode)


class Plain:
    def __init__(self, size: float, label: str = "x"):
        self.made = (size, label)


class Red:
    def __init__(self, shade: int = 3): ...


class Blue: ...


class Toy(ComponentSection):
    colour: str
    shared: int = 0


ONE_OF = OneOf(
    Toy,
    Choice({"round": Round, "plain": Plain}, "round", given=("size",)),
    Choice({"red": Red, "blue": Blue}, "blue", key="colour"),
)


class Box(Section):
    toy: Annotated[Toy, ONE_OF] = ONE_OF.default()


def toy(**tree: object) -> Toy:
    return Box.model_validate({"toy": tree}).toy


def test_names_and_parameters_have_defaults():
    assert Box().toy == toy() == toy(name="round", colour="blue", cuts=[1, 2], mode="a", shared=0)
    assert toy(colour="red").model_dump() == {
        "name": "round", "colour": "red", "shared": 0, "cuts": (1, 2), "mode": "a", "shade": 3
    }  # fmt: skip


def test_a_component_is_built_with_its_parameters_and_the_given_ones():
    assert toy(cuts=[7], shared=4).component()(size=2.0).made == (2.0, (7,), "a")
    assert toy(name="plain", label="y").component()(size=1.0).made == (1.0, "y")
    assert toy(name="plain", label="y").parameters == {"label": "y"}
    assert isinstance(toy(colour="red").component("colour")(), Red)


@pytest.mark.parametrize(
    "tree",
    [
        {"size": 3.0},  # passed by the program, so not a key
        {"shade": 3},  # red's
        {"name": "plain", "cuts": [1]},
        {"cuts": [True]},
        {"cuts": [1.0]},
        {"cuts": 1},
        {"mode": "c"},
        {"shared": True},
        {"shared": "1"},
        {"name": "oval"},
        {"name": ["round"]},
        {"colour": "pink"},
    ],
)
def test_other_keys_types_and_names_are_refused(tree):
    with pytest.raises(ValidationError):
        toy(**tree)


def test_numbers_are_not_converted_but_an_integer_is_a_number():
    class Scaled:
        def __init__(self, scale: float = 1.0): ...

    one = OneOf(ComponentSection, Choice({"scaled": Scaled, "blue": Blue}, "scaled"))

    class Holder(Section):
        part: Annotated[ComponentSection, one] = one.default()

    assert Holder.model_validate({"part": {"scale": 2}}).part.parameters == {"scale": 2.0}
    for wrong in (True, "2", float("nan"), float("inf"), None):
        with pytest.raises(ValidationError):
            Holder.model_validate({"part": {"scale": wrong}})


def test_another_component_drops_only_the_previous_parameters():
    old = {"name": "round", "cuts": [1], "shared": 4, "colour": "red", "shade": 2}
    assert ONE_OF.without_former(old, {"name": "plain"}) == {
        "name": "round", "shared": 4, "colour": "red", "shade": 2
    }  # fmt: skip
    assert ONE_OF.without_former(old, {"colour": "blue"}).keys() == {
        "name", "cuts", "shared", "colour"
    }  # fmt: skip
    assert ONE_OF.without_former(old, {"name": "round"}) == old
    assert ONE_OF.without_former({"cuts": [1]}, {"name": "plain"}) == {}  # round is the default


def test_owners_and_where_there_are_choices():
    assert ONE_OF.owners("shade") == ["red"]
    assert ONE_OF.owners("size") == []
    assert one_of(Box, "toy") is ONE_OF
    assert one_of(Box, "gone") is None


def test_two_components_of_a_section_cannot_share_a_parameter():
    class Shady:
        def __init__(self, shade: int = 1): ...

    with pytest.raises(TypeError, match="has shade, too"):
        OneOf(Toy, Choice({"a": Shady}, "a"), Choice({"red": Red}, "red", key="colour"))


def test_the_schema_is_a_typed_union_by_name():
    schema = Box.model_json_schema()
    model = schema["$defs"]["Toy_round_red"]
    assert model["additionalProperties"] is False
    assert model["description"].startswith("A shape without corners.")
    assert model["properties"]["name"]["const"] == "round"
    assert model["properties"]["cuts"]["items"] == {"type": "integer"}
    assert model["properties"]["mode"]["enum"] == ["a", "b"]
    assert "size" not in model["properties"]
    assert set(schema["$defs"]) == {
        f"Toy_{a}_{b}" for a in ("round", "plain") for b in ("red", "blue")
    }
