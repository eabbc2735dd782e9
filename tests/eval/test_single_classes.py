from __future__ import annotations

import json

import numpy as np
import pytest

from data_prep.errors import UserError
from eval.classification import classify
from eval.metric import METRICS
from eval.runs import read_results
from eval.single_classes import class_of, with_single_classes
from eval.statistics import binomial_interval


@pytest.fixture
def results(tmp_path):
    """Ten images: four of class 0, of which three are wrong, five of class 1, one of class 2."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 2])
    answers = np.array([0, 1, 1, 2, 1, 1, 1, 1, 0, 2])
    file = tmp_path / "step_00000004.json"
    file.write_text(json.dumps(classify(np.eye(4)[answers], labels).to_json()))
    return read_results(file)


@pytest.mark.parametrize(
    ("target", "number"),
    [("class_0", 0), ("class_12", 12), ("test", None), ("class_01", None), ("class_-1", None)],
)
def test_which_class_a_target_names(target, number):
    assert class_of(target) == number


def test_the_figures_of_a_class_are_those_of_its_images_alone(results):
    found = with_single_classes(results, ["test", "class_0", "class_1"]).targets
    assert list(found) == ["test", "class_0", "class_1"]
    assert found["test"] == results.targets["test"]
    error = METRICS["top1_error"].read
    assert (error(found["class_0"]), error(found["class_1"])) == (0.75, pytest.approx(0.2))
    assert METRICS["class_error"].read(found["class_0"]) == 0.75
    assert (found["class_0"].trials, found["class_0"].top5) == (4, None)
    assert found["class_0"].ci95 == binomial_interval(1, 4)


def test_a_class_that_is_not_there_is_named(results):
    with pytest.raises(UserError, match=r"class_4: the test split has the classes 0 to 3"):
        with_single_classes(results, ["class_4"])
    with pytest.raises(UserError, match=r"class_3: the test split has no images of this class"):
        with_single_classes(results, ["class_3"])
