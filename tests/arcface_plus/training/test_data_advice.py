"""The advice lists only settings that can still improve."""

from __future__ import annotations

import os

import pytest

from arcface_plus.training.data_advice import data_advice


@pytest.mark.parametrize(
    ("cache", "on_gpu", "named"),
    [
        ("none", False, {"disk", "memory"}),
        ("none", True, {"disk", "memory", "device"}),
        ("disk", False, {"memory"}),
        ("disk", True, {"memory", "device"}),
        ("memory", True, {"device"}),
        ("memory", False, set()),
        ("device", True, set()),
    ],
)
def test_only_better_caches_are_named(cache: str, on_gpu: bool, named: set[str]) -> None:
    advice = data_advice(cache, threads=0, on_gpu=on_gpu)
    words = set(advice.replace(",", " ").split())
    assert words & {"disk", "memory", "device", "none"} == named
    assert ("data.cache" in advice) == bool(named)
    assert "data.threads" not in advice
    assert "\n" not in advice


def test_threads_are_named_where_there_may_be_more(monkeypatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert "more data.threads than 2" in data_advice("none", threads=2, on_gpu=True)
    assert data_advice("memory", threads=2, on_gpu=False).startswith("use more data.threads")
    assert "data.threads" not in data_advice("none", threads=8, on_gpu=True)
    assert "data.threads" not in data_advice("device", threads=2, on_gpu=True)
