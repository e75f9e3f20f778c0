"""Priors of a spread that live far beyond the nodes of a fit, for models that are not normal.

Against a lattice of pooled mean and spread that shares no code with the engine: tables given their margins,
the noncentral hypergeometric probabilities summed over what they can be, effects integrated by trapezoids.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.question.sensitivity import prior_sensitivity

prior = brw.prior

#: Events and people, treated and control.
TABLES = np.array([[3, 30, 9, 31], [8, 44, 6, 40], [12, 70, 21, 66]])
THETA = np.arange(-14.0, 14.0, 0.05)
MU = np.arange(-5.0, 5.0, 0.05)
LOG_TAU = np.linspace(np.log(1e-4), np.log(60.0), 240)
NAMES = ["events_t", "n_t", "events_c", "n_c"]


def log_likelihood(a, n1, c, n0):
    """Log probability of a table given its margins, shape (theta,)."""
    k = np.arange(max(0, a + c - n0), min(n1, a + c) + 1)
    ways = [np.log(special.comb(n, x)) for n, x in ((n1, k), (n0, a + c - k))]
    each = sum(ways) + k * THETA[:, None]
    return each[:, k == a][:, 0] - special.logsumexp(each, axis=1)


@pytest.fixture(scope="module")
def lattice():
    """Likelihood of pooled mean and spread, shape (spread, mean)."""
    likelihoods = np.exp([log_likelihood(*row) for row in TABLES])
    found = []
    for tau in np.exp(LOG_TAU):
        # A spread that is narrower than the lattice is none.
        normal = stats.norm.pdf(THETA, MU[:, None], max(tau, 0.04))
        found.append(np.prod(likelihoods @ normal.T * 0.05, axis=0))
    return np.array(found) * stats.norm.pdf(MU, 0, 1)


@pytest.fixture(scope="module")
def rows():
    frame = pd.DataFrame(TABLES, columns=NAMES).assign(study=list("ABC"))
    return brw.Evidence.from_frame(
        frame, columns={name: name for name in NAMES}, measure="log_odds_ratio"
    )


def model(tau, likelihood=None):
    terms = (brw.Intercept(prior.Normal(0, 1)), brw.Exchangeable(tau))
    return brw.Model(terms=terms, likelihood=likelihood or brw.likelihood.Hypergeometric())


PANEL = {
    "half-normal": (prior.HalfNormal(1.0), stats.halfnorm.pdf),
    "half-Cauchy": (prior.HalfCauchy(0.7), lambda x: stats.halfcauchy.pdf(x, scale=0.7)),
    "inverse gamma": (prior.InverseGamma(2, 0.8), lambda x: stats.invgamma.pdf(x, 2, scale=0.8)),
    "log-normal": (prior.LogNormal(0.0, 0.4), lambda x: stats.lognorm.pdf(x, 0.4)),
}


def test_a_panel_reaches_beyond_the_nodes_of_the_fit(lattice, rows):
    """The fit's own prior ends near 0.4; the least spread of the lattice matters by 1e-4 at most."""
    panel = {name: own for name, (own, _) in PANEL.items()}
    told = prior_sensitivity(model(prior.HalfNormal(0.05)), rows, panel)
    for name, (_, density) in PANEL.items():
        joint = lattice * (density(np.exp(LOG_TAU)) * np.exp(LOG_TAU))[:, None]
        weight, tau = joint.sum(axis=0), joint.sum(axis=1)
        weight, tau = weight / weight.sum(), tau / tau.sum()
        mean = weight @ MU
        sd = np.sqrt(weight @ (MU - mean) ** 2)
        wanted = [mean, sd, tau @ np.exp(LOG_TAU)]
        found = told.loc[name, ["mean", "sd", "tau"]].to_numpy(dtype=float)
        assert_allclose(found, wanted, atol=2e-3, err_msg=name)


@pytest.mark.parametrize(
    "likelihood", [brw.likelihood.Hypergeometric(), brw.likelihood.Binomial()], ids=repr
)
def test_neighbours_are_fits_of_their_own(likelihood, rows):
    whole = solve(model(prior.HalfNormal(0.05), likelihood), rows)
    for name, (own, _) in PANEL.items():
        [near] = whole.under([{"tau": own}])
        apart = solve(model(own, likelihood), rows).posterior
        levels = np.array([0.025, 0.5, 0.975])
        for one, other in (
            (near.posterior.pooled, apart.pooled),
            (near.posterior.new, apart.new),
        ):
            assert_allclose(one.quantile(levels), other.quantile(levels), atol=2e-5, err_msg=name)
        assert near.posterior.log_evidence == pytest.approx(apart.log_evidence, abs=1e-5)


def test_priors_of_coefficients_stay_where_another_follows(rows):
    """A wide prior of the spread after one of the mean, and of the mean after one of a moderator."""
    frame = pd.DataFrame(TABLES, columns=NAMES).assign(study=list("ABC"), x=[0.0, 1.0, 3.0])
    columns = {name: name for name in NAMES}
    own = brw.Evidence.from_frame(frame, columns=columns, measure="log_odds_ratio")

    def made(mean, slope, tau):
        terms = (brw.Intercept(mean), brw.Linear("x", slope), brw.Exchangeable(tau))
        return brw.Model(terms=terms, likelihood=brw.likelihood.Hypergeometric())

    start = made(prior.Normal(0, 1), prior.Normal(0, 0.5), prior.HalfNormal(0.3))
    mean, slope, tau = prior.Normal(0.3, 0.2), prior.Normal(0.4, 0.1), prior.HalfNormal(1.0)
    near = solve(start, own)
    for change in ({"x": slope}, {"mu": mean}, {"tau": tau}):
        [near] = near.under([change])
    apart = solve(made(mean, slope, tau), own).posterior
    assert_allclose(near.posterior.pooled.moments(), apart.pooled.moments(), atol=2e-5)
    assert near.posterior.log_evidence == pytest.approx(apart.log_evidence, abs=2e-5)
