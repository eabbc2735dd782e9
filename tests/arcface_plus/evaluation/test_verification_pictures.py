"""Pictures of a verification: which are drawn, of which pairs, and what they say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from arcface_plus.data.images import decode
from arcface_plus.evaluation import verification_pictures
from arcface_plus.evaluation.verification import Verified
from arcface_plus.evaluation.verification_pictures import WORST, draw
from data_prep.images import encode_as
from data_prep.pairs import write_pairs
from eval.verification import verify

PAIRS = 100


def images() -> list[bytes]:
    """Crops of one grey each: image k has grey k."""
    return [encode_as(".png", np.full((112, 112, 3), k, np.uint8)) for k in range(2 * PAIRS)]


def verified(same: np.ndarray, seed: int = 0) -> Verified:
    """Embeddings that say nothing of `same`, so that half of all is wrong."""
    a, b = np.random.default_rng(seed).standard_normal((2, PAIRS, 3))
    return Verified({}, verify(a, b, same))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with mixed.bin, and same.bin without a different pair."""
    folder = tmp_path_factory.mktemp("data")
    write_pairs(folder / "mixed.bin", images(), np.arange(PAIRS) % 2 == 0)
    write_pairs(folder / "same.bin", images(), np.ones(PAIRS, bool))
    return folder


@pytest.fixture
def figures(monkeypatch):
    """What the pictures of pairs were given: (title, pictures, captions) each."""
    given = []
    real = verification_pictures.pairs_figure

    def recording(title, pictures, captions):
        given.append((title, pictures, captions))
        return real(title, pictures, captions)

    monkeypatch.setattr(verification_pictures, "pairs_figure", recording)
    return given


def test_the_worst_pairs_are_shown_with_their_cosines(data, tmp_path, figures):
    found = verified(np.arange(PAIRS) % 2 == 0)
    files = draw({"mixed": found}, data, tmp_path / "new" / "folder")
    names = ["roc", "scores", "false_accepts", "false_rejects"]
    assert [file.name for file in files] == [f"mixed_{name}.png" for name in names]
    for file in files:
        assert cv2.imread(str(file)).std() > 5
    result = found.result
    wrong = ~result.decisions
    kinds = ("false accepts (different people)", "false rejects (same person)")
    for (title, pictures, captions), kind, what in zip(
        figures, (~result.truth, result.truth), kinds, strict=True
    ):
        assert title.startswith(f"mixed: {what}, ")
        assert title.endswith(f"the worst {len(pictures)} of {(wrong & kind).sum()}")
        assert 0 < len(pictures) <= WORST
        for (left, right), caption in zip(pictures, captions, strict=True):
            number = int(caption.split(",")[0].removeprefix("pair "))
            assert (wrong & kind)[number]
            assert (left[0, 0, 0], right[0, 0, 0]) == (2 * number, 2 * number + 1)
            assert caption.endswith(f"cosine {1 - result.distances[number] / 2:.3f}")


def test_one_kind_of_pairs_has_no_roc(data, tmp_path, figures):
    files = draw({"same": verified(np.ones(PAIRS, bool))}, data, tmp_path)
    assert [file.name for file in files] == [
        "same_scores.png", "same_false_accepts.png", "same_false_rejects.png",
    ]  # fmt: skip
    assert figures[0][0].endswith("the worst 0 of 0")
    assert figures[0][1].shape[0] == 0


def test_all_targets_and_only_what_is_shown_is_decoded(data, tmp_path, monkeypatch):
    decoded = []
    monkeypatch.setattr(
        verification_pictures, "decode", lambda data: decoded.append(data) or decode(data)
    )
    targets = {"same": verified(np.ones(PAIRS, bool)), "mixed": verified(np.arange(PAIRS) % 2 == 0)}
    files = draw(targets, data, tmp_path)
    assert {file.name.split("_")[0] for file in files} == {"same", "mixed"}
    assert len(decoded) <= 2 * 2 * (2 * WORST + 1)
