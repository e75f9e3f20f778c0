"""What no engine can answer is refused with its cause, and what only looks hopeless is answered.

The limit of a standard error of 0 is held against the multivariate normal density on an even grid of
tau: its integrand is smooth and even in tau, so the trapezoidal rule converges spectrally.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal

import bayesrtw as brw
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.model.reference_prior import FlatNonNegative

prior = brw.prior
EFFECT = np.array([0.1, 0.2, 0.35, 0.4])


def rows(se, **columns):
    count = len(se)
    frame = {"study": [f"S{place}" for place in range(count)], "effect": EFFECT[:count], "se": se}
    return brw.Evidence.from_frame(pd.DataFrame({**frame, **columns}))


def summary(mu, tau, evidence, *slopes):
    model = brw.Model(terms=(brw.Intercept(mu), *slopes, brw.Exchangeable(tau)))
    return brw.summarise(brw.fit(model, evidence, engine=brw.Exact(draws=0)))


@pytest.mark.parametrize(("mu", "count"), [(prior.Flat(), 2), (prior.Normal(0, 1), 1)])
def test_a_flat_tau_that_the_data_do_not_bound_is_refused(mu, count):
    with pytest.raises(EngineRefusal, match=r"improper prior 'flat_nonnegative'.*proper prior for"):
        summary(mu, FlatNonNegative(), rows([0.1] * count))


def test_moments_that_do_not_exist_are_empty_and_quantiles_are_not():
    # One more estimate than the least: the tail of tau falls as tau^-2, and it has no mean.
    found = summary(prior.Flat(), FlatNonNegative(), rows([0.1, 0.1, 0.2]))
    assert found.loc[["mu", "tau"], ["mean", "sd"]].isna().all(axis=None)
    assert found.loc[["mu", "tau"], ["median", "lower", "upper"]].notna().all(axis=None)


@pytest.mark.parametrize("nudge", [0.0, 1e-9])
def test_moderators_that_say_the_same_are_refused_under_flat_priors(nudge):
    first = np.array([1.0, 2.0, 3.0, 5.0])
    second = 2.0 * first + nudge * np.array([0.0, 0.0, 0.0, 1.0])
    evidence = rows([0.1] * 4, a=first, b=second)
    flat = [brw.Linear(column, prior.Flat()) for column in ("a", "b")]
    with pytest.raises(EngineRefusal, match=r"cannot be told apart.*Give them normal priors"):
        summary(prior.Flat(), prior.HalfNormal(0.3), evidence, *flat)
    proper = [brw.Linear(column, prior.Normal(0, 1)) for column in ("a", "b")]
    found = summary(prior.Flat(), prior.HalfNormal(0.3), evidence, *proper)
    assert np.all(np.isfinite(found.loc[["mu", "beta[a]", "beta[b]"], "sd"]))


def test_a_standard_error_near_zero_has_its_limit():
    se = np.array([0.0, 0.1, 0.1, 0.2])
    tau = np.arange(1, 2001) * 1e-3
    log, mean = [], []
    for value in tau:
        covariance = np.diag(se**2 + value**2) + 1.0
        log.append(multivariate_normal(np.zeros(4), covariance).logpdf(EFFECT))
        mean.append(np.ones(4) @ np.linalg.solve(covariance, EFFECT))
    weight = np.exp(np.array(log) - 0.5 * (tau / 0.3) ** 2)
    # The value at 0, where the first study is the pooled mean, counts half.
    at_zero = multivariate_normal(np.full(3, 0.1), np.diag(se[1:] ** 2)).pdf(EFFECT[1:])
    at_zero *= multivariate_normal(0.0, 1.0).pdf(0.1)
    total = 0.5 * at_zero + weight.sum()
    wanted_mean = (0.5 * at_zero * 0.1 + weight @ mean) / total
    found = summary(prior.Normal(0, 1), prior.HalfNormal(0.3), rows([1e-9, 0.1, 0.1, 0.2]))
    assert_allclose(found.loc["mu", "mean"], wanted_mean, rtol=1e-7)
    # tau times an even function has a corner at 0: Euler and Maclaurin's correction.
    wanted_tau = (weight @ tau + at_zero * 1e-3 / 12) / total
    assert_allclose(found.loc["tau", "mean"], wanted_tau, rtol=1e-7)


def test_a_standard_error_of_zero_is_no_estimate():
    with pytest.raises(EvidenceError, match=r"se must be positive and finite; found 0\.0"):
        rows([0.0, 0.1, 0.1, 0.2])


NAN = float("nan")


@pytest.mark.parametrize(
    "made",
    [
        lambda: prior.Normal(NAN, 1.0),
        lambda: prior.Normal(float("inf"), 1.0),
        lambda: prior.LogNormal(NAN, 0.5),
        lambda: prior.LogStudentT(3.0, NAN, 1.0),
        lambda: prior.StudentT(3.0, NAN, 1.0),
        lambda: prior.NormalMixture((0.5, 0.5), (NAN, 0.0), (1.0, 1.0)),
        lambda: brw.likelihood.UnknownErrors(mean=NAN, sd=0.1),
        lambda: brw.terms.Multivariate(("a", "b"), prior.HalfNormal(0.5), known=(NAN,)),
        lambda: brw.terms.Multivariate(
            ("a", "b"), prior.HalfNormal(0.5), rho=prior.Beta(1.0, 1.0), times=(NAN, 1.0)
        ),
    ],
)
def test_what_is_no_number_is_refused(made):
    """A centre that is no number, or correlations, passed; everything after them was no number."""
    with pytest.raises(SpecError, match=r"finite|correlations of no outcomes"):
        made()
