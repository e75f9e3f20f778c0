"""Days regained, and net benefit, from ratios and differences of shares who are back by a day."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.decision.absolute import absolute_effects
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.change import of_days
from bayesrtw.decision.cost import net_benefit
from bayesrtw.decision.cost_stakes import Amount, Option, Stakes
from bayesrtw.decision.voi import value_of_knowing
from bayesrtw.decision.zones import Zones, zone_probabilities
from bayesrtw.engine import solve
from bayesrtw.errors import SpecError
from bayesrtw.evidence.measure import MEASURES

DAY, SHAPE = 180.0, 0.7
KNOWN = StatedBaseline(risk=0.55, day=DAY, shape=SHAPE, source="a test")
WIDE = StatedBaseline(risk=0.55, interval=(0.35, 0.8), day=DAY, shape=SHAPE, source="a test")
#: Measure to the share with the programme, of effect and share without it.
SHARES = {
    "log_risk_ratio": lambda e, p: np.minimum(p * np.exp(e), 1.0),
    "log_odds_ratio": lambda e, p: p * np.exp(e) / (1 - p + p * np.exp(e)),
    "risk_difference": lambda e, p: np.clip(p + e, 0.0, 1.0),
    "log_hazard_ratio": lambda e, p: 1 - (1 - p) ** np.exp(e),
}
EFFECT = {
    "log_risk_ratio": 0.3,
    "log_odds_ratio": 0.5,
    "risk_difference": 0.1,
    "log_hazard_ratio": 0.2,
}


def regained(first, second):
    """Work out days by integrating two Weibull curves that pass through shares back by the day."""
    u = (np.arange(1_000) + 0.5) / 1_000
    t, step = 365 * u**3, 365 * 3 * u**2 / 1_000
    away = [(1 - np.asarray(p))[..., None] ** ((t / DAY) ** SHAPE) for p in (second, first)]
    return (away[0] - away[1]) @ step


def asked(measure):
    effect = EFFECT[measure] * np.array([0.5, 1.0, 1.5, 2.0])
    frame = pd.DataFrame({"study": list("abcd"), "effect": effect, "se": EFFECT[measure]})
    rows = brw.Evidence.from_frame(frame, measure=measure, benefit="higher")
    terms = brw.Intercept(brw.prior.Normal(0, 1)), brw.Common()
    return solve(brw.Model(terms=terms), rows)


@pytest.mark.parametrize("measure", SHARES)
def test_days_are_those_between_two_curves(measure):
    scale = of_days(MEASURES[measure], "higher", "", KNOWN.points())
    effect = np.linspace(-1, 1, 9) * EFFECT[measure] * 2
    days = scale.change(effect, np.array(0.55))
    share = SHARES[measure](effect, 0.55)
    assert days == pytest.approx(regained(share, np.full(9, 0.55)), abs=2e-3)
    assert scale.effect(days[share < 1], np.array(0.55)) == pytest.approx(
        effect[share < 1], abs=1e-9
    )


@pytest.mark.parametrize("measure", SHARES)
def test_days_have_the_distribution_of_draws_of_effect_and_share(measure):
    """200,000 draws; quantiles of them are right to 0.6 days, probabilities to 0.005."""
    whole = asked(measure)
    table = absolute_effects(whole, baseline=WIDE).xs("days regained of 365", level="counted")
    rng = np.random.default_rng(5)
    effect = whole.posterior.pooled.sample(200_000, rng)
    z = rng.normal(size=200_000)
    logit = np.log(0.55 / 0.45)
    low, high = (np.log(p / (1 - p)) for p in (0.35, 0.8))
    side = np.where(z < 0, logit - low, high - logit) / stats.norm.ppf(0.975)
    p = 1 / (1 + np.exp(-(logit + side * z)))
    # Days on a grid of cumulative hazards at the day, straight lines between; a share of 1 loses none.
    grid = np.append(0.0, np.geomspace(1e-4, 1e5, 2_000))
    level = regained(-np.expm1(-grid), np.zeros(2_001))

    def won(share):
        hazard = -np.log1p(-np.minimum(share, 1.0 - 1e-16))
        return np.where(share < 1.0, np.interp(hazard, grid, level), 365.0)

    days = won(SHARES[measure](effect, p)) - won(p)
    row = table.loc["mean effect"]
    assert row[["lower", "median", "upper"]].to_numpy(dtype=float) == pytest.approx(
        np.quantile(days, [0.025, 0.5, 0.975]), abs=0.6
    )
    zones = zone_probabilities(whole, zones=Zones(days=(5, 20, 60)), baseline=WIDE)
    edges = [-60, -20, -5, 5, 20, 60]
    shares = np.bincount(np.digitize(days, edges), minlength=7) / len(days)
    assert zones.iloc[0, :7].to_numpy(dtype=float) == pytest.approx(shares, abs=0.005)


@pytest.mark.parametrize("measure", ["log_risk_ratio", "log_odds_ratio", "risk_difference"])
def test_net_benefit_and_what_it_is_worth_to_know_the_effect(measure):
    whole = asked(measure)
    stakes = Stakes(
        currency="EUR",
        source="a test",
        day=Amount(mean=100.0),
        option=(Option(name="programme", cost=Amount(mean=1_500.0)),),
    )
    found = net_benefit(whole, stakes=stakes, baseline=KNOWN).loc["programme"]
    effect = whole.posterior.pooled.quantile((np.arange(20_000) + 0.5) / 20_000)
    days = regained(SHARES[measure](effect, 0.55), np.full(20_000, 0.55))
    assert found["days"] == pytest.approx(days.mean(), abs=0.1)
    assert found["worth"] == pytest.approx(np.mean(days > 15), abs=0.003)
    net = 100 * days - 1_500
    known = value_of_knowing(whole, stakes=stakes, baseline=KNOWN)["person"]
    worth = np.maximum(net, 0).mean() - max(net.mean(), 0)
    assert known["the effects of all options"] == pytest.approx(worth, abs=3.0)


def test_shares_that_are_bad_and_shares_without_a_day_are_refused():
    with pytest.raises(
        SpecError, match="risk ratio of returning, where higher is good; here lower"
    ):
        of_days(MEASURES["log_risk_ratio"], "lower", "", KNOWN.points())
    with pytest.raises(SpecError, match="the day that it is counted by, and shape"):
        of_days(
            MEASURES["log_odds_ratio"], "higher", "", StatedBaseline(risk=0.5, source="x").points()
        )
