"""What a study's YAML may say, and what it is told where it says something else."""

from __future__ import annotations

import pytest
from studies import STUDY, study_path

from arcface_plus.config.recipes import studies, title
from arcface_plus.studies.study_file import parse_study, read_study
from data_prep.errors import UserError


def test_seeds_are_a_count_or_a_list():
    assert parse_study(STUDY | {"seeds": 3}, "s").seed_list == (0, 1, 2)
    assert parse_study(STUDY | {"seeds": [7, 1]}, "s").seed_list == (7, 1)


def test_every_variant_is_compared_with_the_first_unless_told():
    three = STUDY["variants"] | {"half": {"set": {"regularizer.weight": 0.1}}}
    study = parse_study(STUDY | {"variants": three}, "s")
    assert study.comparisons == [("plain", "mma"), ("plain", "half")]
    told = {"half": ["mma", "plain"], "mma": "plain"}
    study = parse_study(STUDY | {"variants": three, "compare": told}, "s")
    assert study.comparisons == [("mma", "half"), ("plain", "half"), ("plain", "mma")]


def test_a_variant_may_be_empty():
    assert parse_study(STUDY | {"variants": {"a": None, "b": {}}}, "s").variants["a"].set == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sedes": 3}, r"unknown key sedes \(did you mean seeds\?\)"),
        ({"seeds": 0}, "seeds: expected a number of at least 1"),
        ({"seeds": [1, 2, 1]}, "seed 1 stands there more than once"),
        ({"seeds": "many"}, 'seeds: expected a whole number or a list, got "many"'),
        ({"variants": {"a": {"sett": {}}}},
         r"unknown key variants\.a\.sett \(did you mean variants\.a\.set\?\)"),
        ({"variants": {"a": {"paper": {"lfw": "x"}}}}, r"variants\.a\.paper.*expected a number"),
        ({"variants": {"a/b": {}}}, "'a/b' names a folder"),
        ({"variants": {}}, "variants: expected 1 items"),
        ({"name": "../x"}, r"'\.\./x' names a folder"),
        ({"compare": {"mmma": "plain"}}, r'compare: unknown variant "mmma" \(did you mean mma\?'),
        ({"compare": {"mma": "mma"}}, "compare: mma: is compared with itself"),
        ({"secondary": ["accuracy"]}, "secondary: name each figure once, and not accuracy"),
        ({"secondary": ["eer", "eer"]}, "secondary: name each figure once"),
        ({"secondary": ["tar"]}, r'secondary\..*unknown metric "tar"'),
        ({"metric": "acuracy"}, r'metric: unknown metric "acuracy" \(did you mean accuracy'),
        ({"base": None}, "missing key base"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(tmp_path, changes, words):
    with pytest.raises(UserError, match=words) as caught:
        read_study(study_path(tmp_path, **changes))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'study.yaml'}: ")


def test_all_mistakes_are_told_at_once(tmp_path):
    with pytest.raises(UserError, match=r"unknown key plann .*; seeds: ") as caught:
        read_study(study_path(tmp_path, plann="x", seeds=-1))
    assert "\n" not in str(caught.value)


def test_studies_are_found_by_name_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_study("demo")[0].name == "demo"
    with pytest.raises(UserError, match=r"demoo: no such study \(did you mean demo\?"):
        read_study("demoo")
    with pytest.raises(UserError, match=r"x/demo\.yaml: no such study file"):
        read_study("x/demo.yaml")


def test_every_shipped_study_has_a_header_and_its_own_name():
    assert "demo" in studies()
    for name, file in studies().items():
        text = file.read_text()
        assert len(title(file)) > 20, file
        assert all(f"# {word}:" in text for word in ("Command", "Hardware", "Time", "Expected"))
        assert read_study(file)[0].name == name
