"""A study as a YAML file: a base recipe, variants of it, seeds, and what is compared with what."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from arcface_plus.config.complaints import complaints, unknown_name
from arcface_plus.config.components import Section
from arcface_plus.config.recipes import study_file
from data_prep.errors import UserError
from data_prep.yaml_file import read_yaml
from eval.metric import METRICS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def _folder_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} names a folder: use letters, digits and . _ + -, and begin with a letter "
            "or digit"
        )
    return name


def _empty_is_unchanged(variants: Any) -> Any:
    """`baseline:` without anything is a variant without changes."""
    if not isinstance(variants, dict):
        return variants
    return {name: {} if variant is None else variant for name, variant in variants.items()}


def _distinct(seeds: tuple[int, ...]) -> tuple[int, ...]:
    twice = [str(seed) for seed, times in Counter(seeds).items() if times > 1]
    if twice:
        raise ValueError(f"seed {', '.join(twice)} stands there more than once")
    return seeds


def _known_metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(unknown_name("metric", name, METRICS))
    return name


FolderName = Annotated[str, AfterValidator(_folder_name)]
Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...],
    Field(strict=False, min_length=1),
    AfterValidator(_distinct),
]


class Variant(Section):
    """The base recipe with some keys changed."""

    base: Annotated[
        str | None,
        Field(min_length=1, description="recipe of this variant; null: that of the study"),
    ] = None
    set: Annotated[
        dict[str, Any],
        Field(description="changes of the base: keys of a config, nested or dotted"),
    ] = {}  # noqa: RUF012
    start_from: Annotated[
        FolderName | None,
        Field(description="another variant: each run starts from that one's run of the same seed"),
    ] = None
    paper: Annotated[
        dict[str, float],
        Field(description="the paper's figure for each target, in %, as printed there"),
    ] = {}  # noqa: RUF012


class StudyFile(Section):
    """What a study's YAML says."""

    name: Annotated[FolderName, Field(description="name in reports; default folder: studies/NAME")]
    base: Annotated[
        str, Field(min_length=1, description="recipe, or config file relative to this file")
    ]
    set: Annotated[
        dict[str, Any],
        Field(description="changes of the base in all variants: keys of a config"),
    ] = {}  # noqa: RUF012
    variants: Annotated[
        dict[FolderName, Variant],
        BeforeValidator(_empty_is_unchanged),
        Field(min_length=1, description="by name; the first is the reference unless `compare` says"
              " otherwise"),
    ]  # fmt: skip
    seeds: Annotated[
        Annotated[int, Field(ge=1)] | Seeds,
        Field(description="a list of run.seed, or how many: N means 0 to N - 1"),
    ]
    targets: Annotated[
        tuple[str, ...] | None,
        Field(
            strict=False,
            min_length=1,
            description="judged targets; null: all of eval.targets. Of classification: test, and "
            "class_0 and so on for the images of one class",
        ),
    ] = None
    metric: Annotated[
        str,
        AfterValidator(_known_metric),
        Field(
            description="the figure that is judged: accuracy, or one of the other figures",
            json_schema_extra={"enum": list(METRICS)},
        ),
    ] = "accuracy"
    secondary: Annotated[
        tuple[Annotated[str, AfterValidator(_known_metric)], ...],
        Field(
            strict=False,
            description="other figures to report, with 95% intervals and without verdicts",
            json_schema_extra={"items": {"enum": list(METRICS), "type": "string"}},
        ),
    ] = ()
    compare: Annotated[
        dict[str, str | Annotated[tuple[str, ...], Field(strict=False, min_length=1)]] | None,
        Field(description="variant: its reference, or several; null: all with the first variant"),
    ] = None
    resolve: Annotated[
        float,
        Field(gt=0, lt=100, description="points: how many seeds would show such a difference?"),
    ] = 0.1
    paper: Annotated[str, Field(description="where the paper's figures are from")] = ""
    needs: Annotated[
        str, Field(description="which data, and where to get them; --dry-run and the report say it")
    ] = ""
    hypothesis: Annotated[str, Field(description="what is expected, for the report")] = ""
    plan: Annotated[str, Field(description="the analysis, decided before the first run")] = ""

    @property
    def seed_list(self) -> tuple[int, ...]:
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds

    @property
    def comparisons(self) -> list[tuple[str, str]]:
        """(reference, variant), in the order of the file."""
        if self.compare is None:
            first, *others = self.variants
            return [(first, other) for other in others]
        return [
            (reference, variant)
            for variant, given in self.compare.items()
            for reference in ([given] if isinstance(given, str) else given)
        ]

    @model_validator(mode="after")
    def _secondary_is_not_judged(self) -> StudyFile:
        if self.metric in self.secondary or len(set(self.secondary)) < len(self.secondary):
            raise ValueError(f"secondary: name each figure once, and not {self.metric}, the judged")
        return self

    @model_validator(mode="after")
    def _compares_variants(self) -> StudyFile:
        for reference, variant in self.comparisons:
            for name in (variant, reference):
                if name not in self.variants:
                    raise ValueError(f"compare: {unknown_name('variant', name, self.variants)}")
            if reference == variant:
                raise ValueError(f"compare: {variant}: is compared with itself")
        return self

    @model_validator(mode="after")
    def _starts_from_variants(self) -> StudyFile:
        for name, variant in self.variants.items():
            passed, start = {name}, variant.start_from
            while start is not None:
                if start not in self.variants:
                    unknown = unknown_name("variant", start, self.variants)
                    raise ValueError(f"variants.{name}.start_from: {unknown}")
                if start in passed:
                    raise ValueError(f"variants.{name}.start_from: ends where it begins")
                passed.add(start)
                start = self.variants[start].start_from
        return self


def read_study(path: str | Path) -> tuple[StudyFile, Path]:
    """A file, or a study that comes with ArcFace+ by its name: its content, and where it is.

    One UserError with everything that is wrong.
    """
    file = study_file(Path(path))
    if not file.is_file():
        raise UserError(f"{file}: no such study file")
    return parse_study(read_yaml(file), str(file)), file


def parse_study(tree: Mapping[str, Any], source: str) -> StudyFile:
    """A tree of plain values → StudyFile; `source` is named in the error."""
    try:
        return StudyFile.model_validate(tree)
    except pydantic.ValidationError as error:
        raise UserError(f"{source}: {complaints(error, StudyFile)}") from None
