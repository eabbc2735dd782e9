"""When class weights are split over processes, and how a run says so."""

from __future__ import annotations

import pytest

from arcface_plus.config.tree import RunConfig, load
from arcface_plus.models.regularizers import MHE, REGULARIZERS
from arcface_plus.models.shards import Shards
from arcface_plus.runtime import Processes
from arcface_plus.training.sharding import WORTH_HAVING, class_shards, how_held
from data_prep.errors import UserError


def config(*settings: str) -> RunConfig:
    return load("smoke", ["model.embedding_dim=512", *settings])


def test_one_process_holds_everything():
    for way in ("auto", "sharded", "replicated"):
        assert class_shards(config(f"model.classifier={way}"), 100_000, Processes()) == Shards(
            100_000
        )


@pytest.mark.parametrize("count", [2, 8])
def test_auto_shards_where_that_saves_enough(count):
    few = int(WORTH_HAVING / (12 * 512 * (1 - 1 / count)))
    processes = Processes(1, count)
    assert class_shards(config(), few, processes) == Shards(few)
    assert class_shards(config(), few + 1, processes) == Shards(few + 1, 1, count)
    assert class_shards(config("model.classifier=sharded"), 10, processes) == Shards(10, 1, count)
    assert class_shards(config("model.classifier=replicated"), 10**6, processes) == Shards(10**6)


def test_sub_centres_are_weights_too():
    few = int(WORTH_HAVING / (12 * 512 * 0.5)) // 3 + 1
    assert class_shards(config(), few, Processes(0, 2)) == Shards(few)
    three = config("head={name: subcenter_arcface, sub_centres: 3}")
    assert class_shards(three, few, Processes(0, 2)) == Shards(few, 0, 2)


def test_a_regularizer_that_needs_all_classes_on_one_process(monkeypatch):
    monkeypatch.setattr(MHE, "over_shards", False)
    two, many = Processes(0, 2), 10**6
    mhe = "regularizer={name: mhe, weight: 0.1}"
    assert class_shards(config(mhe), many, two) == Shards(many)
    assert class_shards(config("regularizer={name: mma, weight: 0.1}"), many, two).count == 2
    with pytest.raises(UserError) as caught:
        class_shards(config(mhe, "model.classifier=sharded"), many, two)
    assert str(caught.value) == (
        "model.classifier: sharded is not possible with regularizer mhe on the classifier; "
        "use model.classifier: replicated"
    )
    for fine in ("weight: 0", "weight: 0.1, layers: hidden", "weight: 0.1, layers: ['stem*']"):
        assert class_shards(config(f"regularizer={{name: mhe, {fine}}}"), many, two).count == 2


@pytest.mark.parametrize("name", REGULARIZERS)
def test_every_regularizer_works_over_shards(name):
    sharded = config(f"regularizer={{name: {name}, weight: 0.1}}", "model.classifier=sharded")
    assert class_shards(sharded, 10, Processes(1, 2)).count == 2


def test_a_run_says_where_its_class_weights_are():
    two = Processes(1, 2)
    assert how_held(Shards(10), Processes()) == ""
    assert how_held(Shards(10), two) == ", class weights replicated on 2 processes"
    assert how_held(Shards(10, 1, 2), two) == ", class weights sharded over 2 processes"
