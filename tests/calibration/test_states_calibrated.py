"""Calibration of sums over states: truths from priors, levels that rows hide, and one shape of many curves.

Ranks of truths are uniform where posteriors are right. `docs/calibration.md` keeps the figures that were
found; fewer replicates are run unasked.
"""

import math

import numpy as np
import pandas as pd
import pytest
import returns_coverage
from scipy import stats

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.model.levels import MissingLevels
from bayesrtw.model.return_to_work import ReturnToWork

NORMAL = brw.prior.Normal
LEVELS = ["a", "a", "a", "b", "b", "b", "?", "?"]


def levels_hidden(rng):
    """One replicate: eight studies of counts at a day, two of which do not say their level."""
    mu, beta = rng.normal(0.0, 0.5), rng.normal(0.0, 0.4) / math.sqrt(2.0)
    tau = abs(rng.normal(0.0, 0.25))
    share = rng.beta(1.0 + 3.0, 1.0 + 3.0)
    sign = [
        {"a": 1.0, "b": -1.0}.get(name) or rng.choice([1.0, -1.0], p=[share, 1 - share])
        for name in LEVELS
    ]
    rows = []
    for place, own in enumerate(sign):
        theta, level = rng.normal(mu + own * beta, tau), rng.normal(math.log(math.log(2.0)), 0.5)
        back = 1.0 - np.exp(-np.exp(level + np.array([0.0, theta])))
        counts = rng.binomial(40, back)
        row = {"study": f"s{place}", "kind": LEVELS[place], "n_t": 40, "n_c": 40, "at": 120.0}
        rows.append(row | {"events_c": counts[0], "events_t": counts[1]})
    term = brw.Categorical("kind", NORMAL(0.0, 0.4), missing=MissingLevels(("?",)))
    spread = brw.Exchangeable(brw.prior.HalfNormal(0.25))
    # A known shape makes the level at the day of the median, whose prior is that of the truths.
    likelihood = ReturnToWork(median=NORMAL(math.log(120.0), 0.5), between=0.0, known=0.0)
    model = brw.Model(terms=(brw.Intercept(NORMAL(0.0, 0.5)), term, spread), likelihood=likelihood)
    fit = solve(model, brw.Evidence.from_returns(pd.DataFrame(rows)))
    effects, silent = fit.posterior.effects, fit.levels[6:, 0]
    hidden = np.array(sign[6:]) > 0
    return (
        [
            float(effects["mu"].below(mu)),
            float(effects["beta[kind[a]]"].below(beta)),
            float(fit.posterior.hyper["tau"].cdf(np.array([tau]))[0]),
        ],
        float(np.sum(hidden - silent)),
        float(np.sum(silent * (1.0 - silent))),
    )


def one_shape(rng):
    """One replicate: three studies of curves with one shape, told by counts at one or two days."""
    mu, common = rng.normal(0.0, 0.5), rng.normal(math.log(0.8), 0.25)
    rows = []
    for place in range(3):
        median, shape = (
            math.exp(rng.normal(math.log(120.0), 1.0)),
            math.exp(rng.normal(common, 0.1)),
        )
        days = returns_coverage.times(mu, median, shape, 100, rng)
        row = {"study": f"s{place}", "n_c": 100, "n_t": 100}
        for end, day in (("", 60.0), ("_2", 365.0))[: 1 + (place < 2)]:
            back = (days <= day).sum(axis=1)
            row |= {f"at{end}": day, f"events_c{end}": back[0], f"events_t{end}": back[1]}
        rows.append(row)
    model = brw.Model(
        terms=(brw.Intercept(NORMAL(0.0, 0.5)), brw.terms.Common()),
        likelihood=ReturnToWork(between=0.1),
    )
    found = solve(model, brw.Evidence.from_returns(pd.DataFrame(rows))).posterior
    shape = found.hyper["log_shape"].cdf(np.array([common]))[0]
    return [float(found.effects["mu"].below(mu)), float(shape)]


def uniform(ranks, least=1e-3):
    for column in np.array(ranks).T:
        assert stats.kstest(column, "uniform").pvalue > least


@pytest.mark.slow
def test_truths_lie_anywhere_where_levels_are_hidden() -> None:
    found = [levels_hidden(np.random.default_rng([7, place])) for place in range(100)]
    uniform([ranks for ranks, _, _ in found])
    off, variance = (sum(each[place] for each in found) for place in (1, 2))
    assert abs(off) < 3.3 * math.sqrt(variance)


@pytest.mark.slow
def test_truths_lie_anywhere_where_curves_have_one_shape() -> None:
    uniform([one_shape(np.random.default_rng([8, place])) for place in range(20)])
