import pytest

from arcface_plus.models.backbones import BACKBONES
from arcface_plus.models.heads import HEADS, ArcFace
from arcface_plus.models.registry import build, parameter_names, required_parameters
from arcface_plus.models.regularizers import MMA, REGULARIZERS


def test_builds_by_name() -> None:
    head = build(HEADS, "head", "arcface", {"scale": 32, "margin": 0.3})
    assert isinstance(head, ArcFace)
    assert (head.scale, head.margin, head.margin_gradient) == (32.0, 0.3, "exact")
    assert isinstance(build(REGULARIZERS, "regularizer", "mma", {}), MMA)


def test_parameter_names() -> None:
    assert parameter_names(HEADS["arcface"]) == ("scale", "margin", "margin_gradient")
    assert parameter_names(REGULARIZERS["mma"]) == (
        "mode",
        "candidates",
        "max_drift",
        "rolling_steps",
        "ignore_below",
    )
    assert parameter_names(REGULARIZERS["none"]) == ()
    for factory in BACKBONES.values():
        assert parameter_names(factory)[:2] == ("embedding_dim", "dropout")
        assert required_parameters(factory) == ()


def needs_two(first: int, second: float, flag: bool = False, text: str = "") -> None: ...


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("arcfase", {}, r"unknown part 'arcfase'; did you mean 'arcface'\?.*known: arcface"),
        ("xyz", {}, r"unknown part 'xyz'; known: arcface, two"),
        ("arcface", {"margn": 0.5}, r"no parameter 'margn'; did you mean 'margin'\?"),
        ("arcface", {"margin": "5e-1"}, r"'margin' must be a number, not '5e-1' \(YAML"),
        ("arcface", {"margin": "big"}, r"'margin' must be a number, not 'big'$"),
        ("arcface", {"scale": True}, r"'scale' must be a number, not True"),
        ("arcface", {"margin_gradient": "none"}, r"must be one of exact, straight_through"),
        ("arcface", {"scale": -1.0}, r"scale must be positive"),
        ("two", {"first": 1}, r"needs the parameter 'second'"),
        ("two", {"first": 1.5, "second": 1}, r"'first' must be an integer, not 1.5"),
        ("two", {"first": 1, "second": 1, "flag": 1}, r"'flag' must be true or false, not 1"),
        ("two", {"first": 1, "second": 1, "text": 1}, r"'text' must be a text, not 1"),
    ],
)
def test_mistakes(name: str, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        build({"arcface": ArcFace, "two": needs_two}, "part", name, parameters)
    assert "\n" not in str(caught.value)


def test_a_part_without_parameters_says_so() -> None:
    with pytest.raises(ValueError, match="no parameter 'weight'; it takes none"):
        build(REGULARIZERS, "regularizer", "none", {"weight": 1.0})
