"""The step's benchmark: both steps compute the same loss, and the figures are correct."""

from __future__ import annotations

import pytest
import torch

from arcface_plus.bench import step
from arcface_plus.bench.our_step import OurStep
from arcface_plus.bench.step import RIVALS, Rounds, Sizes, build, figures, weigh_on_cpu
from arcface_plus.models.backbones import Tiny

SMALL = Sizes("tiny", batch=6, classes=40)
CPU = torch.device("cpu")


def test_four_rows_with_all_figures(monkeypatch):
    monkeypatch.setattr(step, "weigh_on_cpu", lambda name, sizes: float(len(name)))
    result = step.run(CPU, SMALL, Rounds(turns=2, steps=1))
    assert [row["name"] for row in result["rows"]] == list(RIVALS)
    for row in result["rows"]:
        assert row["images_per_second"] == pytest.approx(6e3 / row["milliseconds"])
        assert row["peak_mb"] == len(row["name"])
        assert "note" not in row
        assert (row["mma_share"] is None) == row["name"].endswith("ArcFace")
    assert [row["ratio"] for row in result["rows"]][:2] == [1.0, 1.0]
    assert "on cpu: tiny, batch 6, 40 classes" in result["title"]


def test_weights_momentum_and_activations_are_measured():
    with torch.device("meta"):
        network = Tiny()
    weights = sum(parameter.numel() for parameter in network.parameters()) + 40 * 512
    assert 2 * 4 * weights / 1e6 < weigh_on_cpu("ours ArcFace", SMALL) < 1000


def test_figures_pair_the_turns():
    seconds = {
        "reference ArcFace": [2.0, 4.0, 3.0],
        "reference ArcFace+": [3.0, 5.0, 4.0],
        "ours ArcFace": [1.0, 2.0, 1.5],
        "ours ArcFace+": [1.1, 2.2, 1.6],
    }
    ours, reference = (figures(f"{who} ArcFace+", seconds, 440) for who in ("ours", "reference"))
    assert ours["ratio"] == pytest.approx(4.0 / 1.6)
    assert ours["mma_share"] == pytest.approx(0.1 / 1.6)
    assert reference["mma_share"] == pytest.approx(1.0 / 4.0)
    assert ours["hours_for_38000_steps"] == pytest.approx(38_000 * 1.6 / 3600)
    assert figures("ours ArcFace+", {"ours ArcFace+": [1.0]}, 4)["ratio"] is None


@pytest.mark.parametrize("loss", ["ArcFace", "ArcFace+"])
def test_both_steps_learn_the_batch_and_start_alike(loss):
    """Equal weights give equal losses, so both compute the same step."""
    ours, reference = build(f"ours {loss}", SMALL, CPU), build(f"reference {loss}", SMALL, CPU)
    assert isinstance(ours, OurStep)
    ours.recognizer.backbone.load_state_dict(reference.backbone.state_dict())
    with torch.no_grad():
        ours.recognizer.classifier.weight.copy_(reference.weight)
    for rival in (ours.recognizer.backbone, reference.backbone):
        rival.dropout.p = 0.0
    first = float(ours()), float(reference())
    assert first[0] == pytest.approx(first[1], rel=1e-4)
    for _ in range(8):
        last = float(ours()), float(reference())
    assert max(last) < 0.7 * min(first)


def test_micro_batches_are_used():
    ours = build("ours ArcFace+", Sizes("tiny", batch=6, classes=40, micro_batch=4), CPU)
    assert isinstance(ours, OurStep)
    assert ours.parts == [(3,), (3,)]
    assert float(ours()) > 0


def test_a_step_that_does_not_fit_is_a_row_not_a_crash(monkeypatch):
    monkeypatch.setattr(step, "weigh_on_cpu", lambda name, sizes: 1.0)

    def no_room(self: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(step.ReferenceStep, "__call__", no_room)
    rows = step.run(CPU, SMALL, Rounds(turns=1, steps=1))["rows"]
    assert [row.get("note") for row in rows] == ["out of GPU memory"] * 2 + [None] * 2
    assert "milliseconds" not in rows[0]
    assert rows[2]["ratio"] is None
