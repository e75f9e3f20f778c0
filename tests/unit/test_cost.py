"""Net benefit, acceptability and its frontier: laws of SciPy, a normal's own algebra, draws of a refit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.analysis.spec import parse
from bayesrtw.decision.absolute import absolute_effects
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.cost import (
    Threshold,
    cost_effectiveness,
    net_benefit,
    swedish_threshold,
)
from bayesrtw.decision.cost_stakes import NOTHING, Amount, Option, Stakes, TrialCost
from bayesrtw.decision.voi import EFFECTS, EVERYTHING, value_of_knowing
from bayesrtw.errors import SpecError
from bayesrtw.model.components import Components

FRAME = pd.DataFrame(
    {
        "study": list("abcdef"),
        "effect": [-3.0, -9.0, 2.0, -6.0, -14.0, -1.0],
        "se": [4.0, 5.0, 6.0, 3.0, 7.0, 4.0],
        "kind": ["x", "x", "x", "z", "z", "z"],
    }
)
ROWS = brw.Evidence.from_frame(FRAME, measure="mean_difference", benefit="lower", unit="days")
KIND = brw.Categorical("kind", prior=brw.prior.Normal(0, 5))
MODEL = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 10)), KIND, brw.Common()))
LAWS = {
    "normal": stats.norm(900, 200),
    "gamma": stats.gamma(900**2 / 200**2, scale=200**2 / 900),
    "lognormal": stats.lognorm(
        np.sqrt(np.log1p((200 / 900) ** 2)), scale=900 / np.sqrt(1 + (200 / 900) ** 2)
    ),
}


def stakes(*options, day=100.0, **more):
    return Stakes(currency="EUR", source="a test", day=Amount(mean=day), option=options, **more)


def option(name, cost, kind=None, law="fixed", sd=0.0):
    at = {"kind": kind} if kind else {}
    return Option(name=name, cost=Amount(mean=cost, sd=sd, law=law), at=at)


@pytest.mark.parametrize("law", LAWS)
def test_an_amount_has_the_mean_and_the_sd_that_are_stated(law):
    q = np.array([0.01, 0.3, 0.5, 0.99])
    amount = Amount(mean=900, sd=200, law=law)
    assert amount.ppf(q) == pytest.approx(LAWS[law].ppf(q), rel=1e-9)
    every = amount.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert every.mean() == pytest.approx(900, rel=1e-6)
    assert every.std() == pytest.approx(200, rel=1e-3)
    assert (Amount(mean=900).ppf(q) == 900).all()


def posterior():
    """Mean and covariance of days regained at x and z, by linear algebra alone."""
    kinds = pd.get_dummies(FRAME["kind"]).to_numpy(dtype=float)
    # Levels sum to zero: half of their difference either way.
    columns = np.column_stack([np.ones(6), kinds - 0.5])
    precision = np.diag([0.01, 0.04, 0.04]) + columns.T / FRAME["se"].to_numpy() ** 2 @ columns
    covariance = np.linalg.inv(precision)
    mean = covariance @ (columns.T / FRAME["se"].to_numpy() ** 2) @ FRAME["effect"].to_numpy()
    at = -np.array([[1, 0.5, -0.5], [1, -0.5, 0.5]])
    return at @ mean, at @ covariance @ at.T


@pytest.mark.parametrize("law", LAWS)
def test_net_benefit_of_one_option_is_that_of_a_normal_less_its_cost(law):
    mean, covariance = posterior()
    days = stats.norm(mean[1], covariance[1, 1] ** 0.5)
    programme = option("z", 900.0, "z", law, 200.0)
    limit = Threshold(days=5.0, horizon=365.0, source="a test")
    found = net_benefit(MODEL, ROWS, stakes=stakes(programme, day=150.0), threshold=limit).loc["z"]
    assert found["days"] == pytest.approx(mean[1], abs=2e-3)
    assert [found["days_lower"], found["days_upper"]] == pytest.approx(
        days.interval(0.95), abs=0.02
    )
    assert found["net"] == pytest.approx(150 * mean[1] - 900, abs=0.3)
    assert found["beyond"] == pytest.approx(days.sf(5.0), abs=1e-3)
    assert found["break_even"] == 6.0
    cost = LAWS[law].ppf((np.arange(20_000) + 0.5) / 20_000)
    worth = days.sf(cost / 150).mean()
    assert found["worth"] == pytest.approx(worth, abs=1e-3)
    assert found["best"] == found["worth"]


def test_acceptability_and_its_frontier_are_those_of_draws():
    """Two programmes whose effects are correlated: a million draws of the same normal, by the test itself."""
    mean, covariance = posterior()
    rng = np.random.default_rng(11)
    days = rng.multivariate_normal(mean, covariance, 1_000_000)
    cost = np.column_stack(
        [
            stats.gamma(16, scale=20).rvs(len(days), random_state=rng),
            stats.norm(600, 150).rvs(len(days), random_state=rng),
        ]
    )
    asked = stakes(option("x", 320.0, "x", "gamma", 80.0), option("z", 600.0, "z", "normal", 150.0))
    found = cost_effectiveness(MODEL, ROWS, stakes=asked, day=[0, 60, 120, 240])
    for price in (0.0, 60.0, 120.0, 240.0):
        net = np.column_stack([np.zeros(len(days)), price * days - cost])
        best = np.bincount(net.argmax(axis=1), minlength=3) / len(days)
        own = found.loc[price]
        assert own.index.tolist() == [NOTHING, "x", "z"]
        assert own["best"].to_numpy() == pytest.approx(best, abs=4e-3)
        assert own["net"].to_numpy() == pytest.approx(net.mean(axis=0), abs=1.0)
        assert own["frontier"].to_numpy().nonzero()[0].tolist() == [net.mean(axis=0).argmax()]
    assert found.groupby("day")["best"].sum().to_numpy() == pytest.approx(1.0)
    assert found.groupby("day")["frontier"].sum().tolist() == [1, 1, 1, 1]


def test_a_frontier_need_not_be_the_most_probable_option():
    """A skewed cost: probably cheap, dear on average."""
    dear = option("dear", 1_000.0, "z", "lognormal", 4_000.0)
    found = cost_effectiveness(MODEL, ROWS, stakes=stakes(dear), day=[130])
    own = found.loc[130.0]
    assert own.loc["dear", "best"] > 0.5
    assert bool(own.loc[NOTHING, "frontier"])
    assert "none of them" in found.describe()


def test_the_swedish_threshold_is_the_claim_that_ships():
    [claim] = [each for each in brw.open_brief("evidence-brief").claims if each.name == "b19"]
    assert claim.says == "More than five days less absence in a year per person"
    assert swedish_threshold().days == 5.0
    assert swedish_threshold().horizon == 365.0
    synthesis = brw.run(brw.open_analysis("sick-leave-days"))
    found = net_benefit(
        synthesis, stakes=stakes(option("programme", 500.0)), threshold=swedish_threshold()
    )
    mu = brw.summarise(brw.fit(synthesis.analysis.model, synthesis.evidence)).loc["mu"]
    assert found.loc["programme", "days"] == pytest.approx(-mu["mean"], rel=2e-3)
    assert "b19" in found.describe()


def test_sets_of_components_are_options():
    """Parts with normal priors and a common effect: net benefits of sets by linear algebra alone."""
    frame = FRAME.assign(arm=["a", "b", "a + b", "a", "b", "a + b"], against="none")
    rows = brw.Evidence.from_frame(frame, measure="mean_difference", benefit="lower", unit="days")
    parts = Components(brw.prior.Normal(0, 8), arm="arm", against="against", none=("none",))
    sets = ["a", "b", "a + b"]
    asked = stakes(
        *(
            Option(name=each, cost=Amount(mean=300.0), at={"arm": each, "against": "none"})
            for each in sets
        )
    )
    found = net_benefit(brw.Model(terms=(parts, brw.Common())), rows, stakes=asked)
    columns = np.array([[1.0, 0], [0, 1], [1, 1]] * 2)
    weight = columns.T / FRAME["se"].to_numpy() ** 2
    covariance = np.linalg.inv(np.eye(2) / 64 + weight @ columns)
    mean = -covariance @ weight @ FRAME["effect"].to_numpy()
    assert found["net"].to_numpy() == pytest.approx(100 * columns[:3] @ mean - 300, abs=0.5)
    drawn = np.random.default_rng(2).multivariate_normal(mean, covariance, 400_000)
    net = np.column_stack([np.zeros(len(drawn)), 100 * drawn @ columns[:3].T - 300])
    best = np.bincount(net.argmax(axis=1), minlength=4) / len(net)
    assert found["best"].to_numpy() == pytest.approx(best[1:], abs=4e-3)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: stakes(option("x", 1.0), day=-5.0), "day is what a day of work regained is worth"),
        (
            lambda: Stakes(currency=" ", source="s", day=Amount(mean=1), option=(option("x", 1),)),
            "currency is empty",
        ),
        (
            lambda: Stakes(currency="EUR", source="", day=Amount(mean=1), option=(option("x", 1),)),
            "source is empty",
        ),
        (stakes, "option is empty"),
        (lambda: stakes(option("x", 1.0), option("x", 2.0)), "'x' stands twice"),
        (lambda: stakes(option(NOTHING, 1.0)), "which is there already"),
        (lambda: stakes(option("x", 1.0), people=0.0), "people must be a number above 0"),
        (lambda: Amount(mean=1.0, sd=2.0), "law is 'fixed' with sd 2.0"),
        (lambda: Amount(mean=1.0, law="gamma"), "an amount without an SD is 'fixed'"),
        (lambda: Amount(mean=-1.0, sd=1.0, law="gamma"), "a gamma amount has a mean above 0"),
        (lambda: Amount(mean=1.0, sd=1.0, law="beta"), "law is 'beta'; choose one of 'fixed'"),
        (lambda: Amount(mean=np.nan), "mean must be finite"),
        (lambda: TrialCost(fixed=-1.0, person=0.0), "fixed is a cost of a trial"),
        (
            lambda: cost_effectiveness(MODEL, ROWS, stakes=stakes(option("x", 1.0)), day=[3, 2]),
            "day must rise",
        ),
        (
            lambda: net_benefit(MODEL, ROWS, stakes=stakes(option("x", 1.0, "w"))),
            "'w'",
        ),
        (
            lambda: net_benefit(
                MODEL,
                ROWS,
                stakes=stakes(option("x", 1.0)),
                baseline=StatedBaseline(risk=0.5, source="s", horizon=180.0),
                threshold=swedish_threshold(),
            ),
            "threshold is of days within 365 days, and the baseline has horizon = 180",
        ),
    ],
)
def test_what_is_not_stated_as_it_should_be_is_named(make, said):
    with pytest.raises(SpecError, match=said):
        make()


TOML = """
schema = 1
id = "try"
title = "Try"
question = "Does it?"
seed = 1
[evidence]
dataset = "rtw-trials"
measure = "{measure}"
[[term]]
kind = "intercept"
prior = {{ kind = "normal", mean = 0.0, sd = 1.0 }}
[[term]]
kind = "common"
[decision.stakes]
{currency}
source = "a test"
day = {{ mean = 150.0 }}
[[decision.stakes.option]]
name = "programme"
cost = {{ mean = 900.0, sd = 200.0, law = "gamma" }}
"""


@pytest.mark.parametrize(
    ("measure", "currency", "said"),
    [
        ("mean_difference", "", "currency"),
        ("log_hazard_ratio", 'currency = "EUR"', "days regained hang on a baseline"),
        ("log_rate_ratio", 'currency = "EUR"', "net benefit is of days regained"),
        ("log_risk_ratio", 'currency = "EUR"', "days regained hang on a baseline"),
    ],
)
def test_amounts_in_a_file_are_checked_before_any_row_is_read(measure, currency, said):
    with pytest.raises(SpecError, match=said):
        parse(TOML.format(measure=measure, currency=currency), "try.toml")


def test_amounts_in_a_file_are_read():
    found = parse(TOML.format(measure="mean_difference", currency='currency = "EUR"'), "try.toml")
    assert found.decision.stakes == Stakes(
        currency="EUR",
        source="a test",
        day=Amount(mean=150.0),
        option=(Option(name="programme", cost=Amount(mean=900.0, sd=200.0, law="gamma")),),
    )


def test_what_is_not_known_of_the_baseline_is_in_days_and_in_what_they_are_worth():
    """Hazard ratios at an uncertain risk: quantiles of the product rule of `absolute_effects`."""
    rows = brw.Evidence.from_frame(
        FRAME.assign(effect=FRAME["effect"] / -20, se=FRAME["se"] / 40),
        measure="log_hazard_ratio",
        benefit="higher",
    )
    made = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Common()))
    sure = StatedBaseline(risk=0.6, day=120.0, shape=0.8, source="a test")
    unsure = replace(sure, interval=(0.3, 0.85))
    told = {}
    for name, base in (("sure", sure), ("unsure", unsure)):
        told[name] = net_benefit(made, rows, stakes=stakes(option("it", 900.0)), baseline=base).loc[
            "it"
        ]
        absolute = absolute_effects(made, rows, baseline=base)
        same = absolute.loc[("mean effect", "days regained of 365")]
        ends = [told[name]["days_lower"], told[name]["days_upper"]]
        assert ends == pytest.approx([same["lower"], same["upper"]], abs=0.1)
    assert told["unsure"]["net_upper"] > told["sure"]["net_upper"]
    worth = value_of_knowing(made, rows, stakes=stakes(option("it", 2_600.0)), baseline=unsure)
    assert worth.loc[EVERYTHING, "person"] > 1.05 * worth.loc[EFFECTS, "person"]
