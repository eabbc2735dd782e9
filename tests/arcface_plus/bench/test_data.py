"""The bench of the data path: both sides do the same work; how fast is for a quiet machine."""

from __future__ import annotations

import os

from arcface_plus.bench.data import run


def test_rows_have_rates_against_the_plain_way(synthetic, monkeypatch):
    monkeypatch.delenv("ARCFACE_PLUS_REAL_DATA", raising=False)
    monkeypatch.delenv("ARCFACE_PLUS_MXNET_PYTHON", raising=False)
    cores = os.sched_getaffinity(0)
    before = sorted(synthetic.iterdir())
    rows = run(images=32, repeats=1, train=synthetic)["rows"]
    names = [row["name"] for row in rows]
    assert [name.split(":")[0] for name in names] == [
        *["generated, one core"] * 4, *["generated, all cores"] * 4,
        *["real, one core"] * 4, *["real, all cores"] * 4,
    ]  # fmt: skip
    assert all(row["images_per_second"] > 0 for row in rows)
    assert [row["ratio"] for row in rows if "DataLoader with" in row["name"]] == [1] * 4
    assert os.sched_getaffinity(0) == cores
    assert sorted(synthetic.iterdir()) == before  # no caches left in the user's data folder
