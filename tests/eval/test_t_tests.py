"""Both t tests against SciPy's, statsmodels' and their formulas; p and interval of one mind."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttest_ind

from eval.t_tests import paired_difference, paired_p, welch, welch_p


def test_paired_difference_equals_scipys_paired_t():
    rng = np.random.default_rng(0)
    first = rng.normal(0.95, 0.01, 10)
    second = first + rng.normal(0.004, 0.004, 10)
    ours, theirs = paired_difference(first, second), stats.ttest_rel(second, first)
    interval = theirs.confidence_interval(0.95)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-12)
    assert ours.interval == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert ours.mean == pytest.approx(np.mean(second - first))
    back = paired_difference(second, first)
    assert (back.mean, back.p) == (-ours.mean, ours.p)


def test_paired_difference_by_hand():
    # Differences 0.01, 0.02, 0.03: mean 0.02, deviation 0.01, t = 0.02 / (0.01 / √3), 2 degrees.
    result = paired_difference([0.9, 0.9, 0.9], [0.91, 0.92, 0.93])
    t = 2 * math.sqrt(3)
    assert result.p == pytest.approx(1 - t / math.sqrt(t * t + 2))  # t with 2 degrees, closed form
    assert result.n == 3


def test_paired_difference_without_spread_takes_the_limit():
    x = np.linspace(0.9, 0.99, 10)
    assert paired_difference(x, x) == paired_difference(x[::-1], x[::-1])
    assert (paired_difference(x, x).p, paired_difference(x, x).interval) == (1.0, (0.0, 0.0))
    shifted = paired_difference(x, x + 0.01)
    assert shifted.p == 0.0
    assert shifted.mean == pytest.approx(0.01)


def test_paired_difference_rejects_five_percent_of_equals():
    rng = np.random.default_rng(1)
    hits = rng.binomial(600, 0.95, size=(2, 2000, 10)) / 600
    p = np.array([paired_difference(x, y).p for x, y in zip(*hits, strict=True)])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.012)


def test_paired_difference_refuses_other_shapes():
    with pytest.raises(ValueError, match="a paired t test needs"):
        paired_difference([0.9] * 10, [0.9] * 9)
    with pytest.raises(ValueError, match="a paired t test needs"):
        paired_difference([0.9], [0.8])
    with pytest.raises(ValueError, match="finite"):
        paired_difference([0.9, math.nan], [0.9, 0.9])


@pytest.mark.parametrize("sizes", [(5, 5), (4, 8), (2, 2)])
def test_welchs_t(sizes):
    rng = np.random.default_rng(1)
    x, y = rng.normal(0.95, 0.002, sizes[0]), rng.normal(0.953, 0.004, sizes[1])
    found = welch(x, y)
    t, p, _ = ttest_ind(y, x, usevar="unequal")
    assert found.p == pytest.approx(p)
    assert found.mean == pytest.approx(y.mean() - x.mean())
    assert np.sign(t) == np.sign(found.mean)
    # The interval by hand, with Welch's and Satterthwaite's degrees of freedom.
    vx, vy = x.var(ddof=1) / sizes[0], y.var(ddof=1) / sizes[1]
    freedom = (vx + vy) ** 2 / (vx**2 / (sizes[0] - 1) + vy**2 / (sizes[1] - 1))
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(vx + vy)
    assert found.interval == pytest.approx((found.mean - reach, found.mean + reach))
    assert found.spread == pytest.approx(np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2))


@pytest.mark.parametrize("sizes", [(2, 10), (10, 2), (2, 3), (3, 8)])
def test_welch_with_few_runs_of_one_has_the_freedom_of_those(sizes):
    rng = np.random.default_rng(7)
    x, y = rng.normal(0.95, 0.002, sizes[0]), rng.normal(0.953, 0.004, sizes[1])
    error = np.sqrt(x.var(ddof=1) / sizes[0] + y.var(ddof=1) / sizes[1])
    found = welch(x, y)
    expected = 2 * stats.t.sf(abs(y.mean() - x.mean()) / error, min(sizes) - 1)
    assert found.p == pytest.approx(expected)
    assert found.freedom == min(sizes) - 1


@pytest.mark.parametrize("sizes", [(2, 10), (2, 4), (3, 10), (4, 10), (3, 3)])
@pytest.mark.parametrize("ratio", [1, 3])
def test_welch_keeps_five_percent_with_unequal_numbers_of_runs(sizes, ratio):
    """The smaller group may vary more; without fewer degrees of freedom 2 and 10 give 10%."""
    rng = np.random.default_rng(sizes)
    few, many = ratio * rng.normal(size=(20_000, sizes[0])), rng.normal(size=(20_000, sizes[1]))
    assert np.mean(welch_p(many, few) < 0.05) < 0.066


@pytest.mark.parametrize("n", [2, 5])
def test_many_samples_at_a_time_have_the_p_of_one_at_a_time(n):
    rng = np.random.default_rng(n)
    x, y = rng.integers(90, 94, size=(2, 300, n)) / 100  # some without any spread
    expected = [paired_difference(a, b).p for a, b in zip(x, y, strict=True)]
    assert paired_p(x, y).tolist() == expected
    one_by_one = [welch(a, b) for a, b in zip(x, y, strict=True)]
    p = welch_p(x, y)
    for each, found in zip(one_by_one, p.tolist(), strict=True):
        assert found == (each.p if each else found)
    assert any(each is None for each in one_by_one) == (n == 2)


def test_welch_without_spread_gives_no_answer():
    assert welch([0.9, 0.9], [0.95, 0.95, 0.95]) is None
    assert welch([0.9, 0.9], [0.95, 0.96]) is not None
    with pytest.raises(ValueError, match="at least two"):
        welch([0.9], [0.95, 0.96])
    with pytest.raises(ValueError, match="finite"):
        welch([0.9, np.nan], [0.95, 0.96])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("without_spread", [0, 1])
def test_welch_with_one_spread_is_students_t_of_that_one(without_spread):
    rows = [np.array([0.95, 0.96, 0.94]), np.array([0.9, 0.9, 0.9])]
    x, y = rows if without_spread else rows[::-1]
    found = welch(x, y)
    expected = stats.ttest_1samp(rows[0], 0.9)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)
    reach = np.diff(expected.confidence_interval())[0] / 2
    assert np.diff(found.interval)[0] / 2 == pytest.approx(reach, rel=1e-12)


def test_both_t_have_the_digits_of_their_formulas():
    rng = np.random.default_rng(5)
    for n in (2, 3, 10):
        x = rng.normal(0.95, 0.01, n)
        y = x + rng.normal(0.003, 0.004, n)
        d, found = y - x, paired_difference(x, y)
        reach = stats.t.ppf(0.975, n - 1) * d.std(ddof=1) / math.sqrt(n)
        assert found.interval == pytest.approx((d.mean() - reach, d.mean() + reach), rel=1e-12)
        u, v = x.var(ddof=1) / n, y.var(ddof=1) / n
        freedom = (u + v) ** 2 / (u**2 / (n - 1) + v**2 / (n - 1))
        reach = stats.t.ppf(0.975, freedom) * math.sqrt(u + v)
        found = welch(x, y)
        assert found.interval == pytest.approx((d.mean() - reach, d.mean() + reach), rel=1e-12)
        t = abs(d.mean()) / math.sqrt(u + v)
        assert found.p == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-12)


LEVELS = (0.5, 0.9, 0.95, 1 - 0.05 / 3, 0.999)


def test_an_interval_leaves_out_zero_exactly_where_p_is_below_its_level():
    rng = np.random.default_rng(11)
    shown = 0
    for _ in range(2000):
        n, m = rng.integers(2, 9, 2)
        shift, scale = rng.normal(0, 0.003), 10.0 ** rng.uniform(-5, -2)
        x, y = rng.normal(0.95, scale, n), rng.normal(0.95 + shift, scale, m)
        z = x + rng.normal(shift, scale, n)
        for found in (welch(x, y), paired_difference(x, z)):
            assert found.interval == found.interval_at(0.95)
            for level in LEVELS:
                low, high = found.interval_at(level)
                assert low < found.mean < high
                assert (low > 0 or high < 0) == (found.p < 1 - level)
                shown += found.p < 1 - level
    assert 2000 < shown < 18_000  # both answers are common


def test_the_spread_is_that_of_the_differences():
    x, y = np.array([0.9, 0.92, 0.91]), np.array([0.92, 0.93, 0.95])
    assert paired_difference(x, y).spread == pytest.approx((y - x).std(ddof=1))
    assert paired_difference(x, x + 0.01).standard_error == 0.0
