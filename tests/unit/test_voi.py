"""Value of information: published figures, a normal's own algebra, refits with the trial, nested sums."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.analysis.outlook import information_unit, people_needed
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.cost import Choice, choose
from bayesrtw.decision.cost_stakes import Amount, Option, Stakes, TrialCost
from bayesrtw.decision.voi import (
    BIAS,
    EFFECTS,
    EVERYTHING,
    Ahead,
    ahead,
    next_trial,
    of_effects,
    of_part,
    value_of_knowing,
    worth_of,
)
from bayesrtw.decision.voi_counts import TRIALS, tables
from bayesrtw.decision.voi_effects import Effects
from bayesrtw.engine import solve
from bayesrtw.engine.drawn import FromDraws
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.model.bias import BiasHierarchy, Studies
from bayesrtw.question.next_trial import after, setting_of

FRAME = pd.DataFrame(
    {
        "study": list("abcdef"),
        "effect": [-3.0, -9.0, 2.0, -6.0, -14.0, -1.0],
        "se": [4.0, 5.0, 6.0, 3.0, 7.0, 4.0],
        "kind": ["x", "x", "x", "z", "z", "z"],
        "design": ["rct", "rct", "rct", "rct", "cohort", "cohort"],
        "n": [200, 150, 100, 300, 80, 200],
    }
)
TOY = pd.DataFrame(
    {
        "study": list("abcd"),
        "effect": [0.30, 0.05, 0.42, 0.18],
        "se": [0.15, 0.12, 0.25, 0.20],
    }
)


def rows(frame=FRAME):
    return brw.Evidence.from_frame(frame, measure="mean_difference", benefit="lower", unit="days")


def stakes(*cost, day=100.0, at=None, **more):
    options = tuple(
        Option(name=f"option {place}", cost=Amount(mean=each), at=(at or {}).get(place, {}))
        for place, each in enumerate(cost)
    )
    return Stakes(currency="EUR", source="a test", day=Amount(mean=day), option=options, **more)


def model(*terms, spread=None):
    wide = brw.prior.Normal(0, 10)
    return brw.Model(
        terms=(brw.Intercept(wide), *terms, spread or brw.Exchangeable(brw.prior.HalfNormal(4.0)))
    )


KIND = brw.Categorical("kind", prior=brw.prior.Normal(0, 5))


def loss(mean, sd):
    """E max(x, 0) of a normal."""
    z = mean / sd
    return mean * stats.norm.cdf(z) + sd * stats.norm.pdf(z)


def vignette():
    """INB = p1 - p2, p1 ~ N(1, 1), p2 ~ N(0, 2^2), of the vignette of the R package voi."""
    covariance = np.array([[[5.0, 1.0, -4.0], [1.0, 1.0, 0.0], [-4.0, 0.0, 4.0]]])
    effects = Effects(
        np.ones(1), np.array([[1.0, 1.0, 0.0]]), covariance, np.ones(1, dtype=np.bool_)
    )
    return Choice(None, stakes(0.0, day=1.0), effects, lambda effect: effect, None)


def test_the_vignette_of_voi():
    """Figures that the vignette prints, which a normal's loss function gives to more digits."""
    choice = vignette()
    assert of_effects(choice) == pytest.approx(0.479811, abs=1e-6)
    assert of_part(choice, [1]) == pytest.approx(0.083315, abs=1e-6)
    assert of_part(choice, [2]) == pytest.approx(0.395593, abs=1e-6)
    # Both together are everything: draws along two directions.
    assert of_part(choice, [1, 2]) == pytest.approx(0.479811, rel=2e-3)
    for n, printed in ((10, 0.072325), (100, 0.082118), (1000, 0.083195)):
        found = Ahead(choice, 1, np.zeros(1)).worth(n**-0.5)
        assert found == pytest.approx(loss(1.0, (1 + 1 / n) ** -0.5) - 1.0, abs=1e-7)
        assert found == pytest.approx(printed, abs=1e-6)


def test_how_often_the_toy_crosses_its_bounds():
    """P > 0.90 and P < 0.50 afterwards: figures that a prototype simulated, and sums over a grid of tau.

    The prototype printed two decimals of some ten thousand trials: half of the last one, and 0.002 of MC.
    """
    spread = brw.Exchangeable(brw.prior.HalfNormal(0.5))
    terms = (brw.Intercept(brw.prior.Normal(0, 1)), spread)
    whole = solve(brw.Model(terms=terms), brw.Evidence.from_frame(TOY))
    known, setting = whole.posterior, setting_of(whole.posterior)
    assert known.pooled.beyond(0.1, above=True) == pytest.approx(0.800, abs=5e-4)
    tau = (np.arange(1_500) + 0.5) / 500.0
    y, variance = TOY["effect"].to_numpy(), TOY["se"].to_numpy() ** 2 + tau[:, None] ** 2
    left = 1 / (1 + (1 / variance).sum(axis=1))
    mean = left * (y / variance).sum(axis=1)
    log = 0.5 * (np.log(left) + mean**2 / left - (y**2 / variance + np.log(variance)).sum(axis=1))
    log -= 0.5 * (tau / 0.5) ** 2
    weight = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
    for se, above, below in ((0.30, 0.10, 0.01), (0.15, 0.30, 0.05), (0.10, 0.40, 0.07)):
        result = setting.results(se, 4_000)
        chance = after(known, se, result).beyond(0.1, above=True)
        assert np.mean(chance > 0.90) == pytest.approx(above, abs=7e-3)
        assert np.mean(chance < 0.50) == pytest.approx(below, abs=7e-3)
        assert chance.mean() == pytest.approx(0.800, abs=5e-4)
        total = (left + tau**2 + se**2)[:, None]
        some = result[::40]
        density = weight[:, None] * stats.norm.pdf(some, mean[:, None], np.sqrt(total))
        centre = mean[:, None] + left[:, None] / total * (some - mean[:, None])
        own = stats.norm.sf(0.1, centre, np.sqrt(left[:, None] * (1 - left[:, None] / total)))
        brute = (density * own).sum(axis=0) / density.sum(axis=0)
        assert chance[::40] == pytest.approx(brute, abs=1e-5)


@pytest.mark.parametrize("se", [1.0, 4.0])
def test_simulated_trials_expect_what_is_believed_and_are_worth_what_the_sum_says(se):
    """20,000 results, each with its own exact posterior, within three standard errors and a second of CPU."""
    told = ahead(model(), rows(), stakes(450.0), None)
    rng, setting = np.random.default_rng(20261130), told.setting
    count = 20_000
    result = setting.mean.widened(setting.apart + se**2).sample(count, rng)
    began = time.process_time()
    net = told.net(se, result)
    assert time.process_time() - began < 1.0
    today = told.choice.stakes.net(-np.array([setting.mean.centre]))
    assert net[:, 1].mean() == pytest.approx(today[1], abs=3 * net[:, 1].std() / np.sqrt(count))
    gain = net.max(axis=1) - today.max()
    assert told.worth(se) == pytest.approx(gain.mean(), abs=3 * gain.std() / np.sqrt(count))
    chance = setting.after(se, result).beyond(-5.0, above=False)
    assert chance.mean() == pytest.approx(
        setting.mean.beyond(-5.0, above=False), abs=3 * chance.std() / np.sqrt(count)
    )


@pytest.mark.parametrize(("at", "kind"), [({"kind": "x"}, "x"), ({"kind": "z"}, "z")])
def test_what_is_believed_after_a_trial_is_what_a_fit_with_it_says(at, kind):
    """Options at both levels, the trial at one of them: a refit with its row says the same of both."""
    asked = stakes(300.0, 500.0, at={0: {"kind": "x"}, 1: {"kind": "z"}})
    told = ahead(model(KIND), rows(), asked, None, at)
    for result, se in ((-12.0, 2.0), (3.0, 5.0)):
        trial = {"study": "new", "effect": result, "se": se, "kind": kind, "design": "rct", "n": 99}
        whole = rows(pd.concat([FRAME, pd.DataFrame([trial])], ignore_index=True))
        found = brw.predict(model(KIND), whole, at={"kind": ["x", "z"]})["mean"].to_numpy()
        later = told.net(se, np.array([result, result + 1.0]))[0]
        assert later == pytest.approx([0.0, *(-100.0 * found - [300.0, 500.0])], rel=2e-6, abs=1e-3)


def test_days_that_bend_are_averaged_over_what_is_left_in_doubt():
    """Hazard ratios: the mean of days after a result, against sums over the density of a refit."""
    frame = TOY.assign(study=list("abcd"))
    whole = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    terms = (brw.Intercept(brw.prior.Normal(0, 1)), brw.Exchangeable(brw.prior.HalfNormal(0.5)))

    base = StatedBaseline(risk=0.6, day=120.0, shape=0.8, source="a test")
    told = ahead(brw.Model(terms=terms), whole, stakes(450.0), base)
    trial = pd.DataFrame({"study": ["new"], "effect": [0.55], "se": [0.1]})
    later = brw.Evidence.from_frame(
        pd.concat([frame, trial], ignore_index=True), measure="log_hazard_ratio", benefit="higher"
    )
    mu = solve(brw.Model(terms=terms), later).posterior.pooled
    x = np.linspace(-4, 4, 20_001)
    density = np.exp(mu.log_density(x))
    # Return follows 1 - (1 - 0.6)^((t / 120)^0.8 HR): days away are the integral of what is left.
    t = np.linspace(0, 365, 4_001)
    left = 0.4 ** ((t / 120.0) ** 0.8)
    away = np.array([np.trapezoid(left**ratio, t) for ratio in np.exp(x[::20])])
    days = np.interp(x, x[::20], away[len(x[::20]) // 2] - away)
    expected = 100 * (density @ days) / density.sum() - 450
    found = told.net(0.1, np.array([0.55, 0.6]))[0, 1]
    assert found == pytest.approx(expected, abs=0.05)


def test_information_is_worth_no_less_than_nothing_and_no_more_than_all_of_it():
    told = ahead(model(), rows(), stakes(450.0), None)
    found = [told.worth(se) for se in (50.0, 5.0, 1.0, 0.0)]
    assert 0 <= found[0] < found[1] < found[2] < found[3]
    assert found[3] < of_effects(told.choice)
    common = ahead(model(spread=brw.Common()), rows(), stakes(450.0), None)
    every = of_effects(common.choice)
    assert common.worth(1e-3) == pytest.approx(every, rel=1e-4)
    assert common.worth(0.0) == pytest.approx(every, rel=1e-6)


def conjugate(columns, prior, noise):
    """Mean and covariance of coefficients, by linear algebra alone."""
    precision = np.diag(prior**-2.0) + (columns.T / noise**2) @ columns
    covariance = np.linalg.inv(precision)
    return covariance @ (columns.T / noise**2) @ FRAME["effect"].to_numpy(), covariance


def test_parts_of_the_parameters_are_worth_what_nested_draws_say():
    """Common effect, one marked group, a bias of cohorts: normal throughout, so that a test can draw."""
    marked = brw.Indicator("kind", "kind", values=("z",), prior=brw.prior.Normal(0, 5))
    bias = BiasHierarchy(Studies(("cohort",)), brw.prior.Normal(0, 6))
    terms = (brw.Intercept(brw.prior.Normal(0, 10)), marked, bias, brw.Common())
    asked = stakes(300.0, 400.0, at={0: {"kind": "x"}, 1: {"kind": "z"}}, people=1_000.0)
    found = value_of_knowing(brw.Model(terms=terms), rows(), stakes=asked)
    z, cohort = FRAME["kind"].eq("z").astype(float), FRAME["design"].eq("cohort").astype(float)
    # Benefit is lower: a bias towards it is subtracted.
    columns = np.column_stack([np.ones(6), z, -cohort])
    mean, covariance = conjugate(columns, np.array([10.0, 5.0, 6.0]), FRAME["se"].to_numpy())
    option = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    rng = np.random.default_rng(7)
    drawn = rng.multivariate_normal(mean, covariance, 400_000)

    def worth(known):
        """Draw what is known, give the conditional means of both options, take the best."""
        given = covariance[:, known] @ np.linalg.inv(covariance[np.ix_(known, known)])
        centre = mean + (drawn[:, known] - mean[known]) @ given.T
        net = np.column_stack([np.zeros(len(drawn)), -100 * centre @ option.T - [300.0, 400.0]])
        gain = net.max(axis=1)
        return gain.mean() - net.mean(axis=0).max(), 4 * gain.std() / np.sqrt(len(drawn))

    for name, known in ((EFFECTS, [0, 1]), ("what kind does", [1]), (BIAS, [2])):
        value, error = worth(known)
        assert found.loc[name, "person"] == pytest.approx(value, abs=error + 2e-3 * value)
    assert found.loc[EVERYTHING, "person"] == pytest.approx(found.loc[EFFECTS, "person"], rel=1e-9)
    assert found["people"].to_numpy() == pytest.approx(1_000 * found["person"].to_numpy())


def test_what_is_not_known_of_prices_and_costs_counts_in_everything():
    option = Option(name="programme", cost=Amount(mean=450.0, sd=200.0, law="gamma"))
    unsure = Stakes(currency="EUR", source="a test", day=Amount(mean=100.0), option=(option,))
    found = value_of_knowing(model(), rows(), stakes=unsure)["person"]
    assert found[EVERYTHING] > 1.02 * found[EFFECTS]
    mu = solve(model(), rows()).posterior.pooled
    rng = np.random.default_rng(3)
    net = -100 * mu.sample(400_000, rng) - stats.gamma(450**2 / 200**2, scale=200**2 / 450).rvs(
        400_000, random_state=rng
    )
    gain = np.maximum(net, 0)
    error = 4 * gain.std() / np.sqrt(len(net))
    assert found[EVERYTHING] == pytest.approx(gain.mean() - max(net.mean(), 0), abs=error)


@pytest.mark.parametrize("cost", [100.0, 400.0, 900.0])
def test_no_part_is_worth_more_to_know_than_everything(cost: float) -> None:
    # Amounts are for certain, so that everything is the effect: both are sums of one expectation.
    found = value_of_knowing(model(), rows(), stakes=stakes(cost))["person"]
    assert (found <= found[EVERYTHING]).all()
    assert found[EVERYTHING] == pytest.approx(found[EFFECTS], rel=2e-3)


def test_a_trial_is_worth_what_it_brings_less_what_it_costs():
    cost = TrialCost(fixed=50_000, person=300)
    asked = stakes(450.0, people=20_000.0, trial=cost)
    unit = information_unit(rows())
    assert unit == pytest.approx(np.median(FRAME["se"] * np.sqrt(FRAME["n"])))
    trials, n = {"of 400": unit / 20.0}, {"of 400": 400.0}
    found = next_trial(model(), rows(), stakes=asked, trials=trials, n=n).loc["of 400"]
    assert found["cost"] == 170_000
    assert found["people"] == pytest.approx(20_000 * found["person"])
    assert found["net"] == pytest.approx(found["people"] - 170_000)
    bare = next_trial(model(), rows(), stakes=stakes(450.0), trials=trials)
    assert bare[["people", "cost", "net"]].isna().all().all()
    assert bare.loc["of 400", "person"] == found["person"]


def test_the_size_that_would_move_the_class():
    whole = solve(model(), rows())
    most = people_needed(whole, chance=0.99)[1]
    wanted, unit = 0.7 * most, information_unit(rows())
    size, same = people_needed(whole, chance=wanted)
    assert same == most
    change = [
        brw.outlook(whole, trials={"it": unit / np.sqrt(n)}).loc["it", "change"]
        for n in (0.9 * size, size)
    ]
    assert change[0] < wanted <= change[1] < most
    assert people_needed(whole, chance=0.99) == (np.inf, most)


COUNTED = pd.DataFrame(
    {
        "study": list("abcde"),
        "events_t": [20, 12, 30, 9, 15],
        "n_t": [40, 30, 60, 25, 40],
        "events_c": [14, 10, 24, 8, 12],
        "n_c": [40, 30, 60, 25, 40],
    }
)


def counted(frame=COUNTED, measure="log_odds_ratio"):
    columns = {name: name for name in frame.columns[1:]}
    return brw.Evidence.from_frame(frame, columns=columns, measure=measure, benefit="higher")


def counts_model(likelihood):
    terms = (brw.Intercept(brw.prior.Normal(0, 1)), brw.Exchangeable(brw.prior.HalfNormal(0.3)))
    return brw.Model(terms=terms, likelihood=likelihood)


def test_kernels_with_series_say_what_results_are_worth():
    """Counts known by series: sums over the marginal density of the effect say the same of today."""
    whole = solve(counts_model(brw.likelihood.Hypergeometric()), counted())
    setting = setting_of(whole.posterior)
    assert setting.mean.series is not None
    kept = np.ones(len(setting.apart), dtype=np.bool_)
    variance = (setting.mean.sd**2)[:, None, None]
    own = setting.mean
    effects = Effects(own.weight, own.mean[:, None], variance, kept, own.series)
    choice = Choice(None, stakes(0.35, day=1.0), effects, np.tanh, None)
    told = Ahead(choice, 0, setting.apart)
    x = np.linspace(-3, 3, 6_001)
    density = np.exp(own.log_density(x))
    today = density @ np.tanh(x) / density.sum() - 0.35
    net = told.net(0.25, setting.results(0.25, 3_000))[:, 1]
    assert net.mean() == pytest.approx(today, abs=2e-5)
    assert told.worth(0.25) == pytest.approx(np.maximum(net, 0).mean() - max(today, 0), abs=2e-5)


def believed(found, setting):
    """P(mu > 0) and the mean of mu after each table."""
    weight = found.weigh(setting)
    later = setting.after(0.0, found.effect)
    return weight @ later.beyond(0.0, above=True), weight @ later.expected(lambda effect: effect)


@pytest.mark.parametrize(
    ("likelihood", "measure"),
    [
        (brw.likelihood.Hypergeometric(), "log_odds_ratio"),
        pytest.param(
            brw.likelihood.Binomial(link="cloglog"), "log_hazard_ratio", marks=pytest.mark.slow
        ),
    ],
)
def test_a_trial_of_counts_is_believed_as_a_fit_with_its_table(likelihood, measure):
    """20,000 trials of 400 people: martingale, single tables against refits, and their CPU time."""
    model, rows = counts_model(likelihood), counted(measure=measure)
    setting = setting_of(solve(model, rows).posterior)
    risk = StatedBaseline(risk=0.45, interval=(0.35, 0.55), source="a test").points()
    began = time.process_time()
    found = tables(model, rows, setting, 400.0, risk)
    chance, mean = believed(found, setting)
    assert time.process_time() - began < 20.0
    assert found.share.sum() == pytest.approx(1.0)
    for after_it, today in (
        (chance, setting.mean.beyond(0.0, above=True)),
        (mean, setting.mean.centre),
    ):
        spread = np.sqrt(found.share @ (after_it - today) ** 2)
        assert found.share @ after_it == pytest.approx(today, abs=3 * spread / np.sqrt(TRIALS))
    middle, rare = np.argmax(found.share), np.argmax(found.events[:, 0] - found.events[:, 1])
    for place in (int(middle), int(rare)):
        a, c = found.events[place]
        trial = {"study": "new", "events_t": a, "n_t": 200, "events_c": c, "n_c": 200}
        later = counted(pd.concat([COUNTED, pd.DataFrame([trial])], ignore_index=True), measure)
        mu = solve(model, later).posterior.pooled
        assert mean[place] == pytest.approx(mu.centre, abs=5e-6)
        assert chance[place] == pytest.approx(mu.beyond(0.0, above=True), abs=1e-5)


def test_worth_is_what_the_best_choice_gains():
    assert worth_of(np.array([0.25, 0.75]), np.array([[0.0, 4.0], [0.0, -1.0]])) == 0.75
    assert worth_of(np.ones(1), np.array([[0.0, 4.0]])) == 0.0


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: next_trial(model(), rows(), stakes=stakes(1.0), trials={}), "standard error"),
        (
            lambda: next_trial(model(), rows(), stakes=stakes(1.0), trials={"t": -1.0}),
            "trials gives 't'",
        ),
        (
            lambda: next_trial(
                model(), rows(), stakes=stakes(1.0), trials={"t": 1.0}, at={"q": "x"}
            ),
            "no moderator",
        ),
        (lambda: people_needed(solve(model(), rows()), chance=1.0), "chance must lie in"),
        (
            lambda: information_unit(rows(FRAME.drop(columns="n"))),
            "no row with a standard error says how many people",
        ),
        (
            lambda: choose(brw.Model(terms=(KIND, brw.Common())), rows(), stakes(1.0), None),
            "no intercept",
        ),
    ],
)
def test_what_cannot_be_asked_is_named(act, said):
    with pytest.raises((SpecError, EngineRefusal), match=said):
        act()


def test_classes_after_counts_are_nearly_those_after_estimates():
    """A trial of counts whose log odds ratio is nearly normal: classes as after that, 2,500 trials."""
    whole = solve(counts_model(brw.likelihood.Hypergeometric()), counted())
    risk = 0.45
    n = {"it": 400.0}
    odds = risk / (1 - risk) * np.exp(whole.posterior.pooled.centre)
    back = odds / (1 + odds)
    se = np.sqrt((1 / risk + 1 / (1 - risk) + 1 / back + 1 / (1 - back)) / 200)
    base = StatedBaseline(risk=risk, source="a test")
    told = brw.outlook(whole, trials={"it": se}, n=n, baseline=base).loc["it"]
    near = brw.outlook(whole, trials={"it": se}).loc["it"]
    for word in near.index[near.index.str.startswith("to ")]:
        assert told[word] == pytest.approx(near[word], abs=0.03)
    assert told.filter(like="to ").sum() == pytest.approx(1.0)


def test_draws_say_by_regression_nearly_what_normals_say_exactly():
    """4,000 exact draws of a model that is normal given tau: a mean gain over them has an SE of some 3 %."""
    asked = stakes(300.0, 500.0, at={0: {"kind": "x"}, 1: {"kind": "z"}})
    exact = value_of_knowing(model(KIND), rows(), stakes=asked)["person"]
    tree = brw.fit(model(KIND), rows(), engine=brw.Exact(draws=1_000), seed=5)
    drawn = value_of_knowing(FromDraws(model(KIND), rows(), tree), stakes=asked)
    for name in (EFFECTS, "the effect of option 0", "the effect of option 1", "what kind does"):
        assert drawn["person"][name] == pytest.approx(exact[name], rel=0.1)
    assert "Draws stand for the posterior" in drawn.describe()
    later = next_trial(FromDraws(model(KIND), rows(), tree), stakes=asked, trials={"t": 3.0})
    same = next_trial(model(KIND), rows(), stakes=asked, trials={"t": 3.0})
    assert later.loc["t", "person"] == pytest.approx(same.loc["t", "person"], rel=0.15)


def test_what_has_no_joint_posterior_and_no_draws_is_named():
    counts = counts_model(brw.likelihood.Binomial(link="cloglog"))
    terms = (
        *counts.terms,
        brw.Indicator("odd", "study", values=("a", "b"), prior=brw.prior.Normal(0, 1)),
    )
    base = StatedBaseline(risk=0.45, day=365.0, shape=1.0, source="a test")
    asked = stakes(300.0)
    made = brw.Model(terms=terms, likelihood=counts.likelihood)
    found = value_of_knowing(made, counted(measure="log_hazard_ratio"), stakes=asked, baseline=base)
    assert found.index.tolist() == [EVERYTHING, EFFECTS]
    assert "for want of a joint posterior: what odd does" in found.describe()
