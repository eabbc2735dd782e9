"""Identification against loops in float64, closed-form cases, and what goes wrong."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from data_prep.errors import UserError
from eval.embeddings import ArrayFaces
from eval.identification import (
    FALSE_ACCEPT_RATES,
    expected_rank_rate,
    identify,
    subset_sizes,
)
from eval.search import TIE, ArrayLibrary


def faces(rng, people, images, noise, d=32, first=0):
    """`images` noisy views each of `people` random directions, and whose they are."""
    centres = rng.standard_normal((people, d))
    rows = np.repeat(centres, images, axis=0) + noise * rng.standard_normal((people * images, d))
    return rows.astype(np.float32), np.repeat(np.arange(first, first + people), images)


@pytest.fixture
def example():
    """12 people, 3 gallery images and 2 probes each, 700 distractors; far from separable."""
    rng = np.random.default_rng(5)
    rows, labels = faces(rng, 12, 5, noise=1.6)
    known = np.arange(60) % 5 < 3
    strangers = rng.standard_normal((700, 32)).astype(np.float32)
    return rows[known], labels[known], rows[~known], labels[~known], strangers


def sets(example):
    gallery, gallery_labels, probes, probe_labels, strangers = example
    return (
        ArrayFaces(gallery, gallery_labels, "gallery"),
        ArrayFaces(strangers, None, "distractors"),
        ArrayFaces(probes, probe_labels, "probes"),
    )


def cosine(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / math.sqrt(a @ a) / math.sqrt(b @ b))


def naive(gallery, gallery_labels, probes, probe_labels, strangers):
    """(probe, mate, cosine, distractors ahead) of each trial, and all scores of different pairs."""
    trials, impostors = [], []
    for p, probe in enumerate(probes):
        scores = [cosine(probe, stranger) for stranger in strangers]
        impostors += scores
        for g, image in enumerate(gallery):
            if gallery_labels[g] == probe_labels[p]:
                own = cosine(probe, image)
                trials.append((p, g, own, sum(score >= own - TIE for score in scores)))
    return trials, impostors


def test_agrees_with_loops_in_float64(example):
    result = identify(*sets(example))
    trials, impostors = naive(*example)
    assert result.probe_rows.tolist() == [t[0] for t in trials]
    assert result.mate_rows.tolist() == [t[1] for t in trials]
    np.testing.assert_allclose(result.similarities, [t[2] for t in trials], atol=1e-6)
    assert result.ahead.tolist() == [t[3] for t in trials]
    assert (result.trials, result.probes, result.identities) == (72, 24, 12)
    assert result.different_pairs == len(impostors) == 24 * 700
    for k in (1, 5, 10):
        assert result.rank_rates[700][k] == pytest.approx(np.mean([t[3] < k for t in trials]))
    assert 0.05 < result.rank_rates[700][1] < result.rank_rates[10][1] < 0.95  # a real test
    for name, far in (("1e-2", 0.01), ("1e-3", 0.001)):
        allowed = math.floor(len(impostors) * far)
        accepted = [sum(i >= t[2] - TIE for i in impostors) <= allowed for t in trials]
        assert result.tar_at_far[name] == np.mean(accepted)
        assert sum(i > result.thresholds[name] + 1e-7 for i in impostors) <= allowed
    assert result.unavailable["1e-4"] == "needs 100000 different pairs, there are 16800"
    assert result.tar_at_far["1e-4"] is None
    assert result.thresholds["1e-4"] is None


@pytest.mark.parametrize("block", [1, 7, 256, 5000])
def test_the_block_changes_nothing(example, block, monkeypatch):
    whole = identify(*sets(example))
    monkeypatch.setattr("eval.search.PROBES_AT_ONCE", block)
    parts = identify(*sets(example), block=block)
    assert parts.ahead.tolist() == whole.ahead.tolist()
    assert parts.rank_rates == whole.rank_rates
    assert parts.tar_at_far == whole.tar_at_far


def test_another_array_library_gives_the_same(example):
    library = ArrayLibrary(put=torch.from_numpy, get=lambda tensor: tensor.numpy())
    whole, other = identify(*sets(example)), identify(*sets(example), library=library)
    assert other.ahead.tolist() == whole.ahead.tolist()
    assert other.tar_at_far == whole.tar_at_far


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_precision_and_length_of_the_embeddings(example, dtype):
    gallery, distractors, probes = sets(example)
    strangers = ArrayFaces((3 * example[4]).astype(dtype))
    expected = identify(gallery, distractors, probes).rank_rates[700][1]
    assert identify(gallery, strangers, probes).rank_rates[700][1] == pytest.approx(
        expected, abs=0.02
    )


def test_probes_with_different_numbers_of_mates():
    rng = np.random.default_rng(1)
    gallery = rng.standard_normal((10, 8)).astype(np.float32)
    gallery_labels = np.array(["a", "b", "a", "c", "c", "c", "c", "d", "b", "a"])
    probes = rng.standard_normal((6, 8)).astype(np.float32)
    probe_labels = np.array(["d", "c", "a", "c", "b", "d"])
    strangers = rng.standard_normal((50, 8)).astype(np.float32)
    example = gallery, gallery_labels, probes, probe_labels, strangers
    result = identify(*sets(example))
    assert result.ahead.tolist() == [t[3] for t in naive(*example)[0]]
    assert result.trials == 1 + 4 + 3 + 4 + 2 + 1


def test_without_probes_every_image_is_tried_against_the_others_of_its_identity(example):
    gallery, labels, *_, strangers = example
    labels = labels.copy()
    labels[0] = 99  # alone
    result = identify(ArrayFaces(gallery, labels), ArrayFaces(strangers))
    trials, _ = naive(gallery, labels, gallery, labels, strangers)
    others = [t for t in trials if t[0] != t[1]]
    assert result.ahead.tolist() == [t[3] for t in others]
    assert (result.probes, result.without_mate, result.identical) == (35, 1, 0)
    assert result.different_pairs == 35 * 700


def test_ties_count_against_the_mate():
    e = np.eye(4, dtype=np.float32)
    mate = e[0] + e[1]
    result = identify(
        ArrayFaces([mate], ["anna"]),
        ArrayFaces(np.stack([7 * mate, e[0] - e[1], e[2]])),  # as near, as near, not near
        ArrayFaces([e[0]], ["anna"]),
        ranks=(1, 2, 3),
    )
    assert result.ahead.tolist() == [2]
    assert result.rank_rates[3] == {1: 0.0, 2: 0.0, 3: 1.0}


def test_a_copy_of_the_mate_ties_whatever_the_rounding():
    rng = np.random.default_rng(2)
    mates = rng.standard_normal((40, 512)).astype(np.float32)
    probes = mates + 0.5 * rng.standard_normal((40, 512)).astype(np.float32)
    strangers = np.concatenate([rng.standard_normal((301, 512)).astype(np.float32), mates])
    labels = np.arange(40)
    result = identify(ArrayFaces(mates, labels), ArrayFaces(strangers), ArrayFaces(probes, labels))
    assert result.ahead.tolist() == [1] * 40


def test_known_error_rates():
    """Distractors at chosen angles to one probe: rank, TAR and threshold can be read off."""

    def at(cosines):
        c = np.asarray(cosines, np.float64)
        return np.stack([c, np.sqrt(1 - c * c)], axis=1)

    strangers = at(np.linspace(-0.9, 0.9, 10_000))  # the i-th from above has 0.9 - 1.8 i / 9999
    mates = at(0.9 - 1.8 * (np.array([0.5, 4.5, 9.5, 10.5, 99.5, 100.5, 5000.5]) - 1) / 9999)
    result = identify(
        ArrayFaces(mates, ["p"] * 7), ArrayFaces(strangers), ArrayFaces(at([1.0]), ["p"])
    )
    assert result.ahead.tolist() == [0, 4, 9, 10, 99, 100, 5000]
    assert result.rank_rates[10_000] == {1: 1 / 7, 5: 2 / 7, 10: 3 / 7}
    assert result.tar_at_far["1e-2"] == 6 / 7  # 100 false accepts are allowed
    assert result.tar_at_far["1e-3"] == 4 / 7  # 10
    assert result.thresholds["1e-3"] == pytest.approx(0.9 - 1.8 * 10 / 9999, abs=1e-6)


def test_perfect_and_hopeless_embeddings():
    e = np.eye(6, dtype=np.float32)
    labels = [0, 1]
    good = identify(
        ArrayFaces(e[:2], labels), ArrayFaces(e[2:]), ArrayFaces(e[:2] + 0.1 * e[2:4], labels)
    )
    assert good.rank_rates == {4: {1: 1.0, 5: 1.0, 10: 1.0}}
    same = np.ones((1000, 3), np.float32)
    bad = identify(ArrayFaces(same[:2], labels), ArrayFaces(same), ArrayFaces(same[:2], labels))
    assert bad.rank_rates[1000] == {1: 0.0, 5: 0.0, 10: 0.0}
    assert bad.rank_rates[10] == {1: 0.0, 5: 0.0, 10: 0.0}
    assert bad.tar_at_far["1e-2"] == 0.0
    assert bad.identical == 2


def test_fewer_distractors_are_the_mean_over_all_subsets():
    ahead, total = np.array([0, 1, 3, 7]), 7
    for size, rank in itertools.product((1, 2, 4, 7), (1, 2, 5)):
        drawn = [
            np.mean([sum(i < a for i in subset) < rank for a in ahead])
            for subset in itertools.combinations(range(total), size)
        ]
        assert expected_rank_rate(ahead, total, size, rank) == pytest.approx(np.mean(drawn))


def test_the_mean_agrees_with_scipy_at_a_million():
    ahead = np.array([0, 1, 2, 30, 5000, 999_000, 1_000_000])
    for size in (10, 1000, 100_000, 1_000_000):
        for rank in (1, 5):
            expected = stats.hypergeom(1_000_000, ahead, size).cdf(rank - 1).mean()
            found = expected_rank_rate(ahead, 1_000_000, size, rank)
            assert found == pytest.approx(expected, abs=1e-7)
    assert expected_rank_rate(ahead, 1_000_000, 1_000_000, 1) == 1 / 7  # counts, exactly


def test_the_mean_has_the_digits_of_whole_numbers():
    """By exact integer arithmetic; logarithms of factorials lose the ninth digit at this size."""
    total, size = 1_000_000, 1000
    for ahead, rank in ((30, 1), (5000, 1), (5000, 5), (700, 10)):
        ways = sum(math.comb(ahead, x) * math.comb(total - ahead, size - x) for x in range(rank))
        exact = ways / math.comb(total, size)
        assert expected_rank_rate(np.array([ahead]), total, size, rank) == pytest.approx(
            exact, abs=1e-10
        )


def test_sizes():
    assert subset_sizes(1_000_000) == [10, 100, 1000, 10_000, 100_000, 1_000_000]
    assert subset_sizes(1_027_060)[-2:] == [1_000_000, 1_027_060]
    assert subset_sizes(10) == [10]
    assert subset_sizes(3) == [3]


def test_every_rate_is_within_what_is_kept():
    assert min(FALSE_ACCEPT_RATES.values()) == next(iter(FALSE_ACCEPT_RATES.values()))


def test_progress(example):
    seen = []
    identify(*sets(example), block=300, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(300, 700), (600, 700), (700, 700)]


def test_json_is_plain(example):
    import json

    content = identify(*sets(example)).to_json()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["counts"]["trials"] == 72
    assert list(content["rank"]) == ["10", "100", "700"]


ONE = np.ones((2, 4), np.float32)


@pytest.mark.parametrize(
    ("gallery", "distractors", "probes", "message"),
    [
        ((ONE, None), (ONE, None), None, "G: has no identities; add labels"),
        ((ONE, [1, 1]), (np.ones((2, 3)), None), None, "D: 3-d embeddings, but G has 4-d"),
        ((ONE, [1, 1]), (ONE, None), (np.ones((2, 3)), [1, 1]), "P: 3-d embeddings, but G has"),
        ((ONE, [1, 2]), (ONE, None), (ONE, [1, 3]), "P: identity '3' of row 1 is not in the gall"),
        ((ONE, ["a", "b"]), (ONE, ["c", "b"]), None, "D: identity 'b' of row 1 is also in the gal"),
        ((ONE, [1, 1]), (ONE * [[1], [np.nan]], None), None, "D: the embedding of row 1 is not fi"),
        ((ONE * [[1], [0]], [1, 1]), (ONE, None), None, "G: the embedding of row 1 is zero"),
        ((ONE * 1e-40, [1, 1]), (ONE, None), None, "G: .* row 0 is too large or too small"),
        ((ONE, [1, 2]), (ONE, None), None, "G: no identity has two images.*--probes"),
        ((ONE, [1.0, 2.0]), (ONE, None), None, "G: labels must be integers or strings"),
        ((ONE, [1]), (ONE, None), None, r"G: labels must have the shape \(2,\), one per row"),
        ((ONE.astype(int), [1, 1]), (ONE, None), None, "G: expected float16.*not int64"),
        ((ONE[:0], []), (ONE, None), None, "G: expected at least one row"),
    ],
)
def test_mistakes(gallery, distractors, probes, message):
    with pytest.raises(UserError, match=message) as caught:
        identify(
            ArrayFaces(*gallery, "G"),
            ArrayFaces(*distractors, "D"),
            None if probes is None else ArrayFaces(*probes, "P"),
        )
    assert "\n" not in str(caught.value)
