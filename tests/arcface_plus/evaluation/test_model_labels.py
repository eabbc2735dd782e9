"""Names of models side by side: as short as they can be told apart."""

from __future__ import annotations

from arcface_plus.evaluation.model_labels import labels


def test_alike_names_are_told_apart():
    assert labels(["/x/arcface"]) == ["arcface"]
    assert labels(["/a/run", "/b/run"]) == ["a/run", "b/run"]
    assert labels(["/a/run", "/a/run"]) == ["1: /a/run", "2: /a/run"]
