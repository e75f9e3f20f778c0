"""Effects behind counts under a prior of the spread whose tail has no end, by sums over a lattice."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

import bayesrtw as brw

EVENTS = np.array([[14, 46], [25, 33], [2, 4], [7, 11]])
PEOPLE = np.array([[34, 91], [37, 46], [18, 26], [25, 54]])
THETA = np.linspace(-3.0, 3.0, 601)


def site(events, people):
    """Likelihood of the log ratio of hazards, its baseline summed over."""
    base = np.linspace(-4.0, 2.0, 241)
    log = []
    for shift, k, n in zip((THETA, 0.0 * THETA), events, people, strict=True):
        rate = np.exp(base[:, None] + shift)
        log.append(k * np.log(-np.expm1(-rate)) - (n - k) * rate)
    log = logsumexp(log[0] + log[1] + norm.logpdf(base, 0, 10)[:, None], axis=0)
    return np.exp(log - log.max())


def test_quantiles_of_a_study_under_a_half_cauchy_prior_are_those_of_a_lattice():
    # Series of effects at spreads of 1e5 were powers of rounding: the median was -0.1197, the lower end of
    # another study -1.9 in place of -0.7.
    frame = pd.DataFrame(
        {
            "study": list("ABCD"),
            "design": ["cohort", "rct", "rct", "cohort"],
            **{f"events_{arm}": EVENTS[:, place] for place, arm in enumerate("tc")},
            **{f"n_{arm}": PEOPLE[:, place] for place, arm in enumerate("tc")},
        }
    )
    names = {name: name for name in frame.columns if name[-2:] in {"_t", "_c"}}
    evidence = brw.Evidence.from_frame(
        frame, columns=names, measure="log_hazard_ratio", benefit="higher"
    )
    model = brw.Model(
        terms=(
            brw.Intercept(brw.prior.Normal(0, 2.0)),
            brw.Exchangeable(brw.prior.HalfCauchy(0.25)),
            brw.Indicator("cohort", "design", ("cohort",), brw.prior.Normal(0, 0.5)),
            brw.terms.AdditiveBias(brw.bias.Studies(("cohort",)), 0.0, 0.2),
        ),
        likelihood=brw.likelihood.Binomial(link="cloglog"),
    )
    found = brw.summarise(brw.fit(model, evidence, engine=brw.Exact(draws=0))).loc["theta[B]"]

    sites = [site(*each) for each in zip(EVENTS, PEOPLE, strict=True)]
    mean, shift = np.linspace(-3, 3, 121), np.linspace(-2.2, 2.2, 45)
    at = np.linspace(-5.5, 5.5, 441)
    below = mean[:, None] + shift
    posterior = np.zeros(len(THETA))
    for tau in np.exp(np.linspace(np.log(0.02), np.log(30.0), 40)):
        seen = []
        for each, bias in zip(sites, (0.2, 0.0, 0.0, 0.2), strict=True):
            sd = np.hypot(tau, bias)
            seen.append(norm.pdf(THETA, at[:, None], sd) @ each)
        cohorts = np.interp(below, at, seen[0]) * np.interp(below, at, seen[3])
        weight = (cohorts * norm.pdf(shift, 0, 0.5)).sum(axis=1)
        weight *= norm.pdf(mean, 0, 2) * np.interp(mean, at, seen[2])
        weight *= tau / (1.0 + (tau / 0.25) ** 2)
        posterior += (weight @ norm.pdf(THETA, mean[:, None], tau)) * sites[1]
    upto = np.cumsum(posterior) - 0.5 * posterior
    wanted = np.interp([0.025, 0.5, 0.975], upto / posterior.sum(), THETA)
    assert found[["lower", "median", "upper"]].to_list() == pytest.approx(wanted, abs=0.004)
