"""Both ways of identifying find the same figures."""

from __future__ import annotations

import json

from arcface_plus.bench import identification


def test_both_ways_agree(monkeypatch, capsys):
    def in_this_process(folder, size, way):
        identification._main(str(folder), str(size), way)
        return json.loads(capsys.readouterr().out)

    monkeypatch.setattr(identification, "_in_own_process", in_this_process)
    seen = []
    result = identification.run(
        probes=60, distractors=500, compared_at=300, dimensions=16,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert result["same_figures"] is True
    assert [row["name"].split(",")[0] for row in result["rows"]] == [
        "300 distractors", "300 distractors", "500 distractors",
    ]  # fmt: skip
    assert all(row["seconds"] > 0 and row["peak_mb"] > 10 for row in result["rows"])
    assert [row["ratio"] is None for row in result["rows"]] == [False, False, True]
    assert seen == [(1, 3), (2, 3), (3, 3)]
