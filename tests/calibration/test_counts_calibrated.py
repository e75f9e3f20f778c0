"""Calibration of likelihoods of counts: truths drawn from priors, counts from truths, exact posteriors.

Small designs with empty cells: three studies, a pooled mean, one heterogeneity. `docs/calibration.md`
keeps the figures that were found; fewer replicates are run unasked.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.model.beta_binomial import BetaBinomial
from bayesrtw.model.binomial import Binomial
from bayesrtw.model.hypergeometric import Hypergeometric
from bayesrtw.model.single import BinomialSingle, Poisson, PoissonSingle

prior = brw.prior
STUDIES = list("ABC")
TWO = pd.DataFrame(
    {
        "study": STUDIES,
        "events_t": [2, 0, 5],
        "n_t": [30, 25, 60],
        "events_c": [1, 3, 6],
        "n_c": [31, 24, 58],
    }
)
TIMES = TWO.rename(columns={"n_t": "person_time_t", "n_c": "person_time_c"})
ONE = TWO[["study", "events_t", "n_t"]].set_axis(["study", "events", "n"], axis=1)
TIME = ONE.rename(columns={"n": "person_time"})

#: Kind to likelihood, rows, measure, and the prior of the mean.
CASES = {
    "hypergeometric": (Hypergeometric(), TWO, "log_odds_ratio", prior.Normal(0, 1)),
    "binomial, logit": (
        Binomial(baseline=prior.Normal(-2, 1)),
        TWO,
        "log_odds_ratio",
        prior.Normal(0, 1),
    ),
    "binomial, log": (
        Binomial(link="log", baseline=prior.Normal(-2.5, 0.7)),
        TWO,
        "log_risk_ratio",
        prior.Normal(0, 0.5),
    ),
    "binomial, cloglog": (
        Binomial(link="cloglog", baseline=prior.Normal(-2, 1)),
        TWO,
        "log_hazard_ratio",
        prior.Normal(0, 1),
    ),
    "beta_binomial": (
        BetaBinomial(icc=0.05, baseline=prior.Normal(-2, 1)),
        TWO,
        "log_odds_ratio",
        prior.Normal(0, 1),
    ),
    "poisson": (Poisson(), TIMES, "log_rate_ratio", prior.Normal(0, 1)),
    "binomial_single": (BinomialSingle(), ONE, "logit_proportion", prior.Normal(-2, 1)),
    "binomial_single, cloglog": (
        BinomialSingle(link="cloglog"),
        ONE,
        "log_cumulative_hazard",
        prior.Normal(-2, 1),
    ),
    "poisson_single": (PoissonSingle(), TIME, "log_rate", prior.Normal(-2, 1)),
}


def calibrated(kind, replicates, engine=None, seed=20261129):
    likelihood, frame, measure, mean = CASES[kind]
    columns = {name: name for name in frame.columns if name != "study"}
    rows = brw.Evidence.from_frame(frame, columns=columns, measure=measure)
    terms = (brw.Intercept(mean), brw.Exchangeable(prior.HalfNormal(0.5)))
    model = brw.Model(terms=terms, likelihood=likelihood)
    return brw.calibrate(model, rows, engine=engine, replicates=replicates, seed=seed, name=kind)


def test_a_few_replicates_are_uniform():
    found = calibrated("hypergeometric", 20)
    assert not found.failed
    assert brw.judge([found])["inside"].all()


def test_a_likelihood_that_is_not_that_of_the_counts_is_noticed():
    """Ranks of the pooled mean under twice the people, of data with these: far from uniform."""
    likelihood, frame, measure, _ = CASES["binomial_single"]
    columns = {name: name for name in frame.columns if name != "study"}
    rows = brw.Evidence.from_frame(frame, columns=columns, measure=measure)
    terms = (brw.Intercept(prior.Normal(-2, 1)), brw.Exchangeable(prior.HalfNormal(0.5)))
    model = brw.Model(terms=terms, likelihood=likelihood)
    drawn = brw.simulate(model, rows, 40, seed=1)
    below = []
    for replicate in range(40):
        seen = drawn.rows(model, rows, replicate)
        wrong = seen.data.assign(n=("estimate", 2.0 * seen.data["n"].to_numpy()))
        tree = brw.fit(
            model, replace(seen, data=wrong), engine=brw.Exact(draws=0, study_effects=False)
        )
        row = brw.summarise(tree).loc["mu"]
        below.append(row["upper"] < drawn.truth["mu"][replicate])
    assert np.mean(below) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES)
def test_every_likelihood_of_counts_is_calibrated(kind):
    found = calibrated(kind, 2_000)
    table = brw.judge([found], tests=6 * len(CASES))
    assert not found.failed
    assert table["inside"].all(), table


def rare(a, c):
    """Twenty trials of 60 people a group."""
    frame = pd.DataFrame({"study": [f"S{i}" for i in range(len(a))], "events_t": a, "events_c": c})
    frame = frame.assign(n_t=60, n_c=60)
    columns = {name: name for name in frame.columns if name != "study"}
    return brw.Evidence.from_frame(frame, columns=columns, measure="log_odds_ratio")


def pooled(evidence, mean):
    terms = (brw.Intercept(mean), brw.Exchangeable(prior.HalfNormal(0.25)))
    model = brw.Model(terms=terms, likelihood=Hypergeometric())
    tree = brw.fit(model, evidence, engine=brw.Exact(draws=0, study_effects=False), seed=1)
    return brw.summarise(tree).loc["mu", ["mean", "lower", "upper"]].astype(float).tolist()


@pytest.mark.slow
def test_rare_events_are_not_pulled_towards_no_effect():
    """2 % of controls have the event, log odds ratio -1: with 0.5 in empty cells the mean is -0.6."""
    rng, found = np.random.default_rng(20261129), []
    odds = 0.02 / 0.98 * np.exp(-1.0)
    for _ in range(400):
        a, c = rng.binomial(60, odds / (1.0 + odds), 20), rng.binomial(60, 0.02, 20)
        found.append(pooled(rare(a, c), prior.Normal(0, 10)))
    mean = np.array(found)[:, 0]
    error = mean.std() / len(mean) ** 0.5
    assert abs(mean.mean() + 1.0) < 0.05 + 2.0 * error


@pytest.mark.slow
def test_rare_events_are_right_on_average_where_truths_come_from_the_priors():
    """Intervals hold truths as often as they say, and means miss them by less than 0.05 on average.

    The middle of both groups is at 2 %: with 2 % of controls the number of events would tell the effect,
    which tables given their margins do not hear (`tests/bench/rare_truths.py`).
    """
    rng = np.random.default_rng(20261130)
    mean = prior.Normal(0, 1)
    inside, missed = [], []
    for _ in range(400):
        mu, tau = rng.normal(), abs(rng.normal(0.0, 0.25))
        theta = mu + tau * rng.standard_normal(20)
        odds = [0.02 / 0.98 * np.exp(side * theta) for side in (0.5, -0.5)]
        a, c = (rng.binomial(60, each / (1.0 + each)) for each in odds)
        if (a + c).any():
            found, low, high = pooled(rare(a, c), mean)
            inside.append(low < mu < high)
            missed.append(found - mu)
    assert abs(np.mean(missed)) < 0.05 + 2.0 * np.std(missed) / len(missed) ** 0.5
    assert abs(np.mean(inside) - 0.95) < 3.0 * (0.95 * 0.05 / len(inside)) ** 0.5
