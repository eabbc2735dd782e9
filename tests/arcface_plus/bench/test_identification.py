"""The two ways of identification are measured on the same files and find the same."""

from __future__ import annotations

from arcface_plus.bench import identification as bench


def test_bench_compares_like_with_like(monkeypatch):
    def in_this_process(folder, size, way):  # spares the test two starts of PyTorch
        if size == 3000:
            return whole(folder, size, way)
        files = [folder / name for name in ("gallery.npz", "probes.npz", f"distractors_{size}.npy")]
        figures = {"plain": bench._plain, "blocks": bench._blocks}[way](*files)
        return {"seconds": 1.0, "peak_mb": bench._peak_mb(), "figures": figures}

    whole = bench._in_own_process
    monkeypatch.setattr(bench, "_in_own_process", in_this_process)
    found = bench.run(probes=30, distractors=3000, compared_at=1000, dimensions=64)
    assert [row["name"] for row in found["rows"]] == [
        "1,000 distractors, all scores at once",
        "1,000 distractors, in blocks",
        "3,000 distractors, in blocks",
    ]
    assert found["same_figures"]
    assert all(row["seconds"] > 0 and row["peak_mb"] > 10 for row in found["rows"])
    assert [row["ratio"] for row in found["rows"]] == [1.0, 1.0, None]
