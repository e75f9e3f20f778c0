"""Normal kernels with a Hermite series, held against densities written out on a fine grid.

A Gaussian quadrature of n nodes makes every coefficient up to degree n exact for what it sums; the densities
below are smooth on the scale of the kernel, so that the series has converged to 1e-9 at the degrees used.
"""

import numpy as np
import pytest
from numpy.polynomial import hermite_e
from numpy.testing import assert_allclose
from scipy import integrate, stats

from bayesrtw.engine.curved_series import kernels_of
from bayesrtw.posterior.kernels import Kernels, blended
from bayesrtw.posterior.series import coefficients

NODES = 63


def shape(x):
    """Two bumps of unequal height and width, not normalised: analysis scale."""
    return 0.6 * np.exp(-0.5 * ((x - 0.1) / 0.12) ** 2) + 0.4 * np.exp(
        -0.5 * ((x - 0.4) / 0.16) ** 2
    )


@pytest.fixture(scope="module")
def kernel():
    centre, scale = 0.2, 0.16
    z, w = hermite_e.hermegauss(NODES)
    weight = w * shape(centre + scale * z) / np.exp(-0.5 * z**2)
    series = coefficients(z, weight / weight.sum(), NODES - 1)
    return Kernels(np.ones(1), np.array([centre]), np.array([scale]), series[None, :])


def truth(kernel_variance=0.0):
    """Density of the bumps plus an independent normal deviation, by normalised closed form."""
    parts = ((0.6 * 0.12, 0.1, 0.12), (0.4 * 0.16, 0.4, 0.16))
    total = sum(part[0] for part in parts)
    return [(w / total, m, np.sqrt(s**2 + kernel_variance)) for w, m, s in parts]


def cdf(x, parts):
    return sum(w * stats.norm.cdf(x, m, s) for w, m, s in parts)


@pytest.mark.parametrize("variance", [0.0, 0.01, 0.3])
def test_a_series_gives_probabilities_moments_and_quantiles(kernel, variance):
    wide, parts = kernel.widened(np.array(variance)), truth(variance)
    x = np.linspace(-0.6, 1.2, 19)
    assert_allclose(wide.below(x), cdf(x, parts), atol=1e-9)
    assert_allclose(wide.above(x), 1.0 - cdf(x, parts), atol=1e-9)
    mean = sum(w * m for w, m, _ in parts)
    assert_allclose(wide.centre, mean, atol=1e-10)
    assert_allclose(
        wide.spread**2, sum(w * (s**2 + (m - mean) ** 2) for w, m, s in parts), atol=1e-10
    )
    for q in (0.025, 0.5, 0.975):
        assert_allclose(cdf(wide.quantile(q), parts), q, atol=1e-9)
    density = sum(w * stats.norm.pdf(x, m, s) for w, m, s in parts)
    assert_allclose(np.exp(wide.log_density(x)), density, atol=1e-7)


def test_ratios_have_the_moments_of_log_normal_mixtures(kernel):
    first = sum(w * np.exp(m + 0.5 * s**2) for w, m, s in truth())
    second = sum(w * np.exp(2 * m + 2 * s**2) for w, m, s in truth())
    assert_allclose(kernel.ratio(), (first, np.sqrt(second - first**2)), rtol=1e-9)


def test_shortest_intervals_hold_their_probability_and_equal_densities(kernel):
    low, high = kernel.interval(0.9, "hdi")
    assert_allclose(cdf(high, truth()) - cdf(low, truth()), 0.9, atol=1e-8)
    assert_allclose(kernel.log_density(low), kernel.log_density(high), atol=1e-5)


def test_a_tail_keeps_its_digits():
    one = Kernels(np.ones(1), np.zeros(1), np.ones(1))
    assert_allclose(one.above(10.0), stats.norm.sf(10.0), rtol=1e-12)
    same = Kernels(np.ones(1), np.zeros(1), np.ones(1), np.ones((1, 1)))
    assert_allclose(same.above(10.0), stats.norm.sf(10.0), rtol=1e-12)


def test_a_blend_is_the_weighted_sum(kernel):
    other = Kernels(np.ones(1), np.array([1.0]), np.array([0.5]))
    both = blended([kernel, other], [0.25, 0.75])
    expected = 0.25 * cdf(0.3, truth()) + 0.75 * stats.norm.cdf(0.3, 1.0, 0.5)
    assert_allclose(both.below(0.3), expected, atol=1e-9)
    area = integrate.quad(lambda x: float(np.exp(both.log_density(x))), -3, 4, limit=200)[0]
    assert_allclose(area, 1.0, atol=1e-7)


@pytest.mark.parametrize("degree", [6, 8, 10, 12])
@pytest.mark.parametrize("skew", [20, 50, 200])
def test_what_a_series_leaves_out_bounds_the_error_of_its_probabilities(skew, degree):
    """Cut series of gamma distributions: the bound holds, and is not so wide that it says nothing."""
    law = stats.gamma(skew)
    z, w = hermite_e.hermegauss(41)
    share = w * law.pdf(law.mean() + law.std() * z) / np.exp(-0.5 * z**2)
    x = law.mean() + law.std() * z
    found, _, left = kernels_of(x[None], share[None] / share.sum(), np.ones(1), degree, 1.0)

    at = law.ppf(np.linspace(0.001, 0.999, 200))
    off = max(abs(found.beyond(float(each), above=False) - law.cdf(each)) for each in at)

    assert off < left < 25 * off
