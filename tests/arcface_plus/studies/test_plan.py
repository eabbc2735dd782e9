"""A study file becomes runs with whole configs, or one error about all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from classification_runs import layout_of, two_steps, write_data_of
from runs import lines
from studies import planned

from arcface_plus.config.merging import merged, setting
from arcface_plus.config.recipes import studies
from arcface_plus.config.tree import load, shipped, validate
from arcface_plus.studies.plan import load_plan
from arcface_plus.studies.study_file import read_study
from arcface_plus.training.run import execute
from data_prep.errors import UserError


def studies_of(task: str) -> list[str]:
    """The shipped studies of this task."""
    bases = {name: read_study(file)[0].base for name, file in studies().items()}
    return [name for name, base in bases.items() if load(shipped(base)).task == task]


@pytest.fixture(scope="module")
def trained() -> set[str]:
    """The small configs that some study's variant has trained: those of others may be equal."""
    return set()


def test_runs_come_seed_by_seed_with_their_configs(tmp_path):
    plan = planned(tmp_path)
    assert [run.name for run in plan.runs] == [
        "plain/seed_0", "mma/seed_0", "plain/seed_1", "mma/seed_1",
    ]  # fmt: skip
    assert str(plan.runs[1].folder) == "runs/mma/seed_0"
    plain, mma = plan.runs[2].config, plan.runs[3].config
    assert (plain.run.seed, plain.run.name) == (1, "two_plain_seed_1")
    assert (plain.regularizer.name, mma.regularizer.name) == ("none", "mma")
    assert plain.data.train == mma.data.train == "DATA"
    assert plain.optimizer == mma.optimizer
    assert plan.targets == ("synth_frontal",)
    assert plan.changes == {"plain": {"regularizer": "none"}, "mma": {}}


def test_nested_and_dotted_changes_are_the_same(tmp_path):
    nested = {"set": {"regularizer": {"name": "koleo", "weight": 0.1}}}
    dotted = {"set": {"regularizer.name": "koleo", "regularizer.weight": 0.1}}
    one, other = (
        planned(tmp_path, variants={"plain": {}, "changed": changed}).runs[1].config
        for changed in (nested, dotted)
    )
    assert one == other
    assert (one.regularizer.name, one.regularizer.weight) == ("koleo", 0.1)


def test_the_order_of_dotted_changes_does_not_matter(tmp_path):
    widths = {"model.backbone.width": 0.25, "model.backbone.name": "mobilefacenet"}
    for changes in (widths, dict(reversed(widths.items()))):
        backbone = planned(tmp_path, variants={"a": {"set": changes}}).runs[0].config.model.backbone
        assert (backbone.name, backbone.width) == ("mobilefacenet", 0.25)


def test_a_variant_may_have_a_base_of_its_own(tmp_path):
    (tmp_path / "wide.yaml").write_text(
        "extends: smoke\nmodel: {backbone: {name: tiny, width: 0.25}}\noptimizer: {lr: 0.2}\n"
    )
    variants = {
        "plain": {},
        "wide": {"base": "wide.yaml"},
        "wide_mma": {"base": "wide.yaml", "set": {"regularizer": {"name": "mma", "weight": 0.5}}},
    }
    shared = {"optimizer.warmup_steps": 3}
    plan = planned(tmp_path, "optimizer.steps=7", variants=variants, set=shared)
    plain, wide, mma = (run.config for run in plan.runs[:3])
    assert (wide.optimizer.lr, wide.model.backbone.width) == (0.2, 0.25)
    assert plain.optimizer.lr != 0.2
    assert mma.model == wide.model
    assert {c.optimizer.steps for c in (plain, wide, mma)} == {7}
    assert {c.optimizer.warmup_steps for c in (plain, wide, mma)} == {3}
    assert plan.changes["plain"] == {}
    own = {"model.backbone.width": 0.25, "optimizer.lr": 0.2}
    assert plan.changes["wide"] == own
    regularizer = {"regularizer.name": "mma", "regularizer.weight": 0.5}
    assert plan.changes["wide_mma"] == own | regularizer
    with pytest.raises(UserError, match=r"variants\.b\.base: mone: no such config file or recipe"):
        planned(tmp_path, variants={"a": {}, "b": {"base": "mone"}})
    (tmp_path / "wide.yaml").write_text("extends: smoke\noptimizer: {lrr: 0.2}\n")
    with pytest.raises(UserError, match=r"wide\.yaml with the changes in set: unknown key opt"):
        planned(tmp_path, variants=variants)


def test_needs_are_one_line(tmp_path):
    assert planned(tmp_path).where_from == ""
    assert planned(tmp_path, needs="Faces\n\n  from X\n").where_from == "Faces from X"


def test_set_holds_for_every_variant(tmp_path):
    plan = planned(tmp_path, "optimizer.steps=7", "data.train=elsewhere")
    assert {run.config.optimizer.steps for run in plan.runs} == {7}
    assert {run.config.data.train for run in plan.runs} == {"elsewhere"}


def test_the_base_is_found_as_extends_finds_it(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: smoke\noptimizer: {steps: 5}\n")
    assert planned(tmp_path, base="mine.yaml").runs[0].config.optimizer.steps == 5
    with pytest.raises(UserError, match=r"base: mone: no such config file or recipe"):
        planned(tmp_path, base="mone")


@pytest.mark.parametrize(
    ("changes", "settings", "words"),
    [
        ({"set": {"optimizer.stepz": 3}}, (),
         r"smoke\.yaml with the changes in set: unknown key optimizer\.stepz \(did you mean"),
        ({"set": {"run.seed": 3}}, (), "set: run.seed is set by the study"),
        ({}, ("run.name=x",), "--set: run.name is set by the study"),
        ({}, ("regularizer=koleo",), "--set regularizer: variant plain sets regularizer itself"),
        ({"variants": {"a": {"set": {"head": "arcface", "head.margin": 0.1}}}}, (),
         r"study\.yaml: variants\.a: head is changed twice"),
        ({"set": {"optimizer": {"lr": 1.0}, "optimizer.lr": 2.0}}, (),
         r"study\.yaml: set: optimizer\.lr is changed twice"),
        ({"variants": {"a": {}, "b": {}}}, (), "variants a and b are equal"),
        ({"variants": {"a": {}, "b": {"set": {"run.seed": 1}}}}, (),
         r"variants\.b: run\.seed is set by the study"),
        ({"targets": ["lfw"]}, (), r"variants\.plain: eval\.targets lacks lfw, which is judged"),
        ({"variants": {"a": {"paper": {"lfw": 99.0}}, "b": {"set": {"run.deterministic": True}}}},
         (), r'variants\.a\.paper: unknown target "lfw"'),
        ({"set": {"eval.targets": []}, "variants": {"a": {}}}, (), "nothing to compare"),
        ({"variants": {"a": {"start_from": "c"}, "b": {}}}, (),
         r'variants\.a\.start_from: unknown variant "c"'),
        ({"variants": {"a": {"start_from": "b"}, "b": {"start_from": "a"}}}, (),
         r"variants\.a\.start_from: ends where it begins"),
        ({"variants": {"a": {}, "b": {"start_from": "a", "set": {"model.embedding_dim": 8}}}}, (),
         r"variants\.b: its network is not that of a, its start_from"),
        ({"variants": {"a": {}, "b": {"start_from": "a", "set": {"model.init": "x"}}}}, (),
         r"variants\.b: give start_from or model\.init, not both"),
        ({"variants": {"a": {}, "b": {"start_from": "a"}}}, ("model.init=x",),
         r"--set model\.init: variant b sets model\.init itself"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(tmp_path, changes, settings, words):
    with pytest.raises(UserError, match=words) as caught:
        planned(tmp_path, *settings, **changes)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'study.yaml'}: ")


def test_the_mistakes_of_all_variants_are_told_at_once(tmp_path):
    variants = {
        "a": {"set": {"optimizer.lrr": 1}},
        "b": {"set": {"regularizer": {"name": "mma"}, "head.margn": 2}},
        "c": {},
    }
    with pytest.raises(UserError) as caught:
        planned(tmp_path, variants=variants)
    for words in ("variants.a: unknown key optimizer.lrr", "variants.b: ", "head.margn"):
        assert words in str(caught.value)


def test_a_mistake_of_every_variant_is_told_once(tmp_path):
    variants = {"a": {}, "b": {"set": {"optimizer.lr": 0.5}}}
    with pytest.raises(UserError) as caught:
        planned(tmp_path, "optimizer.setps=3", variants=variants)
    told = "every variant: unknown key optimizer.setps (did you mean optimizer.steps?)"
    assert str(caught.value) == f"{tmp_path / 'study.yaml'}: {told}"


def test_a_variant_that_starts_from_another_has_its_run_of_the_same_seed(tmp_path):
    plan = planned(tmp_path, variants={"a": {}, "b": {"start_from": "a"}})
    assert [(run.name, run.start and run.start.name) for run in plan.runs] == [
        ("a/seed_0", None), ("b/seed_0", "a/seed_0"), ("a/seed_1", None), ("b/seed_1", "a/seed_1"),
    ]  # fmt: skip
    assert plan.runs[1].start == plan.runs[0]
    assert plan.changes["b"] == {"model.init": "a, same seed"}


def test_only_chooses_runs_by_pattern(tmp_path):
    plan = planned(tmp_path)
    assert plan.only(None) == plan.runs
    assert [run.name for run in plan.only("mma/*")] == ["mma/seed_0", "mma/seed_1"]
    assert [run.name for run in plan.only("*/seed_1")] == ["plain/seed_1", "mma/seed_1"]
    with pytest.raises(UserError, match=r"--only mmma/\*: no run of the study matches"):
        plan.only("mmma/*")


@pytest.mark.parametrize("name", sorted(studies()))
def test_shipped_studies_are_plans(name):
    plan = load_plan(name)
    assert len(plan.runs) == len(plan.study.variants) * len(plan.study.seed_list)


@pytest.mark.parametrize("name", studies_of("verification"))
def test_every_variant_of_a_study_of_faces_trains(name, tiny_settings, tmp_path):
    small = [
        *tiny_settings, "eval.targets=[]", "model.backbone={name: tiny, width: 0.25}",
        "model.embedding_dim=8",
    ]  # fmt: skip
    plan = load_plan(name)
    for run in plan.runs[: len(plan.study.variants)]:  # of the first seed
        tree = run.config.model_dump(mode="json")
        for given in small:
            tree = merged(tree, setting(given), type(run.config))
        if run.start is not None:
            tree["model"]["init"] = str(tmp_path / run.start.folder)
        execute(validate(tree, run.name), tmp_path / run.folder)
        assert lines(tmp_path / run.folder)[-1]["step"] == 2


@pytest.mark.parametrize("name", studies_of("classification"))
def test_every_variant_of_a_study_of_images_trains(name, trained, tmp_path):
    plan = load_plan(name)
    for run in plan.runs[: len(plan.study.variants)]:  # of the first seed
        recipe = plan.study.variants[run.variant].base or plan.study.base
        data = tmp_path / recipe
        config = two_steps(run.config, data)
        kind = layout_of(recipe).replace("cifar100", "cifar10")  # of one size
        what = config.model_dump_json(exclude={"run"}).replace(str(data), kind)
        if what in trained:
            continue
        trained.add(what)
        if not data.exists():
            write_data_of(recipe, data)
        execute(config, tmp_path / run.folder)
        assert [line["step"] for line in lines(tmp_path / run.folder)] == [1, 2]


def test_the_example_of_the_documentation_is_a_study(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "studies.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "study.yaml").write_text(example)
    plan = load_plan(tmp_path / "study.yaml")
    assert len(plan.runs) == 15
    assert plan.study.comparisons == [
        ("arcface", "mma"), ("arcface", "strong_mma"), ("mma", "strong_mma"),
    ]  # fmt: skip


def test_the_metric_is_of_the_task(tmp_path):
    images = {
        "base": "cifar10_cnn9",
        "variants": {"plain": {}, "wide": {"set": {"model.backbone.width": 128}}},
    }
    with pytest.raises(UserError, match=r"metric: accuracy is not for variants\.plain, .*top1_err"):
        planned(tmp_path, **images)
    plan = planned(tmp_path, **images, metric="top1_error")
    assert plan.targets == ("test",)
    assert {run.config.task for run in plan.runs} == {"classification"}
    with pytest.raises(UserError, match=r"metric: top1 is not for .*task: verification"):
        planned(tmp_path, metric="top1")
    with pytest.raises(UserError, match=r"secondary: top5 is not for .*task: verification"):
        planned(tmp_path, secondary=["tar@1e-2", "top5"])


def test_single_classes_are_targets_of_classification_only(tmp_path):
    images = {
        "base": "cifar10_cnn9", "metric": "top1_error", "targets": ["test", "class_0"],
        "variants": {"plain": {"paper": {"test": 9.8, "class_0": 30.4}}},
    }  # fmt: skip
    assert planned(tmp_path, **images).targets == ("test", "class_0")
    with pytest.raises(UserError, match=r"eval\.targets lacks class_x"):
        planned(tmp_path, **(images | {"targets": ["class_x"]}))
    with pytest.raises(UserError, match=r"eval\.targets lacks class_0"):
        planned(tmp_path, targets=["class_0"])
