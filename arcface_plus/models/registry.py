"""Building a backbone, head or regulariser from its name and parameters.

A table maps names to callables; the callable's signature is the list of its parameters. So a new
part is one file and one line in a table, and an unknown or ill-typed parameter is an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Literal, get_args, get_origin, get_type_hints

Factory = Callable[..., object]

_PLAIN_TYPES = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}


def build(
    table: Mapping[str, Factory], kind: str, name: str, parameters: Mapping[str, object]
) -> object:
    """Call ``table[name]`` with ``parameters``; ``kind`` ("head", …) is what errors call it.

    Raises ``ValueError`` for an unknown name, an unknown, missing or ill-typed parameter (naming
    the nearest known one), and lets pass the ``ValueError`` by which a part refuses a value.
    """
    factory = lookup(table, kind, name)
    accepted = parameter_names(factory)
    for given in parameters:
        if given not in accepted:
            raise ValueError(
                f"{kind} '{name}' has no parameter '{given}'{_suggestion(given, accepted)}"
            )
    for wanted in required_parameters(factory):
        if wanted not in parameters:
            raise ValueError(f"{kind} '{name}' needs the parameter '{wanted}'")
    hints = _annotations(factory)
    for given, value in parameters.items():
        complaint = _type_complaint(value, hints.get(given))
        if complaint:
            raise ValueError(f"{kind} '{name}': parameter '{given}' must be {complaint}")
    return factory(**parameters)


def lookup(table: Mapping[str, Factory], kind: str, name: str) -> Factory:
    """``table[name]``, or a ``ValueError`` that names the nearest known name and all of them."""
    if name not in table:
        raise ValueError(f"unknown {kind} '{name}'{_suggestion(str(name), table)}")
    return table[name]


def parameter_names(factory: Factory) -> tuple[str, ...]:
    """The names that ``build`` accepts as parameters of ``factory``, in the signature's order."""
    return tuple(_named(factory))


def required_parameters(factory: Factory) -> tuple[str, ...]:
    """Those of ``parameter_names`` that have no default."""
    return tuple(
        name
        for name, parameter in _named(factory).items()
        if parameter.default is inspect.Parameter.empty
    )


def defaults(factory: Factory) -> dict[str, object]:
    """Those that have a default, with it."""
    return {
        name: parameter.default
        for name, parameter in _named(factory).items()
        if parameter.default is not inspect.Parameter.empty
    }


def _named(factory: Factory) -> dict[str, inspect.Parameter]:
    """Without the ``*args, **kwargs`` that a module with no ``__init__`` inherits."""
    unnamed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(factory).parameters
    return {name: p for name, p in parameters.items() if p.kind not in unnamed}


def _suggestion(word: str, known: Iterable[str]) -> str:
    names = list(known)
    if not names:
        return "; it takes none"
    near = get_close_matches(word, names, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ";"
    return f"{hint} known: {', '.join(names)}"


def _annotations(factory: Factory) -> dict[str, object]:
    target = factory.__init__ if inspect.isclass(factory) else factory
    return get_type_hints(target)


def _type_complaint(value: object, hint: object) -> str | None:
    """What ``value`` should have been, or None where it fits or the hint is not a plain one."""
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        if value not in choices:
            return f"one of {', '.join(map(str, choices))}, not {value!r}"
    elif hint is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"a number, not {value!r}{_yaml_hint(value)}"
    elif hint is int:
        if isinstance(value, bool) or not isinstance(value, int):
            return f"an integer, not {value!r}"
    elif isinstance(hint, type) and hint in _PLAIN_TYPES and not isinstance(value, hint):
        return f"{_PLAIN_TYPES[hint]}, not {value!r}"
    return None


def _yaml_hint(value: object) -> str:
    """YAML 1.1 reads 5e-4 as a text: say so, since the line in the file looks right."""
    if not isinstance(value, str):
        return ""
    try:
        float(value)
    except ValueError:
        return ""
    return " (YAML needs a decimal point, as in 5.0e-4, and no quotes)"
