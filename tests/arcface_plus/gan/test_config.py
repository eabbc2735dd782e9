"""GAN recipes load and differ as they say; errors name the key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from arcface_plus.config.recipes import gan_recipes, title
from arcface_plus.gan.config import GanConfig, json_schema, load_gan
from arcface_plus.run_directory.prepare import flattened
from data_prep.errors import UserError

FOLDER = Path(__file__).parents[3] / "configs/gan"


def differing(one: GanConfig, other: GanConfig) -> set[str]:
    first, second = (flattened(c.model_dump(mode="json")) for c in (one, other))
    return {k for k in first.keys() | second.keys() if first.get(k) != second.get(k)}


def test_recipes_are_found_by_name_and_differ_in_what_they_are_about():
    assert set(gan_recipes()) == {
        "cifar10_gan", "cifar10_gan_sn", "cifar10_gan_mhe", "cifar10_gan_mhe_sn",
    }  # fmt: skip
    assert all(len(title(file)) > 20 for file in gan_recipes().values())
    plain, sn, mhe, both = (load_gan(f"cifar10_gan{end}") for end in ("", "_sn", "_mhe", "_mhe_sn"))
    norm = {"run.name", "model.normalization"}
    assert differing(plain, sn) == differing(mhe, both) == norm
    assert all(k.startswith(("regularizer.", "run.name")) for k in differing(plain, mhe))
    assert (mhe.regularizer.name, mhe.regularizer.layers) == ("mhe", "hidden")
    assert (plain.optimizer.lr, plain.optimizer.betas) == (1e-4, (0.5, 0.999))
    assert (plain.optimizer.steps, plain.data.batch_size) == (200_000, 64)


def test_a_config_written_out_is_the_same_config(tmp_path):
    config = load_gan("cifar10_gan_mhe_sn", ["run.seed=4"])
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    assert load_gan(tmp_path / "config.yaml") == config


def test_a_list_of_regularizers():
    terms = "[{name: mhe, weight: 1.0}, {name: mma, weight: 0.1, layers: ['convolutions.0.*']}]"
    config = load_gan("cifar10_gan", [f"regularizer={terms}", "model.width=0.05"])
    found = config.build_regularization(config.build_discriminator())
    assert [len(term.names) for term in found.acting] == [7, 1]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("model.widht=2", r"unknown key model\.widht \(did you mean model\.width\?"),
        ("model.normalization=layer", r"model\.normalization: expected .*none.*batch.*spectral"),
        ("data.batch_size=1", r"data\.batch_size: expected .* 2"),
        ("eval.samples=9", r"eval\.samples: expected .* 10"),
        ("optimizer.lr=0", r"optimizer\.lr must be positive"),
        ("optimizer.betas=[0.5, 1.0]", r"betas\[1\] must be at least 0 and below 1"),
        ("regularizer={name: mhe, weight: 1, layers: [conv9]}", r"no layer matches 'conv9'"),
        ("regularizer={name: mhe, weight: 1, layers: ['*']}", r"there is no classifier here"),
        ("regularizer={name: mhe, weight: 1, layers: classifier}", r"regularizer\.layers"),
        ("regularizer={name: mhe}", r"missing key regularizer\.weight"),
        ("regularizer={name: mhe, weight: 1, pairs: batch}", r"pairs: batch"),
        ("logging.sinks=[nowhere]", r"unknown sink"),
        ("head=arcface", r"unknown key head"),
    ],
)
def test_errors_name_the_key(setting, expected):
    with pytest.raises(UserError, match=expected) as raised:
        load_gan("cifar10_gan", [setting])
    assert "\n" not in str(raised.value)


def test_unknown_recipes():
    with pytest.raises(UserError, match=r"cifar10_gan_sm: no such GAN recipe \(did you mean cifar"):
        load_gan("cifar10_gan_sm")
    with pytest.raises(UserError, match=r"there/x\.yaml: no such config file"):
        load_gan("there/x.yaml")


def test_a_recipe_may_be_extended(tmp_path):
    (tmp_path / "mine.yaml").write_text(f"extends: {FOLDER}/cifar10_gan_mhe.yaml\ndata: {{}}\n")
    assert load_gan(tmp_path / "mine.yaml").regularizer.weight == 1.0


def test_the_shipped_schema_is_this_one():
    assert (FOLDER / "schema.json").read_text() == json_schema() + "\n"
    schema = json.loads(json_schema())
    for file in gan_recipes().values():
        for key, value in yaml.safe_load(file.read_text()).items():
            known = schema["properties"][key]
            section = schema["$defs"].get(known.get("$ref", "").rpartition("/")[2])
            if section:
                assert value.keys() <= section["properties"].keys()
    assert "required" not in schema
