import pytest
import torch

from arcface_plus.bench.mma import n_by_n_loss, run


def test_both_ways_agree_and_are_weighed() -> None:
    result = run("cpu", sizes=[(1500, 16)], repeats=1)
    rows = result["rows"]
    assert isinstance(rows, list)
    (row,) = rows
    assert (row["rows"], row["dimensions"]) == (1500, 16)
    assert row["loss"] == pytest.approx(row["loss_n_by_n"], rel=1e-4)
    assert row["speedup"] == pytest.approx(row["seconds_n_by_n"] / row["seconds"])
    # Several matrices of 1,500² float32, 9 MB each, against one tile of 1,024².
    assert row["extra_mb_n_by_n"] > 18
    assert row["saved_mb"] > 0


def test_the_rival_masks_its_diagonal_and_clamps() -> None:
    loss = n_by_n_loss(torch.tensor([[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0]]))
    nearly_zero, nearly_pi = torch.tensor([0.99999, -0.99999]).arccos().tolist()
    assert nearly_pi == pytest.approx(torch.pi - nearly_zero, abs=1e-4)
    assert loss.item() == pytest.approx(-(2 * nearly_zero + nearly_pi) / 3)
