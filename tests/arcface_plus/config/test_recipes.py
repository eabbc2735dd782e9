"""Recipes are found by name from anywhere, and a file always comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcface_plus.config.recipes import (
    config_file,
    recipes,
    shipped,
    studies,
    study_file,
    title,
)
from arcface_plus.config.tree import load
from data_prep.errors import UserError


def test_every_recipe_has_a_header():
    assert {"demo_arcface", "casia_r50_arcface_plus", "smoke"} <= set(recipes())
    for file in recipes().values():
        assert len(title(file)) > 20, file


def test_a_name_finds_the_recipe_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("demo_arcface", "demo_arcface.yaml"):
        assert config_file(Path(name)) == recipes()["demo_arcface"]
    assert load(Path("demo_arcface")).run.name == "demo_arcface"


def test_a_file_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("demo_arcface").write_text("run: {name: mine}\n")
    assert load(Path("demo_arcface")).run.name == "mine"


def test_a_config_may_extend_a_recipe(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("extends: casia_r50_arcface_plus\nrun: {name: mine}\n")
    assert load(file).regularizer.weight == 0.03


def test_unknown_names():
    with pytest.raises(UserError, match=r"demo_arcfac: no such .* \(did you mean demo_arcface\?"):
        load(Path("demo_arcfac"))
    with pytest.raises(UserError, match=r"xyz: no such config file or recipe .*config list"):
        shipped("xyz")
    with pytest.raises(UserError, match=r"is a GAN's recipe: use `arcface-plus gan cifar10_gan`"):
        load(Path("cifar10_gan"))
    with pytest.raises(UserError, match=r"configs/xyz\.yaml: no such config file"):
        load(Path("configs/xyz.yaml"))


def test_studies_are_found_by_name_and_are_no_recipes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert study_file(Path("demo")) == studies()["demo"]
    assert not set(studies()) & set(recipes())
    Path("demo").write_text("name: mine\n")
    assert study_file(Path("demo")) == Path("demo")
    with pytest.raises(UserError, match=r"demi: no such study \(did you mean demo\?"):
        study_file(Path("demi"))
