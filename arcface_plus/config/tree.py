"""The typed config of a run: YAML in, `RunConfig` out, errors that name the key and the fix.

A YAML file may contain `extends: other.yaml` (relative to itself); its keys override that file's.
One error reports everything that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic
from torch import nn

from arcface_plus.config.complaints import complaints, unknown_name
from arcface_plus.config.faces import Model
from arcface_plus.config.merging import merged, setting
from arcface_plus.config.recipes import config_file, recipes, shipped
from arcface_plus.config.sections import RunConfig
from arcface_plus.config.tasks import config_class, others
from arcface_plus.models.backbones import BACKBONES
from data_prep.errors import UserError
from data_prep.yaml_file import read_yaml

__all__ = ["RunConfig", "build_backbone", "load", "merged_configs", "shipped", "validate"]

Merge = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]


def load(path: str | Path, settings: Sequence[str] = ()) -> RunConfig:
    """YAML file or recipe, then `key.sub=value` settings; one UserError with all problems."""
    path = config_file(Path(path))
    tree = read_tree(path)
    for text in settings:
        tree = merged_configs(tree, setting(text))
    return validate(tree, str(path))


def read_tree(path: Path, merge: Merge | None = None) -> dict[str, Any]:
    """The keys of a YAML file merged over those of the files it extends; not validated.

    merge: puts one tree on top of another; None: `merged_configs`.
    """
    return _read(path, (), merge or merged_configs)


def extended_file(name: str, file: Path) -> Path:
    """What `extends: name` in `file` means: the file of that name beside it, else the recipe."""
    beside = file.parent / name
    return beside if beside.is_file() else recipes().get(name.removesuffix(".yaml"), beside)


def merged_configs(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, both of a whole config."""
    return merged(base, over, config_class(base, over))


def validate(tree: Mapping[str, Any], source: str) -> RunConfig:
    """A tree of plain values → the config of its task; `source` is named in the error."""
    shape = config_class(tree)
    try:
        return shape.model_validate(tree)
    except pydantic.ValidationError as error:
        raise UserError(f"{source}: {complaints(error, shape, others(shape))}") from None


def build_backbone(name: str, parameters: Mapping[str, Any], embedding_dim: int) -> nn.Module:
    """A network by its name in a config, without dropout; UserError for invalid values."""
    if name not in BACKBONES:
        raise UserError(unknown_name("backbone", name, BACKBONES))
    backbone = {**parameters, "name": name}
    tree = {"backbone": backbone, "embedding_dim": embedding_dim, "dropout": 0.0}
    try:
        return Model.model_validate(tree).build_backbone()
    except pydantic.ValidationError as error:
        raise UserError(complaints(error, Model)) from None


def _read(path: Path, seen: tuple[Path, ...], merge: Merge) -> dict[str, Any]:
    """The file's tree, merged over what it extends."""
    resolved = path.resolve()
    if resolved in seen:
        raise UserError(f"{path}: extends itself through {seen[-1].name}")
    if not path.is_file():
        named = f", which {seen[-1].name} extends" if seen else ""
        raise UserError(f"{path}: no such config file{named}")
    tree = read_yaml(path)
    parent = tree.pop("extends", None)
    if parent is None:
        return tree
    if not isinstance(parent, str):
        raise UserError(f"{path}: extends: expected a file name")
    return merge(_read(extended_file(parent, path), (*seen, resolved), merge), tree)
