"""The typed tree of a run: YAML in, `RunConfig` out, errors that name the key and the mend.

A YAML file may say `extends: other.yaml` (relative to itself); its keys are merged over that one's.
Every complaint is collected before anything is raised.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

import pydantic
import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from torch import nn

import arcface_plus
from arcface_plus.config.complaints import complaint
from arcface_plus.models.backbones import BACKBONES
from arcface_plus.models.heads import HEADS
from arcface_plus.models.registry import Factory, build, defaults
from arcface_plus.models.regularizers import REGULARIZERS
from data_prep.errors import UserError

Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class _Part(_Section):
    """A section that names one of a registry's parts; its other keys are that part's parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)
    table: ClassVar[Mapping[str, Factory]]
    elsewhere: ClassVar[tuple[str, ...]] = ()  # parameters that another section sets
    name: str

    @model_validator(mode="before")
    @classmethod
    def _resolved(cls, tree: Any) -> Any:
        """Add the defaults of the named part, so that RUN/config.yaml hides nothing."""
        name = tree.get("name", cls.model_fields["name"].default) if isinstance(tree, dict) else ""
        if not isinstance(name, str) or name not in cls.table:
            return tree
        own = {k: v for k, v in defaults(cls.table[name]).items() if k not in cls.elsewhere}
        return own | tree

    @property
    def parameters(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


class Run(_Section):
    name: Annotated[str, Field(min_length=1, description="what reports call this run")]
    seed: NonNegative = 0
    deterministic: Annotated[
        bool, Field(description="deterministic algorithms only: slower, equal bits")
    ] = False


class Data(_Section):
    train: Annotated[
        str | None, Field(description=".rec, a folder with train.rec, or a folder of class folders")
    ] = None
    batch_size: Annotated[Positive, Field(description="global batch, split over processes")] = 440
    micro_batch_size: Annotated[
        Positive | None,
        Field(description="images a process takes through the network at once; null: its share"),
    ] = None
    cache: Annotated[
        Literal["none", "memory", "disk", "device"],
        Field(description="where decoded pixels are kept: 37.6 KB an image"),
    ] = "none"
    cache_dir: Annotated[
        str | None, Field(description="folder of the disk cache; null: beside the training data")
    ] = None
    threads: Annotated[NonNegative, Field(description="decoding threads; 0: one a core")] = 0
    flip: bool = True


class Backbone(_Part):
    table = BACKBONES
    elsewhere = ("embedding_dim", "dropout")
    name: str = "r50"


class Model(_Section):
    backbone: Backbone = Backbone()
    embedding_dim: Positive = 512
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.4

    @model_validator(mode="after")
    def _buildable(self) -> Model:
        with torch.device("meta"):  # everything of building but the memory and the time
            self.build_backbone()
        return self

    def build_backbone(self) -> nn.Module:
        """The network, freshly initialised; ValueError for parameters it does not have."""
        own = {"embedding_dim": self.embedding_dim, "dropout": self.dropout}
        if twice := own.keys() & self.backbone.parameters.keys():
            raise ValueError(f"{min(twice)} belongs in model, not in model.backbone")
        return cast(
            nn.Module,
            build(BACKBONES, "backbone", self.backbone.name, own | self.backbone.parameters),
        )


class Head(_Part):
    table = HEADS
    name: str = "arcface"

    @model_validator(mode="after")
    def _buildable(self) -> Head:
        self.build()
        return self

    def build(self) -> nn.Module:
        return cast(nn.Module, build(HEADS, "head", self.name, self.parameters))


class Regularizer(_Part):
    table = REGULARIZERS
    name: str = "none"
    weight: NonNegativeFloat = 0.0

    @model_validator(mode="after")
    def _buildable(self) -> Regularizer:
        self.build()
        return self

    def build(self) -> nn.Module:
        return cast(nn.Module, build(REGULARIZERS, "regularizer", self.name, self.parameters))


class Optimizer(_Section):
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NonNegativeFloat = 5.0e-4
    milestones: tuple[Positive, ...] = (23_750, 33_250)
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    warmup_steps: NonNegative = 0
    steps: Positive = 38_000
    grad_clip: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @field_validator("milestones")
    @classmethod
    def _ascending(cls, milestones: tuple[int, ...]) -> tuple[int, ...]:
        if list(milestones) != sorted(set(milestones)):
            raise ValueError("milestones must ascend")
        return milestones


class Runtime(_Section):
    precision: Annotated[
        Literal["auto", "bf16", "fp16", "fp32"], Field(description="auto: bf16 on GPUs that do it")
    ] = "auto"
    compile: Annotated[bool | Literal["auto"], Field(description="auto: on CUDA")] = "auto"
    channels_last: Annotated[bool | Literal["auto"], Field(description="auto: on")] = "auto"
    activation_checkpointing: Annotated[
        bool, Field(description="keep less, compute more: for cards that are too small otherwise")
    ] = False
    device: Annotated[str, Field(description="auto, cpu, cuda or cuda:N")] = "auto"


class Checkpoint(_Section):
    every: Positive = 1000
    keep: Positive = 3


class Eval(_Section):
    targets: tuple[str, ...] = ("lfw", "cfp_fp", "agedb_30")
    every: Positive = 2000
    data: Annotated[
        str | None, Field(description="folder of <target>.bin; null: the training data's folder")
    ] = None


class Logging(_Section):
    every: Annotated[Positive, Field(description="steps between two lines of metrics.jsonl")] = 50


class RunConfig(_Section):
    """Everything that decides a run. `RUN/config.yaml` is this, fully resolved."""

    run: Run
    data: Data = Data()
    model: Model = Model()
    head: Head = Head()
    regularizer: Regularizer = Regularizer()
    optimizer: Optimizer = Optimizer()
    runtime: Runtime = Runtime()
    checkpoint: Checkpoint = Checkpoint()
    eval: Eval = Eval()
    logging: Logging = Logging()

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load(path: Path, settings: Sequence[str] = ()) -> RunConfig:
    """YAML file, then `key.sub=value` settings, validated; one UserError with all complaints."""
    tree = _read(path, ())
    for setting in settings:
        _apply(tree, setting)
    return validate(tree, str(path))


def validate(tree: Mapping[str, Any], source: str) -> RunConfig:
    """A tree of plain values → RunConfig; `source` names it in the error."""
    try:
        return RunConfig.model_validate(tree)
    except pydantic.ValidationError as error:
        complaints = "; ".join(complaint(e, RunConfig) for e in error.errors())
        raise UserError(f"{source}: {complaints}") from None


def json_schema() -> str:
    """The JSON schema by which editors complete and check configs (configs/schema.json)."""
    schema = RunConfig.model_json_schema()
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "another file, relative to this one, over whose keys these are merged",
    }
    for part in (Backbone, Head, Regularizer):
        schema["$defs"][part.__name__]["properties"]["name"]["enum"] = sorted(part.table)
    for section in (schema, *schema["$defs"].values()):
        section.pop("required", None)  # a file that extends another need not repeat its keys
    return json.dumps(schema, indent=2)


def shipped(name: str) -> Path:
    """The path of a config that comes with the package, e.g. `demo_arcface.yaml`."""
    package = Path(arcface_plus.__file__).resolve().parent
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{name}: no such shipped config")


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """The file's tree, merged over what it extends."""
    resolved = path.resolve()
    if resolved in seen:
        raise UserError(f"{path}: extends itself, by way of {seen[-1].name}")
    if not path.is_file():
        named = f", which {seen[-1].name} extends" if seen else ""
        raise UserError(f"{path}: no such config file{named}")
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path}: expected sections such as `run:` and `data:`")
    parent = tree.pop("extends", None)
    if parent is None:
        return tree
    return _merge(_read(path.parent / str(parent), (*seen, resolved)), tree)


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Sections merge; a section that names another part drops the parameters of the former."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            renamed = "name" in value and value["name"] != old.get("name")
            result[key] = dict(value) if renamed and key != "run" else _merge(old, value)
        else:
            result[key] = value
    return result


def _apply(tree: dict[str, Any], setting: str) -> None:
    """`--set key.sub=value`; the value is YAML, so numbers, lists and null work."""
    key, equals, text = setting.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise UserError(f"--set {setting}: expected key.sub=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"--set {setting}: the value is not YAML") from None
    if isinstance(value, str) and _is_number(value):
        value = float(value)  # YAML 1.1 reads 5e-4 as text
    over: dict[str, Any] = {path[-1]: value}
    for name in reversed(path[:-1]):
        over = {name: over}
    tree.update(_merge(tree, over))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
