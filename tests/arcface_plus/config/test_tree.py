"""YAML files → typed config: shipped configs, `extends`, and invalid files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from arcface_plus.config.tree import build_backbone, load, shipped, validate
from arcface_plus.run_directory.prepare import flattened
from data_prep.errors import UserError

CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.yaml"))


def written(tmp_path: Path, text: str, name: str = "c.yaml") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_casia_configs_have_the_papers_figures_and_differ_only_in_the_regularizer():
    plain, plus = (load(shipped(f"casia_r50_{n}.yaml")) for n in ("arcface", "arcface_plus"))
    assert validate({"run": {"name": "x"}}, "-").model_copy(update={"run": plain.run}) == plain
    assert (plus.regularizer.name, plus.regularizer.weight) == ("mma", 0.03)
    assert plain.eval.targets == ("lfw", "cfp_fp", "agedb_30")


@pytest.mark.parametrize("pair", ["casia_r50", "demo"])
def test_paired_configs_differ_only_in_the_regularizer(pair):
    one, two = (
        flattened(load(shipped(f"{pair}_{n}.yaml")).model_dump(mode="json"))
        for n in ("arcface", "arcface_plus")
    )
    differing = {k for k in one.keys() | two.keys() if one.get(k) != two.get(k)}
    assert differing
    assert all(k == "run.name" or k.startswith("regularizer.") for k in differing)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_configs_have_headers_and_survive_a_round_trip(path, tmp_path):
    header = path.read_text().split("\nrun:")[0]
    if "extends:" not in path.read_text():
        for word in ("Command:", "Hardware:", "Time:", "Expected:"):
            assert word in header
    config = load(path)
    assert load(written(tmp_path, config.to_yaml())) == config


def test_extends_merges_and_another_component_drops_the_previous_parameters(tmp_path):
    written(tmp_path, "run: {name: a, seed: 4}\nhead: {name: arcface, margin: 0.3}\n", "a.yaml")
    config = load(written(tmp_path, "extends: a.yaml\nrun: {name: b}\nhead: {name: softmax}\n"))
    assert (config.run.name, config.run.seed) == ("b", 4)
    assert "margin" not in config.head.parameters


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("run: {name: a}\nextends: c.yaml\n", "extends itself"),
        ("extends: gone.yaml\n", "gone.yaml: no such config file, which c.yaml extends"),
        ("run: [", "not YAML"),
        ("- 1\n", "expected a mapping"),
        ("extends: [a]\n", "extends: expected a file name"),
        (
            "run: {name: a}\ndata: {}\nrun: {name: b}\n",
            "key run stands in line 1 and again in line 3",
        ),
        ("run: " + "{a: " * 900 + "1" + "}" * 900, "nested more than"),
        (
            "run: {name: a}\noptimizer: {steps: true}\n",
            "optimizer.steps: expected a whole number, got true",
        ),
        ("data: {}\n", "missing key run"),
    ],
)
def test_bad_files(tmp_path, text, words):
    with pytest.raises(UserError, match=words):
        load(written(tmp_path, text))


def test_a_file_that_is_not_utf8(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"run:\n  name: \xfcber\n")
    with pytest.raises(UserError, match=r"c\.yaml: line 2: not UTF-8"):
        load(tmp_path / "c.yaml")
    with pytest.raises(UserError, match="no such config file"):
        load(tmp_path / "gone.yaml")


def test_keys_of_an_extended_file_need_not_be_repeated(tmp_path):
    """`extends` accepts any path, and this one is not a config."""
    written(tmp_path, "root:$6$hunter2:19000:0\ndaemon:*:19000:0:\n", "shadow")
    with pytest.raises(UserError) as caught:
        load(written(tmp_path, "extends: shadow\n"))
    assert "shadow: line 2: not YAML" in str(caught.value)
    assert not any(word in str(caught.value) for word in ("hunter2", "daemon", "19000"))


def test_a_bomb_of_aliases_is_refused_at_once(tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{n}: &{n} [{', '.join([f'*{p}'] * 9)}]" for p, n in pairwise("abcdefghi")]
    with pytest.raises(UserError, match="more than 20000 values"):
        load(written(tmp_path, "\n".join(lines)))


def test_settings_are_applied_in_order(tmp_path):
    path = written(tmp_path, "run: {name: a}\n")
    config = load(path, ["optimizer.lr=5e-4", "run.seed=1", "run.seed=2"])
    assert (config.optimizer.lr, config.run.seed) == (5e-4, 2)


def test_a_backbone_by_name():
    assert build_backbone("tiny", {"width": 0.5}, 32).embedding_dim == 32
    with pytest.raises(UserError, match=r"unknown key backbone\.widht"):
        build_backbone("tiny", {"widht": 0.5}, 32)
    with pytest.raises(UserError, match=r'unknown backbone "tinny" \(did you mean tiny'):
        build_backbone("tinny", {}, 32)
