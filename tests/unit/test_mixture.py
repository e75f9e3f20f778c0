"""Quantiles of mixtures of normals against a plain root search on the distribution function.

The reference sums `math.erfc` over components with `math.fsum`, one quantile at a time, and closes in with
Brent's method; nothing of the package is in it. Quantiles found so are right to about 1e-15 in
probability, and so are those of the package, so that they differ by 1e-14 over the density at most.
"""

import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

import bayesrtw as brw
from bayesrtw.posterior import mixture
from bayesrtw.posterior.axis import Real
from bayesrtw.posterior.marginal import series
from bayesrtw.posterior.summarise import probability_beyond

Array = NDArray[np.float64]


def searched(q: float, weight: Array, mean: Array, sd: Array) -> float:
    parts = list(zip(weight.tolist(), mean.tolist(), sd.tolist(), strict=True))

    def gap(x: float) -> float:
        return math.fsum(w * 0.5 * math.erfc((m - x) / (s * math.sqrt(2))) for w, m, s in parts) - q

    ends = np.min(mean - 40 * sd), np.max(mean + 40 * sd)
    return float(brentq(gap, *ends, xtol=1e-300, rtol=1e-15, maxiter=500))


def density(x: float, weight: Array, mean: Array, sd: Array) -> float:
    return float(np.sum(weight / sd * np.exp(-0.5 * ((x - mean) / sd) ** 2))) / math.sqrt(
        2 * math.pi
    )


def posterior(
    nodes: int, columns: int, rows: int, spread: float, seed: int
) -> tuple[Array, Array, Array]:
    """Means and SDs of shrunken effects over nodes of tau, under several priors of tau."""
    rng = np.random.default_rng(seed)
    tau = np.exp(np.linspace(-3 * spread, 3 * spread, nodes) - 2)
    se = rng.uniform(0.1, 0.5, columns)
    share = tau[:, None] ** 2 / (tau[:, None] ** 2 + se**2)
    mean = share * rng.normal(0, 1, columns)
    sd = np.sqrt(share * se**2 + (1 - share) ** 2 * (0.01 + tau[:, None] ** 2 / 9))
    place = np.log(tau) + 2 - np.linspace(-spread, spread, rows)[:, None]
    weight = np.exp(-0.5 * (place / spread) ** 2)
    return weight / weight.sum(axis=1, keepdims=True), mean, sd


@pytest.mark.parametrize(
    ("nodes", "spread", "levels"),
    [
        (60, 0.8, (0.5, 0.025, 0.975)),
        # SDs over six orders of magnitude, and levels far out.
        (90, 2.5, (1e-6, 0.05, 1 - 1e-6)),
        (1, 0.5, (0.1, 0.9)),
    ],
)
def test_many_quantiles_at_once_are_those_of_a_root_search(
    nodes: int, spread: float, levels: tuple[float, ...]
) -> None:
    weight, mean, sd = posterior(nodes, 5, 4, spread, seed=20)
    found = mixture.quantiles(np.array(levels), weight, mean, sd)
    assert found.shape == (len(levels), 4, 5)
    for at, q in enumerate(levels):
        for row in range(4):
            alone = mixture.quantile(q, weight[row], mean, sd)
            for column in range(5):
                parts = weight[row], mean[:, column], sd[:, column]
                expected = searched(q, *parts)
                room = 1e-14 / density(expected, *parts) + 1e-14 * abs(expected)
                assert found[at, row, column] == pytest.approx(expected, abs=room, rel=0)
                assert alone[column] == pytest.approx(expected, abs=room, rel=0)


def test_weights_of_their_own_and_levels_of_their_own() -> None:
    weight, mean, sd = posterior(80, 6, 6, 1.0, seed=21)
    levels = np.array([0.001, 0.2, 0.5, 0.7, 0.975, 0.9999])
    found = mixture.quantile(levels, weight.T, mean, sd)
    expected = [searched(q, weight[i], mean[:, i], sd[:, i]) for i, q in enumerate(levels)]
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_many_mixtures_are_cut_into_passes_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, mean, sd = posterior(70, 9, 3, 1.0, seed=22)
    levels = np.array([0.025, 0.5, 0.975])
    whole = mixture.quantiles(levels, weight, mean, sd)
    monkeypatch.setattr(mixture, "AT_ONCE", 500)
    np.testing.assert_allclose(mixture.quantiles(levels, weight, mean, sd), whole, rtol=1e-12)


def test_two_humps_and_points_are_bracketed() -> None:
    # The normal approximation starts in the gap between two humps, where there is no density.
    weight, mean = np.array([0.4, 0.6]), np.array([[-1e4], [1e4]])
    sd = np.ones((2, 1))
    found = mixture.quantiles(np.array([0.2, 0.8]), weight[None, :], mean, sd)[:, 0, 0]
    # 0.2 / 0.4 is the first hump's median; (0.8 - 0.4) / 0.6 is the second's upper third.
    np.testing.assert_allclose(found, [-1e4, 1e4 + 0.4307272992954576], rtol=1e-15)
    # A component without spread is a step: the quantile stands on it.
    still = mixture.quantile(
        0.5, np.array([0.8, 0.2]), np.array([[2.0], [0.0]]), np.array([[0.0], [1.0]])
    )
    assert still[0] == pytest.approx(2.0, abs=1e-12)
    many = mixture.quantiles(
        np.array([0.5]), np.array([[0.8, 0.2]]), np.array([[2.0], [0.0]]), np.array([[0.0], [1.0]])
    )
    assert many[0, 0, 0] == pytest.approx(2.0, abs=1e-12)


def test_upper_tails_keep_their_digits():
    # Phi(-10) and Phi(-20), printed to 20 digits in tables of the normal distribution.
    wanted = np.array([7.619853024160526066e-24, 2.753624118606233695e-89])
    found = mixture.sf(np.array([10.0, 20.0]), np.ones(1), np.zeros((1, 2)), np.ones((1, 2)))
    assert_allclose(found, wanted, rtol=1e-13)
    weight, mean, sd = np.array([0.25, 0.75]), np.array([[0.0], [1.0]]), np.array([[1.0], [0.5]])
    both = 0.25 * norm.sf(12.0) + 0.75 * norm.sf(22.0)
    assert_allclose(mixture.sf(np.array([12.0]), weight, mean, sd), both, rtol=1e-13)
    point = mixture.sf(np.array([0.0, -1.0]), np.ones(1), np.zeros((1, 2)), np.zeros((1, 2)))
    assert_allclose(point, [0.0, 1.0])


@pytest.mark.parametrize(("benefit", "sign"), [("higher", -1.0), ("lower", 1.0)])
def test_a_hopeless_benefit_has_the_same_probability_in_either_direction(benefit, sign):
    frame = pd.DataFrame({"study": ["A", "B"], "effect": [sign * 1.0] * 2, "se": [0.1, 0.1]})
    rows = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit=benefit)
    model = brw.Model(terms=(brw.Intercept(brw.prior.Flat()), brw.Common()))
    tree = brw.fit(model, rows, engine=brw.Exact(draws=0))
    # mu ~ N(1, 0.1^2 / 2) on the side of harm: P(benefit) = Phi(-10 sqrt 2).
    wanted = norm.sf(10 * np.sqrt(2))
    assert brw.summarise(tree).loc["mu", "probability"] == pytest.approx(wanted, rel=1e-10)
    found = probability_beyond(tree, "mu", "", 0.0, above=benefit == "higher")
    assert found == pytest.approx(wanted, rel=1e-10)


def test_the_upper_tail_of_a_marginal_is_the_rest_of_its_distribution_function():
    x, w = np.polynomial.legendre.leggauss(80)
    u = 8.0 * x
    found = series(w * np.exp(-0.5 * u**2) / np.sum(w * np.exp(-0.5 * u**2)), Real(), -8.0, 8.0)
    at = np.array([-3.0, 0.0, 2.0, 5.0, 7.0])
    assert_allclose(found.sf(at), norm.sf(at), atol=1e-15)
    assert_allclose(found.sf(at) + found.cdf(at), 1.0, atol=1e-15)
