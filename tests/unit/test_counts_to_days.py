"""A next trial of counts, from odds ratios to days, against a Monte Carlo of its own."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, logit

import bayesrtw as brw
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.cost_stakes import Amount, Option, Stakes
from bayesrtw.decision.voi import EFFECTS, next_trial, value_of_knowing

FRAME = pd.DataFrame(
    {
        "study": list("abcd"),
        "events_t": [40, 22, 33, 51],
        "n_t": [70, 40, 60, 85],
        "events_c": [33, 19, 30, 40],
        "n_c": [70, 41, 58, 84],
    }
)
MU, TAU, DAY, SHAPE, TRIALS = 0.5, 0.25, 120.0, 0.8, 1_500
THETA, MEAN, SPREAD = (
    np.linspace(-2.2, 2.6, 481),
    np.linspace(-1.4, 1.8, 321),
    np.arange(0.01, 1.2, 0.02),
)
BASE = np.linspace(-6, 6, 601)


def likelihood(first, n1, second, n0):
    """Give the likelihood of odds ratios, the baseline summed over a grid under its N(0, 10^2) prior."""
    one, two = BASE + THETA[:, None] / 2, BASE - THETA[:, None] / 2
    log = first * one - n1 * np.logaddexp(0, one) + second * two - n0 * np.logaddexp(0, two)
    log += stats.norm.logpdf(BASE, 0, 10)
    return np.exp(log - log.max()).sum(axis=1)


def away(hazard):
    """Give days away within a year, of cumulative hazards at the day."""
    u = (np.arange(400) + 0.5) / 400
    grid = np.geomspace(1e-5, 1e4, 3_000)
    days = np.exp(-grid[:, None] * (365 * u**3 / DAY) ** SHAPE) @ (365 * 3 * u**2 / 400)
    return np.interp(hazard, grid, days)


@pytest.mark.slow
def test_what_a_trial_of_counts_is_worth():
    """1,500 trials of 400 people: within 3 of their standard errors; the effect known, within 0.3 %."""
    rng = np.random.default_rng(77)
    kernel = np.exp(-0.5 * ((THETA - MEAN[:, None, None]) / SPREAD[:, None]) ** 2) / SPREAD[:, None]
    log = -0.5 * (MEAN[:, None] / MU) ** 2 - 0.5 * (SPREAD / TAU) ** 2
    for row in FRAME.itertuples():
        log = log + np.log(kernel @ likelihood(row.events_t, row.n_t, row.events_c, row.n_c))
    share = np.exp(log - log.max())
    share /= share.sum()
    # A logit that is normal, its 95 % interval from 0.35 to 0.65.
    risk = expit(logit(0.65) / stats.norm.ppf(0.975) * stats.norm.ppf((np.arange(400) + 0.5) / 400))

    def regained(effect):
        return float(
            (away(-np.log1p(-risk)) - away(-np.log1p(-expit(logit(risk) + effect)))).mean()
        )

    days = np.array([regained(each) for each in MEAN])
    cost = 150 * float(share.sum(axis=1) @ days)
    net = 150 * days - cost
    columns = {name: name for name in FRAME.columns[1:]}
    rows = brw.Evidence.from_frame(
        FRAME, columns=columns, measure="log_odds_ratio", benefit="higher"
    )
    terms = brw.Intercept(brw.prior.Normal(0, MU)), brw.Exchangeable(brw.prior.HalfNormal(TAU))
    model = brw.Model(terms=terms, likelihood=brw.likelihood.Binomial())
    stakes = Stakes(
        currency="EUR",
        source="a test",
        day=Amount(mean=150.0),
        option=(Option(name="programme", cost=Amount(mean=cost - 100.0)),),
    )
    base = StatedBaseline(risk=0.5, interval=(0.35, 0.65), day=DAY, shape=SHAPE, source="a test")
    net += 100.0
    known = value_of_knowing(model, rows, stakes=stakes, baseline=base).loc[EFFECTS, "person"]
    worth = float(share.sum(axis=1) @ np.maximum(-net, 0.0))
    assert known == pytest.approx(worth, rel=0.003)
    place = rng.choice(share.size, TRIALS, p=share.ravel())
    theta = MEAN[place // len(SPREAD)] + SPREAD[place % len(SPREAD)] * rng.normal(size=TRIALS)
    level = rng.choice(risk, TRIALS)
    first = rng.binomial(200, expit(logit(level) + theta))
    second = rng.binomial(200, level)
    joint = (kernel * share[..., None]).sum(axis=1)
    lost = np.empty(TRIALS)
    for trial, (one, two) in enumerate(zip(first, second, strict=True)):
        weight = joint @ likelihood(one, 200, two, 200)
        lost[trial] = max(-float(weight @ net / weight.sum()), 0.0)
    found = next_trial(
        model, rows, stakes=stakes, baseline=base, trials={"it": 0.2}, n={"it": 400}
    ).loc["it"]
    assert found["reports"] == "counts"
    assert found["person"] == pytest.approx(lost.mean(), abs=3 * lost.std() / np.sqrt(TRIALS))
