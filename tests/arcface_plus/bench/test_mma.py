import pytest
import torch

from arcface_plus.bench import mma
from arcface_plus.bench.mma import n_by_n_loss, run


@pytest.mark.parametrize("regularizer", mma.REGULARIZERS)
def test_both_methods_agree_and_are_measured(regularizer: str) -> None:
    (result,) = run("cpu", sizes=[(1500, 16)], repeats=1, regularizer=regularizer)
    assert result["title"].startswith(regularizer.upper())
    (row,) = result["rows"]
    assert (row["rows"], row["dimensions"]) == (1500, 16)
    assert row["loss"] == pytest.approx(row["loss_n_by_n"], rel=1e-4)
    assert row["ratio"] == pytest.approx(row["seconds_n_by_n"] / row["seconds"])
    # Several matrices of 1,500² float32, 9 MB each, against one tile of 1,024².
    assert row["extra_mb_n_by_n"] > 18
    assert row["extra_mb"] < row["extra_mb_n_by_n"]


def test_large_sizes_compare_the_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mma, "_N_BY_N_UP_TO", 1000)
    monkeypatch.setattr(mma, "_MODES_FROM", 1500)
    monkeypatch.setattr(mma, "_WEIGHED_UP_TO_ON_CPU", 1000)  # measured above, in processes
    (energy,) = run("cpu", sizes=[(1500, 16)], repeats=1, regularizer="mhe")
    assert energy["rows"][0]["ratio"] is None
    exact, modes = run("cpu", sizes=[(1500, 16)], repeats=2)
    (row,) = exact["rows"]
    assert row["seconds_n_by_n"] is None
    assert row["ratio"] is None
    assert [r["name"].split(":")[0] for r in modes["rows"]] == [
        "exact",
        "cached",
        "cached",
        "rolling",
    ]
    assert modes["rows"][0]["ratio"] == 1.0
    assert all(r["seconds"] > 0 for r in modes["rows"])


def test_the_baseline_masks_its_diagonal_and_clamps() -> None:
    loss = n_by_n_loss(torch.tensor([[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0]]))
    nearly_zero, nearly_pi = torch.tensor([0.99999, -0.99999]).arccos().tolist()
    assert nearly_pi == pytest.approx(torch.pi - nearly_zero, abs=1e-4)
    assert loss.item() == pytest.approx(-(2 * nearly_zero + nearly_pi) / 3)
