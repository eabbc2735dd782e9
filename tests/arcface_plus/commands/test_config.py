"""`arcface-plus config list, show, keys`."""

from __future__ import annotations

import pytest
import yaml

from arcface_plus import cli
from arcface_plus.config.tree import load, shipped, validate


@pytest.fixture
def command(capsys):
    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            cli.main(["config", *words])
        captured = capsys.readouterr()
        return int(left.value.code or 0), captured.out, captured.err

    return run


def test_list_names_the_recipes(command):
    code, shown, _ = command("list")
    assert code == 0
    lines = [line.split() for line in shown.splitlines()]
    recipes = [words[0] for words in lines if words[1] not in ("study:", "gan:")]
    studies = [words[0] for words in lines if words[1] == "study:"]
    gans = [words[0] for words in lines if words[1] == "gan:"]
    assert (recipes, studies, gans) == (sorted(recipes), sorted(studies), sorted(gans))
    assert {"cifar10_gan", "cifar10_gan_mhe_sn"} <= set(gans)
    assert {"demo_arcface", "casia_r50_arcface_plus"} <= set(recipes)
    assert {"demo", "arcface_against_arcface_plus"} <= set(studies)


def test_show_prints_what_a_run_would_take(command):
    code, shown, _ = command("show", "demo_arcface_plus", "-s", "model.backbone=r18")
    assert code == 0
    expected = load(shipped("demo_arcface_plus"), ["model.backbone=r18"])
    assert validate(yaml.safe_load(shown), "shown") == expected


def test_keys_of_a_section(command):
    code, shown, _ = command("keys", "head")
    assert code == 0
    assert "head.margin_gradient" in shown
    assert "exact | straight_through" in shown
    assert "optimizer" not in shown


def test_mistakes(command):
    assert command("keys", "hed")[0] == 2
    code, _, errors = command("show", "demo_arcface", "--set", "head.margn=1")
    assert code == 2
    assert "did you mean head.margin?" in errors
