"""The configs and studies shipped with the package, found by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

import arcface_plus
from data_prep.errors import UserError


def recipes() -> dict[str, Path]:
    """The shipped configs by name: beside the package in a checkout, inside it in a wheel."""
    return _shipped_files("*.yaml")


def studies() -> dict[str, Path]:
    """The shipped studies by name."""
    return _shipped_files("studies/*.yaml")


def gan_recipes() -> dict[str, Path]:
    """The shipped recipes of GANs by name."""
    return _shipped_files("gan/*.yaml")


def shipped(name: str) -> Path:
    """The file of a recipe, e.g. `demo_arcface`, with or without `.yaml`; UserError if unknown."""
    if name.removesuffix(".yaml") in gan_recipes():
        raise UserError(f"{name}: is a GAN's recipe: use `arcface-plus gan {name}`")
    return _known(name, recipes(), "config file or recipe", "shows the recipes")


def shipped_study(name: str) -> Path:
    """The file of a study, with or without `.yaml`; UserError if unknown."""
    return _known(name, studies(), "study", "shows the studies that come with ArcFace+")


def config_file(given: Path) -> Path:
    """The file `given` if it exists, else the recipe of that name.

    Only bare names are looked up as recipes; other paths are returned unchanged.
    """
    return given if given.is_file() or given.name != str(given) else shipped(given.name)


def study_file(given: Path) -> Path:
    """The file `given` if it exists, else the shipped study of that name; as `config_file`."""
    return given if given.is_file() or given.name != str(given) else shipped_study(given.name)


def gan_file(given: Path) -> Path:
    """The file `given` if it exists, else the GAN's recipe of that name; as `config_file`."""
    if given.is_file() or given.name != str(given):
        return given
    return _known(given.name, gan_recipes(), "GAN recipe", "shows them")


def title(recipe: Path) -> str:
    """The first line of a recipe's header."""
    for line in recipe.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and "yaml-language-server" not in line:
            return line.lstrip("# ").rstrip(".")
    return ""


def _shipped_files(pattern: str) -> dict[str, Path]:
    package = Path(arcface_plus.__file__).resolve().parent
    for folder in (package / "configs", package.parent / "configs"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob(pattern))}
    return {}


def _known(name: str, known: Mapping[str, Path], what: str, list_shows: str) -> Path:
    stem = name.removesuffix(".yaml")
    if stem in known:
        return known[stem]
    near = difflib.get_close_matches(stem, known, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    raise UserError(f"{name}: no such {what} ({meant}`arcface-plus config list` {list_shows})")
