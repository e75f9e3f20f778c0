"""Many tables at once: each density as its own unit gives it and as sums do, and their time."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import betaln, expit, gammaln

import bayesrtw as brw
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.voi_counts import counts_trials, tables
from bayesrtw.engine import solve
from bayesrtw.question.next_trial import setting_of

NAMES = ("events_t", "n_t", "events_c", "n_c")
EFFECTS = np.linspace(-4.5, 4.7, 33)
LAWS = [
    (brw.likelihood.Binomial(), "log_odds_ratio"),
    (brw.likelihood.Binomial(baseline=brw.prior.Beta(2, 3)), "log_odds_ratio"),
    (brw.likelihood.Binomial(link="log"), "log_risk_ratio"),
    (brw.likelihood.Binomial(link="cloglog"), "log_hazard_ratio"),
    (brw.likelihood.BetaBinomial(icc=0.02), "log_odds_ratio"),
    (brw.likelihood.BetaBinomial(icc=0.05, link="cloglog"), "log_hazard_ratio"),
]


def rows(first, second, group, measure):
    frame = pd.DataFrame({"events_t": first, "events_c": second}).assign(n_t=group, n_c=group)
    frame["study"] = [str(place) for place in range(len(frame))]
    return brw.Evidence.from_frame(
        frame, columns={name: name for name in NAMES}, measure=measure, benefit="higher"
    )


@pytest.mark.parametrize(("likelihood", "measure"), LAWS)
@pytest.mark.parametrize("group", [20, 500])
def test_many_tables_have_the_densities_of_each_by_itself(likelihood, measure, group):
    """Few events, nearly all events, far effects: 1e-6 of a log, where panels are right to 1e-9."""
    rng = np.random.default_rng(group)
    second = rng.integers(0, group + 1, 40)
    first = np.clip(second + rng.normal(0, 0.15 * group, 40).round(), 0, group)
    sites = likelihood.observe(rows(first, second, group, measure))
    alone = np.stack([unit.log(EFFECTS) for unit in sites.units])
    assert sites.log_at(EFFECTS) == pytest.approx(alone, abs=1e-6)


def beta_binomial(events, size, chance):
    scale = 0.98 / 0.02
    ways = gammaln(size + 1) - gammaln(events + 1) - gammaln(size - events + 1)
    own = betaln(events + chance * scale, size - events + (1 - chance) * scale)
    return ways + own - betaln(chance * scale, (1 - chance) * scale)


@pytest.mark.parametrize(
    ("likelihood", "law"),
    [
        (LAWS[0][0], stats.binom.logpmf),
        (LAWS[4][0], beta_binomial),
    ],
)
def test_a_density_is_the_sum_over_a_fine_grid_of_baselines(likelihood, law):
    """278 and 237 of 500 at an odds ratio of 30: the baseline of beta-binomial counts has two modes there."""
    sites = likelihood.observe(rows([278.0, 3.0], [237.0, 9.0], 500, "log_odds_ratio"))
    a = np.linspace(-30, 30, 150_001)
    prior = stats.norm.logpdf(a, 0, 10)
    effects = np.array([-3.4, -0.5, 0.0, 0.7, 3.4])
    found = sites.log_at(effects)
    for row, (r, c) in enumerate([(278, 237), (3, 9)]):
        for place, each in enumerate(effects):
            first, second = (
                law(e, 500, np.clip(expit(a + s * each / 2), 1e-300, 1 - 1e-16))
                for e, s in ((r, 1), (c, -1))
            )
            whole = np.exp(first + second + prior).sum() * (a[1] - a[0])
            assert found[row, place] == pytest.approx(np.log(whole), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("likelihood", "measure"), [LAWS[2], LAWS[5]])
def test_trials_with_groups_of_a_thousand_take_less_than_twenty_seconds(likelihood, measure):
    seen = rows([29, 37, 45, 58, 40], [25, 26, 34, 44, 30], 90, measure)
    spread = brw.Exchangeable(brw.prior.HalfNormal(0.25))
    model = brw.Model(
        terms=(brw.Intercept(brw.prior.Normal(0, 0.5)), spread), likelihood=likelihood
    )
    setting = setting_of(solve(model, seen).posterior)
    risk = StatedBaseline(risk=0.5, interval=(0.4, 0.6), source="a test").points()
    began = time.process_time()
    weight = tables(model, seen, setting, 2_000.0, risk).weigh(setting)
    assert time.process_time() - began < 20.0
    assert weight.sum(axis=1) == pytest.approx(1.0)


def test_counts_whose_correlation_is_unknown_are_foreseen_as_estimates():
    known = brw.likelihood.BetaBinomial(icc=0.02)
    open_ = brw.likelihood.BetaBinomial(icc_prior=brw.prior.Beta(1, 20))
    terms = (brw.Intercept(brw.prior.Normal(0, 1)), brw.Common())
    told = [counts_trials(brw.Model(terms=terms, likelihood=each)) for each in (known, open_)]
    assert told == [True, False]
