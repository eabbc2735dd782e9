"""Whatever a run writes is on the list, so that --fresh finds it."""

from __future__ import annotations

from gan_runs import gan_config
from labelled_files import cifar_10_batches, write_pickles

from arcface_plus.gan.run import execute
from arcface_plus.run_directory.entries import ENTRIES


def test_a_gans_run_writes_nothing_else(tmp_path):
    write_pickles(tmp_path / "data", cifar_10_batches(2))
    execute(gan_config(tmp_path / "data", "optimizer.steps=1"), tmp_path / "run")
    written = {entry.name for entry in (tmp_path / "run").iterdir()}
    assert {"samples", "checkpoints", "config.yaml", "metrics.jsonl"} <= written
    assert written <= set(ENTRIES)
    assert len(set(ENTRIES)) == len(ENTRIES)
