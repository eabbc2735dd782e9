"""Sections that name a component, and whose other keys are that component's parameters.

A component is a class in a table such as ``HEADS``. Its signature defines its keys, their types and
their defaults: each component gives a pydantic model, and the section is the union of these models,
both in validation and in the JSON schema. So a new component needs only its file and its line in
the table. ``Annotated[float, "radians"]`` describes a parameter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Annotated, Any, ClassVar, Literal, Union, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    create_model,
)

Component = Callable[..., Any]


class Section(BaseModel):
    """Only declared keys, and no conversion of values (true is not a number)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Choice:
    """A key of a section that names a component of ``table``."""

    table: Mapping[str, Component]
    default: str
    key: str = "name"
    given: tuple[str, ...] = ()
    """Parameters that the program passes itself, so that they are not keys here."""


class ComponentSection(Section):
    """A section made from ``Choice``s; the models that validation yields are its subclasses."""

    chosen: ClassVar[Mapping[str, tuple[Component, tuple[str, ...]]]] = {}
    """By key of the choice: the component, and which fields are its parameters."""

    name: str

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the component that ``name`` names."""
        return self._parameters("name")

    def component(self, key: str = "name") -> Component:
        """The component that ``key`` names, with this section's parameters filled in."""
        return partial(self.chosen[key][0], **self._parameters(key))

    def _parameters(self, key: str) -> dict[str, Any]:
        return {field: getattr(self, field) for field in self.chosen[key][1]}


class OneOf:
    """``Annotated[Head, OneOf(Head, Choice(HEADS, "arcface"))]``: a field that holds a section of
    ``base`` for one of the components, or one of each where there are several choices."""

    def __init__(self, base: type[ComponentSection], *choices: Choice) -> None:
        self.choices = choices
        self.models = {
            names: _model(base, choices, names) for names in product(*(c.table for c in choices))
        }

    def default(self) -> Any:
        """The section if a config does not mention it."""
        return self.models[tuple(choice.default for choice in self.choices)].model_validate({})

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        named = BeforeValidator(self._with_names)
        return handler.generate_schema(Annotated[self._union(()), named])

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        section = handler(core)
        names = {"enum": list(self.choices[0].table), "description": "with its defaults"}
        return {"anyOf": [names, section]}

    def spelled_out(self, tree: Any) -> Any:
        """``r18`` as ``{name: r18}``: a name alone means the component with its defaults."""
        return {self.choices[0].key: tree} if isinstance(tree, str) else tree

    def _with_names(self, tree: Any) -> Any:
        tree = self.spelled_out(tree)
        if not isinstance(tree, dict):
            return tree
        return {choice.key: choice.default for choice in self.choices} | tree

    def _union(self, names: tuple[str, ...]) -> Any:
        """The models whose names begin with these: a union for each remaining choice."""
        if len(names) == len(self.choices):
            return self.models[names]
        choice = self.choices[len(names)]
        branches = tuple(self._union((*names, name)) for name in choice.table)
        return Annotated[Union[branches], Field(discriminator=choice.key)]  # noqa: UP007

    def owners(self, parameter: str) -> list[str]:
        """The components that have this parameter."""
        return [
            name
            for choice in self.choices
            for name, component in choice.table.items()
            if parameter not in choice.given and parameter in parameters_of(component)
        ]

    def without_former(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """``old`` keys without the parameters of components that ``new`` replaces."""
        kept = dict(old)
        for choice in self.choices:
            former = old.get(choice.key, choice.default)
            if new.get(choice.key, former) != former and former in choice.table:
                for parameter in parameters_of(choice.table[former]):
                    if parameter not in choice.given:
                        kept.pop(parameter, None)
        return kept


class OneOrMore(OneOf):
    """The same for a field that holds such a section or a list (a tuple) of them."""

    ONE, LIST = "one", "list"
    """What pydantic calls the two in the locations of errors."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        one: Any = Annotated[self._union(()), BeforeValidator(self._with_names)]
        several: Any = Annotated[tuple[one, ...], Field(strict=False)]
        either: Any = Annotated[one, Tag(self.ONE)] | Annotated[several, Tag(self.LIST)]
        return handler.generate_schema(Annotated[either, Discriminator(self._kind)])

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        names = {"enum": list(self.choices[0].table), "description": "with its defaults"}
        either = handler(core)
        *_, several = either.pop("oneOf", None) or either.pop("anyOf")
        several["items"] = {"anyOf": [names, several["items"]]}
        return {"anyOf": [names, *_, several]}

    def _kind(self, tree: Any) -> str:
        return self.LIST if isinstance(tree, (list, tuple)) else self.ONE


def one_of(section: type[BaseModel], key: str) -> OneOf | None:
    """The ``OneOf`` of a field, if it has one."""
    field = section.model_fields.get(key)
    found = (m for m in field.metadata if isinstance(m, OneOf)) if field else iter(())
    return next(found, None)


def parameters_of(component: Component) -> dict[str, inspect.Parameter]:
    """By name; without the ``*args, **kwargs`` that a module with no ``__init__`` inherits."""
    unnamed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(component).parameters
    return {name: p for name, p in parameters.items() if p.kind not in unnamed}


def _model(
    base: type[ComponentSection], choices: tuple[Choice, ...], names: tuple[str, ...]
) -> type[ComponentSection]:
    """The section for these components: ``base``, their names as constants, their parameters."""
    fields: dict[str, Any] = {}
    chosen = {}
    says = []
    for choice, name in zip(choices, names, strict=True):
        component = choice.table[name]
        own = dict(_fields(component, choice.given))
        if twice := own.keys() & fields.keys():
            raise TypeError(f"{name}: another component of {base.__name__} has {min(twice)}, too")
        fields |= own
        chosen[choice.key] = (component, tuple(own))
        says.append((inspect.getdoc(component) or name).partition("\n\n")[0].replace("\n", " "))
    for choice, name in zip(choices, names, strict=True):
        default = name if name == choice.default else ...
        fields[choice.key] = (Literal[name], default)
    title = "_".join((base.__name__, *names))
    model = create_model(title, __base__=base, __doc__=" ".join(says), **fields)
    model.chosen = chosen
    return model


def _fields(component: Component, given: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Each parameter with its type and default, as ``create_model`` takes them."""
    signed = component.__init__ if inspect.isclass(component) else component
    hints = get_type_hints(signed, include_extras=True)
    for name, parameter in parameters_of(component).items():
        if name not in given:
            hint, meaning = _meaning(hints[name])
            # A tuple is a list in YAML; its items stay strict.
            loose = False if get_origin(hint) is tuple else None
            hint = Annotated[hint, Field(strict=loose, description=meaning)]
            required = parameter.default is inspect.Parameter.empty
            yield name, (hint, ... if required else parameter.default)


def _meaning(hint: Any) -> tuple[Any, str | None]:
    """``Annotated[float, "radians"]`` as (float, "radians"): components need not know pydantic."""
    if get_origin(hint) is not Annotated:
        return hint, None
    return hint.__origin__, next((m for m in hint.__metadata__ if isinstance(m, str)), None)
