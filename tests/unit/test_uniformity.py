"""Bands of distribution functions against enumeration, the exact Kolmogorov law, and ArviZ.

`stays` is an exact sum: it is held to 1e-10. ArviZ's coefficient is the quantile of a simulation of 4,000
curves, whose own standard error is 0.05 in the logarithm of gamma: 0.25 is five of them.
"""

from itertools import product
from math import factorial

import numpy as np
import pytest
from arviz_stats.ecdf_utils import simulate_confidence_bands
from numpy.testing import assert_allclose
from scipy import stats

from bayesrtw.question.uniformity import band, bounds, excess, look, p_value, share_outside, stays


def enumerated(lower, upper, count):
    """Sum multinomial probabilities of every way to fill the cells between the points."""
    cells, total = len(lower) + 1, 0
    for fill in product(range(count + 1), repeat=cells):
        if sum(fill) == count:
            counts = np.cumsum(fill)[:-1]
            if np.all(counts >= lower) and np.all(counts <= upper):
                total += factorial(count) / np.prod([float(factorial(n)) for n in fill])
    return total / cells**count


@pytest.mark.parametrize("gamma", [0.5, 0.2, 0.05, 0.003])
def test_the_walk_agrees_with_enumeration(gamma):
    lower, upper = bounds(6, 5, gamma)
    assert_allclose(stays(lower, upper, 6), enumerated(lower, upper, 6), rtol=1e-10)


# SciPy computes 13 digits up to n = 140 and, after Simard & L'Ecuyer (2011, doi:10.18637/jss.v039.i11),
# at least 5 digits of the Pelz-Good series beyond.
@pytest.mark.parametrize(
    ("count", "apart", "rtol"),
    [(10, 3, 1e-10), (100, 14, 1e-10), (1000, 43, 1e-5), (1000, 75, 1e-5)],
)
def test_the_walk_agrees_with_the_exact_distribution_of_kolmogorov(count, apart, rtol):
    # D_n < a / n just where i - a < n F_n(i / n) < i + a for all i.
    i = np.arange(1, count)
    found = stays(np.maximum(i - apart + 1, 0), np.minimum(i + apart - 1, count), count)
    assert_allclose(1.0 - found, stats.kstwo.sf(apart / count, count), rtol=rtol)


@pytest.mark.parametrize(("count", "level"), [(50, 0.95), (200, 0.9)])
def test_the_coefficient_agrees_with_arviz(count, level):
    rng = np.random.default_rng(8)
    places = np.arange(1, count) / count
    theirs = 1.0 - simulate_confidence_bands(count, 1, places, level, 4000, rng)
    assert abs(np.log(share_outside(count, count, level) / theirs)) < 0.25


def test_a_band_holds_everywhere_together_as_often_as_it_says():
    rng, count, many = np.random.default_rng(9), 100, 4000
    outside = np.array([excess(rng.random(count), 0.95) > 0 for _ in range(many)])
    # Discrete: at most 5 %, and here 4.9 %; 5 standard errors of a simulated share.
    level = stays(*bounds(count, 100, share_outside(count, 100, 0.95)), count)
    assert 0.95 <= level < 0.955
    assert abs(outside.mean() - (1.0 - level)) < 5 * np.sqrt(0.05 * 0.95 / many)


def test_p_values_decide_as_bands_do_and_are_uniform_or_larger():
    rng = np.random.default_rng(10)
    found = []
    for spread in (1.0, 1.0, 1.3, 1.6, 2.0):
        values = stats.norm.cdf(spread * rng.standard_normal(200))
        for level in (0.5, 0.95, 0.9999):
            assert (p_value(values) < 1.0 - level) == (excess(values, level) > 0)
        found.append(p_value(values))
    assert found[-1] < 1e-6
    many = np.array([p_value(rng.random(40)) for _ in range(600)])
    for level in (0.05, 0.2, 0.5):
        assert np.mean(many <= level) < level + 4 * np.sqrt(level * (1 - level) / 600)
    assert np.mean(many <= 0.5) > 0.35


def test_ranks_are_looked_at_where_they_can_change():
    ranks = np.array([0, 0, 3, 9, 9])
    points, counts = look((ranks + 1) / 10, cells=10)
    assert points == 10
    assert counts.tolist() == [2, 2, 2, 3, 3, 3, 3, 3, 3]
    uniform = np.repeat(np.arange(10), 20)
    assert p_value((uniform + 1) / 10, cells=10) == pytest.approx(1.0, abs=1e-6)
    assert p_value((uniform // 2 + 1) / 10, cells=10) < 1e-12


def test_a_band_of_ten_thousand_values_is_as_wide_as_normal_theory_says():
    places, lower, upper = band(10_000, 1000, 0.999)
    assert len(places) == len(lower) == len(upper) == 1001
    gamma = share_outside(10_000, 1000, 0.999)
    width = stats.norm.isf(gamma / 2) * 0.5 / 100
    assert_allclose(
        [upper[500] - 0.5, 0.5 - lower[500]], width, rtol=0.02
    )  # one count is 0.005 of it
