"""The card of a classification run: whole, or one line that says what is wrong."""

from __future__ import annotations

import json

import pytest

from arcface_plus.run_directory.classifier_card import ClassifierCard
from arcface_plus.run_directory.model_file import ModelCard
from data_prep.errors import DataError

CARD = ClassifierCard(
    "cnn9", {"width": 2}, "linear_softmax", {}, 2, ("a", "b"), (32, 32), (1.0, 2.0, 3.0),
    (4.0, 5.0, 6.0),
)  # fmt: skip


def test_what_is_written_is_read(tmp_path):
    file = tmp_path / "model.json"
    file.write_text(CARD.at(7).beside("0" * 64).to_json())
    assert ClassifierCard.read(file) == CARD.at(7).beside("0" * 64)


def test_cards_of_the_other_task_are_told_apart(tmp_path):
    file = tmp_path / "model.json"
    file.write_text(CARD.to_json())
    with pytest.raises(DataError, match=r"is of a classification run.*eval classify"):
        ModelCard.read(file)
    file.write_text(ModelCard("tiny", {}, 8).to_json())
    with pytest.raises(DataError, match=r"is of a face model.*eval verify"):
        ClassifierCard.read(file)


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"std": [0, 1, 1]}, "std"), ({"classes": 0}, "classes"), ({"schema": 9}, "newer version")],
)
def test_bad_cards(tmp_path, changed, words):
    file = tmp_path / "model.json"
    file.write_text(json.dumps(json.loads(CARD.to_json()) | changed))
    with pytest.raises(DataError, match=words):
        ClassifierCard.read(file)
    with pytest.raises(DataError, match="no such file"):
        ClassifierCard.read(tmp_path / "absent.json")
