"""How many results that go together lie beyond a step: against corners of multivariate normals."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal, norm

from bayesrtw.engine.beyond import Step, how_many, shared_by

MEAN = np.array([0.4, -0.2, 0.9, 0.1, -0.6])


def corners(mean, covariance, step):
    """Sum the probabilities of all patterns by how many are beyond."""
    count = len(mean)
    found = np.zeros(count + 1)
    for beyond in product((1.0, -1.0), repeat=count):
        turn = np.array(beyond) * step.side
        at = multivariate_normal.cdf(
            turn * step.at, turn * mean, turn[:, None] * covariance * turn, rng=1, abseps=1e-6
        )
        found[int(np.sum(np.array(beyond) > 0))] += at
    return found


def step_of(count, side=1.0):
    return Step(np.linspace(-0.3, 0.6, count), np.full(count, side))


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(("count", "within"), [(2, 1e-7), (3, 1e-4), (4, 1e-3)])
def test_any_covariance(count, within, side):
    root = np.array([[1.0, 0, 0, 0], [0.6, 0.7, 0, 0], [-0.4, 0.5, 0.6, 0], [0.2, -0.3, 0.8, 0.5]])
    covariance = (root @ root.T)[:count, :count]
    shared = shared_by(np.full((1, count), 0.1), (), covariance[None])
    assert not shared.slopes
    [found] = how_many(MEAN[None, :count], step_of(count, side), shared)
    wanted = corners(MEAN[:count], covariance + 0.1 * np.eye(count), step_of(count, side))
    assert_allclose(found, wanted, atol=within)


def test_a_control_group_that_all_share_is_one_normal():
    own, common = np.array([0.2, 0.5, 0.3, 0.8, 0.4]), 0.35
    errors = np.diag(own) + common
    shared = shared_by(np.zeros((1, 5)), (), errors[None])
    assert len(shared.slopes) == 1
    assert not shared.tied
    [found] = how_many(MEAN[None], step_of(5), shared)
    assert_allclose(found, corners(MEAN, errors, step_of(5)), atol=2e-5)


def test_families_of_studies_of_estimates():
    """A family's effect, two studies' within it, and two errors that are correlated beside both."""
    family, one = np.full(5, 0.7), np.array([0.5, 0.5, 0.0, 0.0, 0.0])
    other, own = np.array([0.0, 0.0, 0.6, 0.6, 0.6]), np.linspace(0.2, 0.5, 5)
    errors = np.zeros((5, 5))
    errors[0, 1] = errors[1, 0] = 0.08
    shared = shared_by(own[None], [each[None] for each in (family, one, other)], errors[None])
    [found] = how_many(MEAN[None], step_of(5), shared)
    slopes = np.stack([family, one, other])
    assert_allclose(
        found, corners(MEAN, slopes.T @ slopes + errors + np.diag(own), step_of(5)), atol=2e-5
    )


@pytest.mark.parametrize("rho", [0.999, 1.0, -1.0])
def test_results_that_say_the_same(rho):
    """At a correlation of one both are beyond together; variances of their own were zero or less."""
    shared = shared_by(np.zeros((1, 2)), (), np.array([[[1.0, rho], [rho, 1.0]]]))
    mean, step = np.array([[0.3, 0.3 * np.sign(rho)]]), Step(np.zeros(2), np.ones(2))
    [found] = how_many(mean, step, shared)
    x = np.linspace(-9.0, 9.0, 400_001)
    first = x + 0.3 < 0
    rest = np.sqrt(max(1.0 - rho**2, 1e-16))
    second = norm.cdf((-mean[0, 1] - rho * x) / rest)
    both = np.trapezoid(norm.pdf(x) * first * second, x)
    below = norm.cdf(-mean[0])
    assert_allclose(found[2], both, atol=1e-5)
    assert_allclose(found[1], below.sum() - 2.0 * both, atol=2e-5)


def test_what_is_rare_is_told():
    """Eight standard errors away: the log of a probability is told, not a zero."""
    shared = shared_by(
        np.full((1, 3), 0.5), (), np.array([[[0, 0.2, 0.1], [0.2, 0, -0.1], [0.1, -0.1, 0]]])
    )
    [found] = how_many(np.full((1, 3), 4.0), Step(np.zeros(3), np.ones(3)), shared)
    wanted = multivariate_normal.cdf(
        np.zeros(3),
        np.full(3, 4.0),
        np.array([[0.5, 0.2, 0.1], [0.2, 0.5, -0.1], [0.1, -0.1, 0.5]]),
    )
    assert 0.0 <= found[3] < 1e-15
    assert wanted < 1e-15
    assert_allclose(found[0], 1.0, atol=1e-7)


def chain(limit, rho, count):
    """Sum over a chain of results, each correlated by rho with the next, on panels that meet at the limit."""
    sd = np.sqrt(1.0 - rho**2)
    x, w = np.polynomial.legendre.leggauss(8)
    ends = np.concatenate([np.linspace(-9.0, limit, 25), np.linspace(limit, 9.0, 25)])
    half = 0.5 * np.diff(ends)[:, None]
    z, weight = (ends[:-1, None] + half * (x + 1.0)).ravel(), (half * w).ravel()
    below = (z < limit) * 1.0
    found = np.zeros((count + 1, len(z)))
    found[:2] = norm.pdf(z) * np.stack([1.0 - below, below])
    onward = norm.pdf((z[:, None] - rho * z) / sd) / sd * weight
    for _ in range(count - 1):
        each = found @ onward.T
        found = each * (1.0 - below)
        found[1:] += each[:-1] * below
    return found @ weight


@pytest.mark.parametrize(
    ("count", "rho", "within"), [(4, 0.5, 1e-3), (5, 0.5, 3e-3), (6, 0.5, 8e-3), (6, 0.3, 2e-3)]
)
def test_what_a_rule_leaves_out_is_taken_off(count, rho, within):
    """How probable it is that all are seen was off by 0.05 with six, all one way: it moved the mean."""
    place = np.arange(count)
    covariance = rho ** np.abs(place[:, None] - place)
    limits = np.linspace(-3.5, 3.5, 9)
    shared = shared_by(np.zeros((9, count)), (), np.repeat(covariance[None], 9, axis=0))
    step = Step(np.zeros(count), np.ones(count))
    found = how_many(np.repeat(-limits[:, None], count, axis=1), step, shared)
    wanted = np.stack([chain(limit, rho, count) for limit in limits])
    weight = 0.1 ** np.arange(count + 1)
    assert_allclose(np.log(found @ weight), np.log(wanted @ weight), atol=within)


def test_a_pair_is_closed_whatever_it_shares():
    """Two results of one study whose effect they share all but wholly were off by 1e-3."""
    slope, mean = np.array([0.5, -0.5]), np.array([0.1, 0.05])
    shared = shared_by(np.full((1, 2), 1e-4), (slope[None],), np.zeros((1, 2, 2)))
    [found] = how_many(mean[None], step := Step(np.zeros(2), np.ones(2)), shared)
    wanted = corners(mean, np.outer(slope, slope) + 1e-4 * np.eye(2), step)
    assert_allclose(found, wanted, atol=1e-6)
