"""Exact fits against dense grids that are written out here and use none of the engine's algebra.

*Even trapezoid*: with a half-normal prior the integrand in tau is an even analytic function, so that
the trapezoidal rule on [0, T] with half a weight at 0 has no end correction and converges
exponentially: for eight schools, steps of 0.5, 0.25 and 0.1 agree to 1e-14.

*Two-dimensional grid*: the posterior of (mu, tau) for one to three studies, without conjugate algebra:
trapezoidal in mu (an entire function with Gaussian tails; the narrowest conditional SD is 0.09, so that a
step of 0.03 leaves exp(-2 pi^2 3^2)), Gauss-Legendre in tau over twelve SDs of the half-normal prior, 40
means of the exponential one, and the support of the uniform one (nearest singularity: tau = 0.12 i). The
test holds the grid's own error below 1e-11 (measured 2.5e-13) by comparing with a coarser one, and the
engine within 1e-10 of it (measured 2e-13).

*Many studies*: with k = 1,000 and 20,000 the posterior of tau is all but normal, and the trapezoidal rule
with steps of a fifth of its SD over 10 SDs on both sides is exact to rounding (the rule leaves
exp(-2 pi^2 5^2), the ends exp(-50)). Sums of 20,000 terms of about 1 are rounded to about 1e-11, and a log
evidence of 1e4 likewise; the engine promises 1e-8 (measured 1e-11).
"""

import numpy as np
import pandas as pd
import pytest
from numpy.polynomial import legendre
from numpy.testing import assert_allclose
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ndtr

import bayesrtw as brw
from bayesrtw.engine import integrate

OWN_ERROR = 1e-11
GRID = 1e-10
MANY = 1e-8


def fitted(effect, se, mu, tau, **settings):
    frame = pd.DataFrame(
        {"study": [f"study {index}" for index in range(len(se))], "effect": effect, "se": se}
    )
    model = brw.Model(terms=(brw.Intercept(mu), brw.Exchangeable(tau)))
    engine = brw.Exact(draws=0, **settings)
    return brw.fit(model, brw.Evidence.from_frame(frame), engine=engine)


@pytest.mark.parametrize("step", [0.5, 0.1])
def test_eight_schools_by_the_even_trapezoid(step):
    effect = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    se = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    tree = fitted(effect, se, brw.prior.Normal(0, 20), brw.prior.HalfNormal(10))
    tau = np.arange(0, 90, step)
    share = (
        np.where(tau == 0, 0.5, 1.0)
        * step
        * np.exp(-0.5 * (tau / 10) ** 2)
        * np.sqrt(2 / np.pi)
        / 10
    )
    covariance = np.eye(8) * (se**2 + tau[:, None, None] ** 2 * np.ones(8)) + 400.0
    distance = np.einsum("i,nij,j->n", effect, np.linalg.inv(covariance), effect)
    density = share * np.exp(-0.5 * (np.linalg.slogdet(2 * np.pi * covariance)[1] + distance))
    weight = density / density.sum()
    gain = 400.0 * np.linalg.solve(covariance, np.ones((len(tau), 8, 1)))[..., 0]
    mean, variance = gain @ effect, 400.0 - 400.0 * gain.sum(axis=-1)
    assert_allclose(float(tree["quadrature"]["log_evidence"]), np.log(density.sum()), atol=1e-12)
    found = brw.summarise(tree)
    for variable, sd in (("mu", np.sqrt(variance)), ("theta_new", np.sqrt(variance + tau**2))):
        for level, column in ((0.025, "lower"), (0.5, "median"), (0.975, "upper")):
            gap = brentq(lambda x: weight @ ndtr((x - mean) / sd) - level, -200, 200, xtol=1e-12)  # noqa: B023
            assert_allclose(found.loc[variable, column], gap, rtol=0, atol=1e-10)


def grid(effect, se, mu_prior, tau_prior, *, step, nodes, reach, top):
    """Log evidence and posterior moments by brute force over (mu, tau)."""
    mu = np.arange(-reach, reach + step / 2, step)[:, None]
    x, w = legendre.leggauss(nodes)
    tau = 0.5 * top * (x + 1)
    log = mu_prior(mu) + tau_prior(tau)
    theta = []
    for y, s in zip(effect, se, strict=True):
        variance = s**2 + tau**2
        log = log - 0.5 * np.log(2 * np.pi * variance) - 0.5 * (y - mu) ** 2 / variance
        theta.append((y * tau**2 + mu * s**2) / variance)
    density = np.exp(log) * step * 0.5 * top * w
    total = density.sum()
    share = density / total

    def moments(value):
        mean = np.sum(share * value)
        return mean, np.sqrt(np.sum(share * (value - mean) ** 2))

    both = [*moments(mu), *moments(tau), *(np.sum(share * each) for each in theta)]
    return np.array([np.log(total), *both])


def normal(x, sd):
    return -0.5 * (x / sd) ** 2 - 0.5 * np.log(2 * np.pi * sd**2)


CONSTANT = {
    "flat": (brw.prior.Flat(), np.zeros_like),
    "normal": (brw.prior.Normal(0, 1), lambda x: normal(x, 1)),
}
SPREAD = {
    "half-normal": (brw.prior.HalfNormal(0.5), lambda x: normal(x, 0.5) + np.log(2), 6.0),
    "exponential": (brw.prior.Exponential(0.15), lambda x: -x / 0.15 - np.log(0.15), 6.0),
    "uniform": (brw.prior.Uniform(0.8), lambda x: np.full_like(x, -np.log(0.8)), 0.8),
}


@pytest.mark.parametrize("spread", SPREAD)
@pytest.mark.parametrize("constant", CONSTANT)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_studies_by_a_grid(count, constant, spread, monkeypatch):
    # The likelihood is smooth, so that no prior here needs many nodes, not even one that ends at a point.
    monkeypatch.setattr(integrate, "MOST_NODES", 1024)
    effect, se = [0.30, 0.05, -0.40][:count], [0.15, 0.12, 0.25][:count]
    mu_prior, log_mu = CONSTANT[constant]
    tau_prior, log_tau, top = SPREAD[spread]
    reach = 12.0 if constant == "normal" else 45.0
    settings = {"reach": reach, "top": top}
    reference = grid(effect, se, log_mu, log_tau, step=0.02, nodes=240, **settings)
    coarser = grid(effect, se, log_mu, log_tau, step=0.03, nodes=160, **settings)
    assert_allclose(coarser, reference, rtol=0, atol=OWN_ERROR)
    tree = fitted(effect, se, mu_prior, tau_prior)
    found = brw.summarise(tree)
    ours = [
        float(tree["quadrature"]["log_evidence"]),
        *found.loc["mu", ["mean", "sd"]],
        *found.loc["tau", ["mean", "sd"]],
        *found.loc[found["variable"] == "theta", "mean"],
    ]
    assert_allclose(np.array(ours, dtype=np.float64), reference, rtol=0, atol=GRID)


def simulated(count):
    rng = np.random.default_rng(count)
    se = rng.uniform(0.1, 0.5, count)
    return 0.2 + rng.normal(0, 0.2, count) + se * rng.normal(size=count), se


def dense(effect, se, mu_sd, tau_scale):
    """Log evidence and moments for many studies by the trapezoidal rule around the mode of tau."""

    def given(tau):
        weight = 1.0 / (se**2 + tau**2)
        precision = weight.sum() + mu_sd**-2.0
        mean = (weight @ effect) / precision
        quadratic = weight @ (effect - mean) ** 2 + (mean / mu_sd) ** 2
        log = 0.5 * (np.log(weight).sum() - len(se) * np.log(2 * np.pi) - quadratic)
        log += np.log(2) + normal(tau, tau_scale) - np.log(mu_sd) - 0.5 * np.log(precision)
        return log, mean, 1.0 / precision

    best = minimize_scalar(lambda tau: -given(tau)[0], bounds=(0.05, 1.0), method="bounded").x
    bend = (given(best + 1e-3)[0] + given(best - 1e-3)[0] - 2 * given(best)[0]) / 1e-6
    step = 0.2 * (-bend) ** -0.5
    tau = best + step * np.arange(-50, 51)
    assert tau[0] > 0
    log, mean, variance = (np.array(part) for part in zip(*map(given, tau), strict=True))
    weight = np.exp(log - log.max())
    total = weight.sum()
    weight /= total
    centre, middle = weight @ mean, weight @ tau
    return {
        "log_evidence": np.log(total * step) + log.max(),
        "mu": (centre, np.sqrt(weight @ (variance + (mean - centre) ** 2))),
        "tau": (middle, np.sqrt(weight @ (tau - middle) ** 2)),
    }


@pytest.mark.parametrize("count", [1000, 20_000])
def test_many_studies_by_a_dense_rule(count):
    effect, se = simulated(count)
    reference = dense(effect, se, 1.0, 0.5)
    prior = brw.prior.Normal(0, 1), brw.prior.HalfNormal(0.5)
    tree = fitted(effect, se, *prior, study_effects=False)
    assert_allclose(
        float(tree["quadrature"]["log_evidence"]), reference["log_evidence"], rtol=0, atol=MANY
    )
    found = brw.summarise(tree)
    for variable in ("mu", "tau"):
        mean, sd = reference[variable]
        assert_allclose((found.loc[variable, "mean"] - mean) / sd, 0, atol=MANY)
        assert_allclose(found.loc[variable, "sd"] / sd, 1, rtol=MANY)
