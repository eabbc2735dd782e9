"""The worst pairs: which ones, in which order, with which pictures."""

from __future__ import annotations

import numpy as np

from eval.compare import compare
from eval.report.pairs import WORST, worst_pairs

PAIRS = 400


def test_the_worst_are_those_furthest_on_the_wrong_side(seeded_run):
    runs = [seeded_run(name, 0, {"lfw": (2, i + 1)}, pairs=PAIRS) for i, name in enumerate("ab")]
    comparison = compare(runs)
    found = worst_pairs(comparison.groups, ["lfw"], {"lfw": [b"\xff\xd8\xff", b"GIF"] * PAIRS})
    scores = [run.scores["lfw"] for run in comparison.runs]
    cosine = np.mean([1 - s.distances / 2 for s in scores], axis=0)
    wrong = ~scores[0].decisions() | ~scores[1].decisions()
    for block, same in zip(found.blocks, (False, True), strict=True):
        candidates = np.flatnonzero(wrong & (scores[0].same == same))
        order = np.argsort(cosine[candidates] if same else -cosine[candidates], kind="stable")
        assert [card.pair for card in block.cards] == candidates[order][:WORST].tolist()
        assert block.title.endswith(f"the worst {len(block.cards)} of {len(candidates)}")
    card = found.blocks[0].cards[0]
    assert card.pictures == ("data:image/jpeg;base64,/9j/", None)
    assert [(score.group, score.colour) for score in card.scores] == [("a", 0), ("b", 1)]
    assert {score.said for score in card.scores} <= {"right", "wrong"}


def test_without_images_pairs_are_numbers(seeded_run):
    runs = [seeded_run(name, 0, {"lfw": (2, i + 1)}, pairs=40) for i, name in enumerate("ab")]
    found = worst_pairs(compare(runs).groups, ["lfw"], {})
    assert all(card.pictures == () for block in found.blocks for card in block.cards)
    assert any("`--data DIR` with lfw.bin" in remark for remark in found.remarks)
