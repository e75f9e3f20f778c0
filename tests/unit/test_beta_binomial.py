"""Counts that scatter more than binomial ones, against scipy's beta-binomial law on a grid of baselines.

The grid of `test_binomial` with `scipy.stats.betabinom` in the place of its binomial law.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.interpolate import CubicSpline
from scipy.special import betaln, gammaln, logsumexp

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.errors import BayesrtwError, EngineRefusal, Faults, SpecError
from bayesrtw.model.arms import LINKS, beta_binomial
from bayesrtw.model.beta_binomial import BetaBinomial
from bayesrtw.model.binomial import MEASURES, Binomial
from bayesrtw.registry import decode, kinds

prior = brw.prior
NAMES = ["events_t", "n_t", "events_c", "n_c"]
#: An empty arm, no event at all, and one with events in both.
TABLES = np.array([[3.0, 30, 1, 31], [0, 25, 4, 24], [0, 20, 0, 22], [15, 40, 22, 38]])
ICC, VAGUE = 0.1, prior.Normal(-1.0, 2.0)
CHANCE = {
    "logit": lambda eta: 1.0 / (1.0 + np.exp(-eta)),
    "log": lambda eta: np.where(eta < 0, np.exp(np.minimum(eta, 0.0)), np.nan),
    "cloglog": lambda eta: -np.expm1(-np.exp(eta)),
}


def rows(measure="log_odds_ratio", tables=TABLES):
    frame = pd.DataFrame(np.asarray(tables), columns=NAMES)
    frame = frame.assign(study=[f"S{i}" for i in range(len(frame))])
    return brw.Evidence.from_frame(frame, columns={name: name for name in NAMES}, measure=measure)


def model(likelihood):
    terms = (brw.Intercept(prior.Normal(0, 1)), brw.Exchangeable(prior.HalfNormal(0.5)))
    return brw.Model(terms=terms, likelihood=likelihood)


def made(**settings):
    return BetaBinomial(**{"icc": ICC, "baseline": VAGUE, **settings})


@pytest.mark.parametrize("link", sorted(LINKS))
def test_the_law_is_that_of_scipy(link):
    eta, scale = np.linspace(-9.0, 1.2, 40) - 2.0 * (link == "log"), (1 - ICC) / ICC
    p = CHANCE[link](eta)
    for r, n in ((0, 12), (1, 30), (7, 7), (3, 90)):
        want = stats.betabinom.logpmf(r, n, p * scale, (1 - p) * scale)
        assert_allclose(beta_binomial(link, scale, float(r), float(n), eta), want, rtol=1e-9)


@pytest.mark.parametrize("table", [(1.0, 4, 60, 400), (3.0, 3, 1, 4)])
def test_baselines_that_live_in_two_places_are_summed_over(table):
    """Far from its maximum the likelihood was off by 1e-4, so that tables like these were refused."""
    theta, a = np.array([-12.0, -4.0, 0.0, 4.0, 8.0, 12.0, 14.0]), np.linspace(-75.0, 75.0, 15001)
    scale = (1 - ICC) / ICC
    half = 0.5 * theta[:, None]
    log = stats.norm.logpdf(a, 0.0, 10.0) + np.log(a[1] - a[0])
    for (events, size), side in ((table[:2], 1.0), (table[2:], -1.0)):
        eta = a + side * half
        one, other = (scale / (1.0 + np.exp(-turn * eta)) for turn in (1.0, -1.0))
        log = log + gammaln(size + 1.0) - gammaln(events + 1.0) - gammaln(size - events + 1.0)
        log = log + betaln(events + one, size - events + other) - betaln(one, other)
    sites = BetaBinomial(icc=ICC).observe(rows(tables=[table]))
    assert_allclose(sites.log_at(theta)[0], logsumexp(log, axis=1), atol=1e-9)
    assert solve(model(BetaBinomial(icc=ICC)), rows(tables=[table])).posterior.error < 1e-6


def grid(link):
    """Mean and SD of the pooled effect and log evidence, by sums over everything."""
    theta, a = np.linspace(-12.0, 12.0, 241), np.linspace(-19.0, 17.0, 401)
    sites, scale = [], (1 - ICC) / ICC
    for r1, n1, r0, n0 in TABLES:
        log = stats.norm.logpdf(a, -1.0, 2.0) + np.zeros((len(theta), 1))
        for r, n, side in ((r1, n1, 0.5), (r0, n0, -0.5)):
            p = np.clip(CHANCE[link](a + side * theta[:, None]), 1e-14, 1 - 1e-14)
            log = log + stats.betabinom.logpmf(r, n, p * scale, (1 - p) * scale)
        sites.append(CubicSpline(theta, np.log(np.exp(log).sum(1) * (a[1] - a[0]))))
    x, w = np.polynomial.legendre.leggauss(24)
    tau, w = 1.5 * (x + 1.0), 1.5 * w
    mu = np.linspace(-5.0, 5.0, 161)
    z = np.linspace(-6.5, 6.5, 61)
    wz = stats.norm.pdf(z) * (z[1] - z[0])
    log = np.log(w * stats.halfnorm.pdf(tau, scale=0.5))[:, None] + stats.norm.logpdf(mu)
    for place, sd in enumerate(tau):
        at = np.clip(mu[:, None] + sd * z, -12.0, 12.0)
        log[place] += sum(np.log(np.exp(site(at)) @ wz) for site in sites)
    weight = np.exp(log)
    total = weight.sum() * (mu[1] - mu[0])
    own = weight.sum(0) / weight.sum()
    mean = own @ mu
    return mean, np.sqrt(own @ (mu - mean) ** 2), np.log(total)


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_pools_agree_with_a_grid(link):
    """To what a clip of probabilities at 1e-14 and a grid that ends at 12 leave."""
    mean, sd, log = grid(link)
    found = solve(model(made(link=link)), rows(MEASURES[link][0])).posterior
    assert_allclose(found.effects["mu"].centre, mean, atol=2e-5)
    assert_allclose(found.effects["mu"].spread, sd, rtol=2e-5)
    assert_allclose(found.log_evidence, log, atol=2e-5)


def test_without_correlation_it_is_the_binomial():
    own, other = (
        solve(model(likelihood), rows()).posterior
        for likelihood in (made(icc=1e-7), Binomial(baseline=VAGUE))
    )
    assert_allclose(own.effects["mu"].centre, other.effects["mu"].centre, atol=1e-5)
    assert_allclose(own.log_evidence, other.log_evidence, atol=1e-4)


def test_correlated_outcomes_say_less():
    spread = [
        solve(model(made(icc=icc)), rows()).posterior.effects["mu"].spread for icc in (0.01, 0.3)
    ]
    assert spread[1] > 1.05 * spread[0]


def test_verbs_answer_for_the_fitted_likelihood():
    """Neighbours of the fit are fits of their own rows, priors and powers."""
    own, few = model(made()), rows(tables=TABLES[[0, 3]])
    whole = solve(own, few)
    [left] = whole.without([np.array([False, True])])
    alone = solve(own, rows(tables=TABLES[:1])).posterior
    assert_allclose(left.posterior.pooled.centre, alone.pooled.centre, atol=1e-5)
    assert_allclose(left.posterior.log_evidence, alone.log_evidence, atol=1e-5)
    [told] = left.expected(np.array([False, True]))
    assert_allclose(np.sum(told.weight), 1.0)
    drawn = brw.simulate(own, few, 50, seed=3)
    assert np.all(drawn.events <= TABLES[[0, 3]][:, [1, 3]].T[:, None, :])


def test_draws_scatter_as_the_correlation_says():
    own = BetaBinomial(icc=0.2, baseline=prior.Normal(0.0, 1e-6))
    events = own.draw(rows(), np.zeros((40_000, 4)), np.random.default_rng(1))
    n = TABLES[:, [1, 3]].T
    want = n * 0.25 * (1 + (n - 1) * 0.2)
    assert_allclose(events.var(axis=1), want, rtol=0.05)


def test_an_unknown_correlation_is_for_nuts_and_said_so():
    own = model(BetaBinomial(icc_prior=prior.Beta(1.5, 50.0)))
    assert sorted(own.hyper) == ["icc", "tau"]
    assert "'beta_binomial' is known to NUTS only" in brw.Exact().refuses(own, rows())
    with pytest.raises(EngineRefusal, match="NUTS only"):
        solve(own, rows())
    with pytest.raises(BayesrtwError, match="icc"):
        own.likelihood.draw(rows(), np.zeros((1, 4)), np.random.default_rng(1))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "give either icc or icc_prior"),
        ({"icc": 0.1, "icc_prior": prior.Beta(1.0, 1.0)}, "give either icc or icc_prior"),
        ({"icc": 0.0}, "Without a correlation"),
        ({"icc_prior": prior.HalfNormal(1.0)}, "needs a beta prior"),
        ({"icc": 0.1, "link": "log", "baseline": prior.Beta(1.0, 1.0)}, "goes with the logit link"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, said):
    with pytest.raises(SpecError, match=said):
        BetaBinomial(**settings)


def test_it_is_read_from_a_file():
    brw.Analysis  # noqa: B018 - registers every kind
    kind = kinds("likelihood")["beta_binomial"]
    read = decode(kind, {"icc": 0.05, "link": "cloglog"}, where="x", faults=Faults(SpecError))
    assert read == BetaBinomial(icc=0.05, link="cloglog")
