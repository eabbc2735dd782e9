"""The protocol against a naive restatement of it, to the last digit, and its edges."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold
from sklearn.preprocessing import normalize

from data_prep.errors import UserError
from eval.verification import THRESHOLDS, pair_distances, verify, worst_pairs


def naive(a, b, same, folds=10):
    """The published procedure in the published order: loops over folds and thresholds."""
    difference = np.subtract(normalize(a), normalize(b))
    distances = np.sum(np.square(difference), 1)
    accuracies, chosen = [], []
    for train, test in KFold(n_splits=folds, shuffle=False).split(np.arange(len(same))):
        scores = [np.mean((distances[train] < t) == same[train]) for t in np.arange(0, 4, 0.01)]
        best = np.arange(0, 4, 0.01)[np.argmax(scores)]
        chosen.append(best)
        right = int(np.sum((distances[test] < best) == same[test]))
        accuracies.append(float(right) / len(test))
    return np.mean(accuracies), np.std(accuracies), accuracies, chosen, distances


def noisy_pairs(n, d=16, noise=0.8, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    same = rng.random(n) < 0.5
    a = rng.normal(size=(n, d))
    b = np.where(same[:, None], a, rng.normal(size=(n, d))) + noise * rng.normal(size=(n, d))
    return a.astype(dtype), b.astype(dtype), same


def on_the_circle(distances):
    """Pairs of unit vectors in the plane whose squared distances are (nearly) the given ones."""
    angle = 2 * np.arcsin(np.sqrt(np.asarray(distances, dtype=np.float64)) / 2)
    a = np.stack([np.ones_like(angle), np.zeros_like(angle)], 1)
    return a, np.stack([np.cos(angle), np.sin(angle)], 1)


def assert_same_digits(a, b, same, folds=10):
    result = verify(a, b, same, folds=folds)
    mean, std, accuracies, chosen, distances = naive(a, b, same, folds)
    assert result.accuracy_mean == mean
    assert result.accuracy_std == std
    assert result.fold_accuracies.tolist() == accuracies
    assert result.fold_thresholds.tolist() == chosen
    assert np.array_equal(result.distances, distances)
    assert result.distances.dtype == distances.dtype
    return result


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [10, 11, 600, 6001])
def test_random_pairs_give_the_naive_digits(n, dtype):
    for seed in range(2):
        assert_same_digits(*noisy_pairs(n, seed=seed, dtype=dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances_on_the_thresholds_give_the_naive_digits(dtype):
    rng = np.random.default_rng(1)
    a, b = on_the_circle(rng.choice(THRESHOLDS, 777))
    assert_same_digits(a.astype(dtype), b.astype(dtype), rng.random(777) < 0.5)


def test_a_distance_equal_to_the_threshold_is_not_accepted():
    # Orthogonal and equal unit vectors: distances 2 and 0, exactly.
    a = np.tile([[1.0, 0.0]], (20, 1))
    b = np.where(np.arange(20)[:, None] % 2, [[1.0, 0.0]], [[0.0, 1.0]])
    result = assert_same_digits(a, b, np.ones(20, dtype=bool))
    assert set(result.distances) == {0.0, 2.0}
    # 2.0 itself (index 200) accepts only distances below 2.0; the first to accept all is 2.01.
    assert THRESHOLDS[200] == 2.0
    assert set(result.fold_thresholds) == {THRESHOLDS[201]}
    assert result.accuracy_mean == 1.0


def test_the_first_of_equally_good_thresholds_is_taken():
    a, b = on_the_circle([0.1, 3.0] * 10)
    result = assert_same_digits(a, b, np.array([True, False] * 10))
    assert result.fold_thresholds[0] == THRESHOLDS[np.argmax(result.distances[0] < THRESHOLDS)]
    assert result.decisions.all()


def test_the_tenth_fold_never_chooses_its_own_threshold():
    # Nine folds are perfect at any threshold in (0.5, 1.0]; the last fold's pairs lie beyond it.
    distances = np.array(([0.5, 1.0] * 9) + [2.0, 2.5])
    a, b = on_the_circle(distances)
    result = assert_same_digits(a, b, np.array([True, False] * 10))
    assert result.fold_accuracies[-1] == 0.5
    assert result.decisions[-2:].tolist() == [False, True]


@pytest.mark.parametrize("value", [True, False])
def test_one_class_only(value):
    a, b, _ = noisy_pairs(57)
    result = assert_same_digits(a, b, np.full(57, value))
    assert result.auc is None
    assert result.eer is None
    assert set(result.tar_at_far.values()) == {None}
    assert set(result.unavailable) == {"auc", "eer", "1e-1", "1e-2", "1e-3", "1e-4"}
    assert "no pair of" in result.unavailable["auc"]


def test_folds_of_one_class_each():
    a, b, same = noisy_pairs(100)
    assert_same_digits(a, b, np.sort(same))


def test_opposite_vectors_are_never_accepted():
    a = np.tile([[0.0, 1.0]], (12, 1))
    result = assert_same_digits(a, -a, np.ones(12, dtype=bool))
    assert result.accuracy_mean == 0.0


@settings(max_examples=40, deadline=None)
@given(
    folds=st.integers(2, 12),
    pairs=st.lists(
        st.tuples(st.sampled_from(THRESHOLDS[::7].tolist()), st.booleans()),
        min_size=12,
        max_size=60,
    ),
)
def test_ties_of_every_kind_give_the_naive_digits(folds, pairs):
    a, b = on_the_circle([distance for distance, _ in pairs])
    assert_same_digits(a, b, np.array([same for _, same in pairs]), folds)


def test_decisions_count_to_the_accuracies():
    a, b, same = noisy_pairs(605)
    result = verify(a, b, same)
    for number, (_, test) in enumerate(KFold(10).split(a)):
        assert result.decisions[test].mean() == pytest.approx(result.fold_accuracies[number])
    low, high = result.ci95
    assert low < result.decisions.mean() < high


def test_scale_and_memory_order_do_not_matter():
    a, b, same = noisy_pairs(200)
    plain = verify(a, b, same)
    assert verify(np.asfortranarray(a), b, same).accuracy_mean == plain.accuracy_mean
    assert np.array_equal(pair_distances(np.asfortranarray(a), b), plain.distances)
    assert np.allclose(pair_distances(a * 1e3, b / 64), plain.distances)
    assert pair_distances(a.astype(np.float16), b.astype(np.float16)).dtype == np.float32
    assert pair_distances(a.astype(np.float32), b).dtype == np.float64


def test_inputs_are_not_changed():
    a, b, same = noisy_pairs(50)
    before = a.copy(), b.copy()
    verify(a, b, same)
    assert np.array_equal(a, before[0])
    assert np.array_equal(b, before[1])


def test_auc_and_eer_of_known_distances():
    # 2 same at 0.1, 0.3 and 2 different at 0.2, 0.4, tenfold: 3 of 4 orders are right.
    a, b = on_the_circle([0.1, 0.3, 0.2, 0.4] * 10)
    result = verify(a, b, np.array([True, True, False, False] * 10))
    assert result.auc == pytest.approx(0.75)
    assert result.eer == pytest.approx(0.5)
    a, b = on_the_circle([0.1, 2.0] * 10)
    perfect = verify(a, b, np.array([True, False] * 10))
    assert (perfect.auc, perfect.eer) == (1.0, 0.0)


def test_eer_is_where_the_polygon_meets_the_diagonal():
    # Three same (one far), three different: far 0→1/3 at tar 2/3: both errors are 1/3 there.
    a, b = on_the_circle([0.1, 0.2, 0.9, 0.5, 1.0, 1.1] * 5)
    result = verify(a, b, np.array([True] * 3 + [False] * 3).repeat(1).tolist() * 5)
    assert result.eer == pytest.approx(1 / 3)
    # All tied: the polygon is the diagonal from (0, 0) to (1, 1), equal errors of one half.
    a, b = on_the_circle([0.5] * 20)
    assert verify(a, b, [True, False] * 10).eer == pytest.approx(0.5)


def test_eer_of_known_score_distributions():
    # Scores N(±1, 1): equal errors at Φ(−1).
    rng = np.random.default_rng(0)
    same = np.repeat([True, False], 20000)
    distances = 2 - 0.3 * (rng.normal(size=40000) + np.where(same, 1, -1))
    result = verify(*on_the_circle(np.clip(distances, 0, 4)), same)
    assert result.eer == pytest.approx(0.5 * math.erfc(1 / math.sqrt(2)), abs=0.005)


def test_tar_at_far_is_withheld_where_pairs_are_few():
    a, b, _ = noisy_pairs(1999)
    same = np.arange(1999) % 2 == 0
    result = verify(a, b, same)  # 999 different pairs
    assert result.tar_at_far["1e-1"] is not None
    assert result.tar_at_far["1e-2"] is None
    assert result.unavailable["1e-2"] == "needs 1000 different pairs, there are 999"
    a, b, _ = noisy_pairs(2000)
    assert verify(a, b, np.arange(2000) % 2 == 0).tar_at_far["1e-2"] is not None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "not finite"),
        (np.inf, "not finite"),
        (0.0, "is zero"),
        (1e-30, "too large or too small"),
        (1e30, "too large or too small"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_an_embedding_without_direction_is_refused_by_name(value, words):
    a, b, same = noisy_pairs(40, dtype=np.float32)
    b[7] = value
    b[9] = value
    with pytest.raises(UserError, match=rf"pair 7: .* second image .*{words}.*and 1 more"):
        verify(a, b, same)


def test_one_nan_in_a_good_row_is_refused():
    a, b, same = noisy_pairs(40)
    a[3, 5] = np.nan
    with pytest.raises(UserError, match=r"pair 3: the embedding of its first image"):
        verify(a, b, same)


def test_mistakes_are_named():
    a, b, same = noisy_pairs(40)
    with pytest.raises(UserError, match=r"7 pairs are too few for 10 folds"):
        verify(a[:7], b[:7], same[:7])
    with pytest.raises(UserError, match="folds must be at least 2"):
        verify(a, b, same, folds=1)
    with pytest.raises(UserError, match="40 pairs of embeddings but 39 labels"):
        verify(a, b, same[:39])
    with pytest.raises(UserError, match="of the same shape"):
        verify(a, b[:, :8], same)
    with pytest.raises(UserError, match="no pairs"):
        verify(a[:0], b[:0], same[:0])
    with pytest.raises(UserError, match="0 and 1"):
        verify(a, b, np.arange(40))
    with pytest.raises(UserError, match="float32 or float64"):
        verify(a.astype(complex), b, same)
    assert verify(a[:7], b[:7], same[:7], folds=7).pairs == 7
    assert verify(a, b, same.astype(int)).accuracy_mean == verify(a, b, same).accuracy_mean


def test_json_is_the_published_object():
    a, b, same = noisy_pairs(400)
    result = verify(a, b, same)
    target = result.to_json(images=800, unique_images=700, embedding_norm_mean=np.float32(3.5))
    again = json.loads(json.dumps(target, allow_nan=False))
    assert list(again) == [
        "pairs",
        "same",
        "images",
        "unique_images",
        "accuracy",
        "auc",
        "eer",
        "tar_at_far",
        "embedding_norm_mean",
        "thresholds_at_far",
        "unavailable",
    ]
    assert list(again["accuracy"]) == ["mean", "std", "folds", "thresholds", "ci95"]
    assert list(again["tar_at_far"]) == ["1e-1", "1e-2", "1e-3", "1e-4"]
    assert again["accuracy"]["folds"] == result.fold_accuracies.tolist()
    assert again["tar_at_far"]["1e-3"] is None
    assert again["thresholds_at_far"]["1e-3"] is None
    assert again["unavailable"]["1e-3"].startswith("needs 10000 different pairs, there are ")
    point = again["thresholds_at_far"]["1e-1"]
    assert list(point) == ["distance", "cosine", "far", "tar"]
    assert point["tar"] == again["tar_at_far"]["1e-1"]
    assert again["same"] == same.sum()


def test_a_threshold_at_far_does_in_production_what_it_says():
    a, b, same = noisy_pairs(30_000)
    result = verify(a, b, same)
    x, y = normalize(a), normalize(b)
    cosine = np.sum(x * y, axis=1)
    for name, inverse in {"1e-1": 10, "1e-2": 100, "1e-3": 1000}.items():
        point = result.thresholds_at_far[name]
        by_distance = result.distances < point.distance
        by_cosine = cosine > point.cosine
        assert np.sum(by_distance != by_cosine) <= 1  # the threshold is a pair's own distance
        assert by_distance[~same].mean() == point.far <= 1 / inverse
        assert by_distance[same].mean() == point.tar == result.tar_at_far[name]
        # The next larger threshold would break the promise.
        wider = result.distances <= point.distance
        assert wider[~same].mean() > 1 / inverse
    assert result.tar_at_far["1e-4"] is None
    assert result.unavailable["1e-4"].startswith("needs 100000 different pairs")


def test_the_worst_pairs_are_the_furthest_on_the_wrong_side():
    distances = np.array([0.5, 3.0] * 30)  # same, different, …
    distances[[4, 8]] = 3.5, 2.9  # two same pairs far apart
    distances[[7, 11, 15]] = 0.3, 0.1, 0.2  # three different pairs close together
    result = verify(*on_the_circle(distances), np.array([True, False] * 30))
    accepts, rejects = worst_pairs(result)
    assert accepts.tolist() == [11, 15, 7]
    assert rejects.tolist() == [4, 8]
    assert worst_pairs(result, count=1)[0].tolist() == [11]
