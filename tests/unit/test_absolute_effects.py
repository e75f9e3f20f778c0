"""Absolute effects against draws, closed forms and published figures that this project did not make."""

import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import bayesrtw as brw
from bayesrtw.decision.absolute import absolute_effects
from bayesrtw.decision.baseline import (
    BaselinePoints,
    StatedBaseline,
    of_comparison_groups,
    predicted,
)
from bayesrtw.decision.change import Change, as_difference, as_ratio, of_1000, of_days
from bayesrtw.errors import SpecError
from bayesrtw.evidence.measure import measure_named
from bayesrtw.posterior.kernels import Kernels

FLAT = brw.Model(terms=(brw.Intercept(brw.prior.Flat()), brw.Common()))


def pooled(
    effect: float, se: float, measure: str, benefit: str = "higher", unit: str = ""
) -> tuple:
    """One estimate under a flat prior: its posterior is the normal that it reports."""
    frame = pd.DataFrame({"study": ["A"], "effect": [effect], "se": [se]})
    return FLAT, brw.Evidence.from_frame(frame, measure=measure, benefit=benefit, unit=unit)


def mixture() -> Kernels:
    return Kernels(np.array([0.3, 0.7]), np.array([-0.1, 0.35]), np.array([0.3, 0.12]))


def drawn(theta: np.ndarray, risk: np.ndarray, measure: str) -> np.ndarray:
    """The definitions, written once more."""
    if measure == "log_hazard_ratio":
        return 1 - (1 - risk) ** np.exp(theta) - risk
    if measure == "log_risk_ratio":
        return np.minimum(risk * np.exp(theta), 1) - risk
    if measure == "risk_difference":
        return np.clip(risk + theta, 0, 1) - risk
    odds = risk / (1 - risk) * np.exp(theta)
    return odds / (1 + odds) - risk


@pytest.mark.parametrize(
    "measure",
    [
        "log_hazard_ratio",
        "log_risk_ratio",
        "log_odds_ratio",
        "log_peto_odds_ratio",
        "risk_difference",
    ],
)
def test_people_of_1000_have_the_distribution_of_draws_of_effect_and_baseline(measure: str) -> None:
    rng, count = np.random.default_rng(7), 400_000
    theta = mixture()
    which = rng.random(count) < 0.3
    effects = np.where(which, rng.normal(-0.1, 0.3, count), rng.normal(0.35, 0.12, count))
    risks = rng.beta(30.5, 20.5, count)
    change = 1000 * drawn(effects, risks, measure)
    points = StatedBaseline(events=30, n=50, source="a register").points()
    found = Change(theta, of_1000(measure_named(measure), "higher", points))
    # Four standard errors of quantiles of these draws.
    for q in (0.025, 0.25, 0.5, 0.75, 0.975):
        at = found.quantile(q)
        assert np.mean(change <= at) == pytest.approx(q, abs=4 * math.sqrt(q * (1 - q) / count))
    for x in (-150.0, 0.0, 20.0, 100.0):
        share = np.mean(change > x)
        assert found.above(x) == pytest.approx(share, abs=4 * 0.5 / math.sqrt(count))
    again = found.sample(count, rng)
    assert np.mean(again > 100) == pytest.approx(
        np.mean(change > 100), abs=6 * 0.5 / math.sqrt(count)
    )


def test_a_certain_baseline_carries_the_quantiles_of_the_effect_over() -> None:
    found = absolute_effects(
        *pooled(math.log(1.3), 0.1, "log_risk_ratio"), baseline=StatedBaseline(risk=0.4, source="x")
    )
    row = found.iloc[0]
    ends = 0.4 * np.exp(math.log(1.3) + 0.1 * stats.norm.ppf([0.5, 0.025, 0.975])) - 0.4
    assert_allclose(row[["median", "lower", "upper"]].to_numpy(dtype=float), 1000 * ends, rtol=1e-9)
    assert row["more"] == pytest.approx(stats.norm.cdf(math.log(1.3) / 0.1))
    assert_allclose(row[["needed", "needed_upper", "needed_lower"]].to_numpy(dtype=float), 1 / ends)


def test_the_number_who_take_part_does_not_go_through_infinity() -> None:
    baseline = StatedBaseline(risk=0.5, source="x")
    doubtful = absolute_effects(*pooled(0.1, 0.2, "log_odds_ratio"), baseline=baseline).iloc[0]
    assert doubtful["lower"] < 0 < doubtful["upper"]
    assert doubtful["needed_lower"] == pytest.approx(1000 / doubtful["upper"])
    assert doubtful["needed_upper"] == math.inf
    harmful = absolute_effects(*pooled(-0.9, 0.2, "log_odds_ratio"), baseline=baseline)
    assert (harmful[["needed", "needed_lower", "needed_upper"]] == math.inf).all(axis=None)
    assert "no number of people" in harmful.describe()
    # Where fewer events are good, people take part for one event less.
    fewer = absolute_effects(*pooled(-0.9, 0.2, "log_odds_ratio", "lower"), baseline=baseline)
    assert 4 < fewer["needed"].iloc[0] < 6
    assert fewer["benefit"].iloc[0] == pytest.approx(1 - fewer["more"].iloc[0])
    assert "one person less" in fewer.describe()


def physical() -> tuple:
    """Analysis 3.1 of Cochrane review CD007569.pub4 under its own model, whose tau is 0."""
    rows = brw.open_dataset("cancer-rtw")
    keep = rows.matches("comparison", ["physical"]) & rows.matches("outcome", ["return_to_work"])
    return FLAT, rows.rows(keep)


def test_physical_programmes_after_cancer_bring_back_as_many_as_the_review_says() -> None:
    # Published: 50 to 244 more per 1000, from 627 per 1000; ends of 244.5 and a little more round to 245.
    found = absolute_effects(
        *physical(), baseline=StatedBaseline(risk=0.627, source="the review")
    ).iloc[0]
    assert [round(found["lower"]), round(found["upper"])] == [50, 245]
    assert found["upper"] < 245.0


def test_multicomponent_programmes_after_cancer_bring_back_as_many_as_is_printed() -> None:
    # A brief prints 69 to 219 more per 1000 of this review: risk ratios of 1.11 to 1.35 from 627 per 1000.
    low, high = math.log(1.11), math.log(1.35)
    se = (high - low) / (2 * stats.norm.ppf(0.975))
    found = absolute_effects(
        *pooled((low + high) / 2, se, "log_risk_ratio"),
        baseline=StatedBaseline(risk=0.627, source="x"),
    ).iloc[0]
    assert [round(found["lower"]), round(found["upper"])] == [69, 219]
    # The review's rows of that comparison are odds ratios, 1.998 (1.294 to 3.085), and give 58 to 211: no
    # baseline leads from 1.294 to 69 more, since the largest step of that odds ratio is 64.
    rows = brw.open_dataset("cancer-rtw")
    rows = rows.rows(rows.matches("measure", ["log_odds_ratio"]))
    told = absolute_effects(FLAT, rows, baseline=StatedBaseline(risk=0.627, source="x")).iloc[0]
    odds = 0.627 / 0.373 * np.array([1.2943343, 3.0845654])
    assert_allclose(
        told[["lower", "upper"]].to_numpy(dtype=float),
        1000 * (odds / (1 + odds) - 0.627),
        atol=1e-3,
    )
    assert [round(told["lower"]), round(told["upper"])] == [58, 211]


@pytest.mark.parametrize(
    ("shape", "days", "risk", "back"),
    [
        (0.6, 26.6, 0.799, 0.866),
        (0.8, 24.2, 0.881, 0.930),
        (1.0, 21.3, 0.940, 0.970),
        (1.3, 16.8, 0.986, 0.995),
    ],
)
def test_days_regained_are_those_of_a_weibull_curve(shape, days, risk, back) -> None:
    # Worked out elsewhere: a median of 90 days and a hazard ratio of 1.25 over a year.
    at = 1 - 2 ** -((365 / 90) ** shape)
    stated = StatedBaseline(risk=at, day=365, shape=shape, source="x")
    assert at == pytest.approx(risk, abs=6e-4)
    assert float(stated.points().curve(at).median) == pytest.approx(90)
    found = absolute_effects(*pooled(math.log(1.25), 1e-3, "log_hazard_ratio"), baseline=stated)
    told = found.xs("mean effect")["median"]
    assert told["days regained of 365"] == pytest.approx(days, abs=0.06)
    assert told["more of 1000 by day 365"] == pytest.approx(1000 * (back - risk), abs=1.6)


def test_days_regained_have_the_distribution_of_draws() -> None:
    rng, count = np.random.default_rng(3), 40_000
    stated = StatedBaseline(risk=0.6, interval=(0.5, 0.75), day=180, shape=0.7, source="x")
    measure = measure_named("log_hazard_ratio")
    found = Change(mixture(), of_days(measure, "higher", "", stated.points(), 365.0))
    which, z = rng.random(count) < 0.3, rng.standard_normal(count)
    effects = np.where(which, rng.normal(-0.1, 0.3, count), rng.normal(0.35, 0.12, count))
    ends = np.log(np.array([0.5, 0.6, 0.75]) / (1 - np.array([0.5, 0.6, 0.75])))
    side = np.where(z < 0, ends[1] - ends[0], ends[2] - ends[1]) / stats.norm.ppf(0.975)
    risks = 1 / (1 + np.exp(-(ends[1] + side * z)))
    # The integral of survival by the trapezoid, a day a step.
    days = np.arange(366.0)
    rate = -np.log1p(-risks)
    power = (days / 180.0) ** 0.7
    first = np.trapezoid(np.exp(-rate[:, None] * power), days, axis=1)
    second = np.trapezoid(np.exp(-(rate * np.exp(effects))[:, None] * power), days, axis=1)
    change = first - second
    for q in (0.025, 0.5, 0.975):
        slack = 4 * math.sqrt(q * (1 - q) / count)
        assert np.mean(change <= found.quantile(q)) == pytest.approx(q, abs=slack)
    assert found.above(400.0) == 0.0
    assert found.above(-400.0) == pytest.approx(1.0)


def test_other_measures_tell_days_from_what_they_need() -> None:
    days = absolute_effects(*pooled(-12.0, 4.0, "mean_difference", "lower", "days")).iloc[0]
    assert_allclose(
        days[["median", "lower", "upper"]].to_numpy(dtype=float), [12.0, 4.1601, 19.8399], atol=1e-3
    )
    assert days["benefit"] == pytest.approx(stats.norm.cdf(3.0))
    mean = StatedBaseline(mean=120.0, source="x")
    ratio = absolute_effects(
        *pooled(math.log(0.9), 0.05, "log_ratio_of_means", "lower"), baseline=mean
    )
    assert ratio["median"].iloc[0] == pytest.approx(12.0)
    assert ratio["without"].iloc[0] == pytest.approx(120.0)
    sd = StatedBaseline(sd=90.0, source="x")
    smd = absolute_effects(*pooled(-0.2, 0.1, "standardised_mean_difference", "lower"), baseline=sd)
    assert smd["median"].iloc[0] == pytest.approx(18.0)


def test_rates_tell_events_in_person_time_and_ratios_of_medians_days() -> None:
    rate = StatedBaseline(rate=0.2, interval=(0.1, 0.4), source="x")
    certain = StatedBaseline(rate=0.2, source="x")
    ratio = absolute_effects(
        *pooled(math.log(0.8), 0.1, "log_rate_ratio", "lower"), baseline=certain
    ).iloc[0]
    ends = 200 * np.expm1(math.log(0.8) + 0.1 * stats.norm.ppf([0.5, 0.025, 0.975]))
    assert_allclose(ratio[["median", "lower", "upper"]].to_numpy(dtype=float), ends, rtol=1e-9)
    assert ratio["without"] == pytest.approx(200.0)
    assert math.isnan(ratio["needed"])
    difference = absolute_effects(
        *pooled(-0.05, 0.02, "rate_difference", "lower"), baseline=rate
    ).iloc[0]
    assert difference["median"] == pytest.approx(-50.0)
    assert difference["benefit"] == pytest.approx(stats.norm.cdf(2.5))
    rng, count = np.random.default_rng(5), 400_000
    side = (math.log(2) / stats.norm.ppf(0.975)) * rng.standard_normal(count)
    change = 200 * np.exp(side) * np.expm1(rng.normal(math.log(0.8), 0.1, count))
    wide = absolute_effects(
        *pooled(math.log(0.8), 0.1, "log_rate_ratio", "lower"), baseline=rate
    ).iloc[0]
    for end, q in (("lower", 0.025), ("median", 0.5), ("upper", 0.975)):
        assert np.mean(change <= wide[end]) == pytest.approx(
            q, abs=4 * math.sqrt(q * (1 - q) / count)
        )
    days = absolute_effects(
        *pooled(math.log(0.75), 0.1, "log_ratio_of_medians", "lower"),
        baseline=StatedBaseline(median=80.0, source="x"),
    )
    assert days["median"].iloc[0] == pytest.approx(20.0)
    with pytest.raises(SpecError, match="needs a baseline rate; a risk is stated"):
        absolute_effects(
            *pooled(0.1, 0.1, "log_rate_ratio"), baseline=StatedBaseline(risk=0.5, source="x")
        )


def test_what_is_stated_keeps_its_middle_and_both_ends() -> None:
    points = StatedBaseline(risk=0.6, interval=(0.45, 0.65), source="x").points()
    assert [points.quantile(q) for q in (0.025, 0.5, 0.975)] == pytest.approx(
        [0.45, 0.6, 0.65], abs=2e-4
    )
    cohort = StatedBaseline(events=74, n=84, source="x").points()
    law = stats.beta(74.5, 10.5)
    assert [cohort.quantile(q) for q in (0.1, 0.5, 0.9)] == pytest.approx(
        law.ppf([0.1, 0.5, 0.9]), abs=2e-4
    )
    assert cohort.weight @ cohort.level == pytest.approx(law.mean(), abs=1e-7)
    assert cohort.weight @ cohort.level**2 == pytest.approx(law.var() + law.mean() ** 2, abs=1e-7)
    prior = StatedBaseline(prior=brw.prior.Beta(74.5, 10.5), source="x").points()
    assert_allclose(prior.level, cohort.level, atol=1e-9)


def test_a_risk_predicted_from_groups_holds_their_heterogeneity() -> None:
    frame = pd.DataFrame({"study": list("ABC"), "effect": [0.0, 0.5, 1.0], "se": [0.1, 0.1, 0.1]})
    groups = brw.Evidence.from_frame(frame, measure="logit_proportion")
    model = brw.Model(
        terms=(brw.Intercept(brw.prior.Normal(0, 1.5)), brw.Exchangeable(brw.prior.HalfNormal(1.0)))
    )
    points = predicted(model, groups, source="three groups")
    new = brw.predict(model, groups)
    for q, end in ((0.5, "new_median"), (0.025, "new_lower"), (0.975, "new_upper")):
        assert points.quantile(q) == pytest.approx(1 / (1 + math.exp(-new[end].iloc[0])), abs=2e-4)


def test_comparison_groups_that_rows_share_count_once() -> None:
    frame = pd.DataFrame(
        {
            "study": ["A", "A", "B"], "events_t": [12, 15, 9], "n_t": [20, 20, 20],
            "events_c": [10, 10, 8], "n_c": [20, 20, 20],
        }
    )  # fmt: skip
    rows = brw.Evidence.from_frame(
        frame, columns={name: name for name in frame}, measure="log_risk_ratio"
    )
    _, groups = of_comparison_groups(rows)
    assert groups.size == 2
    points = StatedBaseline(comparison_groups=True, source="own groups").points(rows)
    assert 0.3 < points.quantile(0.5) < 0.6
    with pytest.raises(SpecError, match="needs the rows"):
        StatedBaseline(comparison_groups=True, source="own groups").points()
    with pytest.raises(SpecError, match="0 comparison group has counts"):
        StatedBaseline(comparison_groups=True, source="own").points(
            pooled(0.1, 0.1, "log_risk_ratio")[1]
        )


def test_values_of_moderators_have_rows_of_their_own() -> None:
    synthesis = brw.run(brw.open_analysis("cancer-rtw"))
    kinds = ["physical", "psycho-educational"]
    found = absolute_effects(
        synthesis, baseline=StatedBaseline(risk=0.627, source="x"), at={"comparison": kinds}
    )
    told = brw.predict(synthesis, at={"comparison": kinds})
    for kind in kinds:
        own = found.loc[(f"comparison {kind}", "mean effect", "more of 1000"), "median"]
        assert own == pytest.approx(627 * (math.exp(told.loc[kind, "median"]) - 1))


@pytest.mark.parametrize("risk", [0.0, 1.0, -0.1, 1.2, math.nan, 60.0])
def test_a_baseline_outside_its_range_is_refused(risk: float) -> None:
    with pytest.raises(SpecError, match=r"risk must lie in \(0, 1\)"):
        StatedBaseline(risk=risk, source="x")


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"risk": 0.5, "source": " "}, "source is empty"),
        ({"source": "x"}, "found none"),
        ({"risk": 0.5, "mean": 3.0, "source": "x"}, "found risk, mean"),
        ({"risk": 0.5, "interval": (0.6, 0.7), "source": "x"}, "around the number"),
        ({"risk": 0.5, "interval": (0.4, 1.0), "source": "x"}, "around the number"),
        ({"events": 5, "source": "x"}, "events must lie"),
        ({"events": 5, "n": 4, "source": "x"}, "events must lie"),
        ({"mean": -1.0, "source": "x"}, "mean must be positive"),
        ({"risk": 0.5, "day": 0.0, "source": "x"}, "day must be positive"),
        ({"prior": brw.prior.Normal(0.5, 0.1), "source": "x"}, "choose a beta prior"),
        ({"events": 5, "n": 9, "interval": (0.1, 0.9), "source": "x"}, "around the number"),
    ],
)
def test_a_baseline_that_is_none_is_refused(stated: dict, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        StatedBaseline(**stated)


def test_what_has_no_absolute_effect_says_what_is_missing() -> None:
    with pytest.raises(SpecError, match="state the baseline"):
        absolute_effects(*pooled(0.1, 0.1, "log_risk_ratio"))
    with pytest.raises(SpecError, match="needs a baseline risk; a mean is stated"):
        absolute_effects(
            *pooled(0.1, 0.1, "log_risk_ratio"), baseline=StatedBaseline(mean=3.0, source="x")
        )
    with pytest.raises(SpecError, match="need a baseline mean; none is stated"):
        absolute_effects(*pooled(0.1, 0.1, "log_ratio_of_means", "lower"))
    with pytest.raises(SpecError, match=r"none is stated. State it.*--risk, --by-day and --shape"):
        of_days(measure_named("log_hazard_ratio"), "higher", "", None)
    with pytest.raises(SpecError, match="tells no days"):
        absolute_effects(*pooled(0.1, 0.1, "log_variability_ratio"))
    with pytest.raises(SpecError, match="are in points, and differences of days alone"):
        absolute_effects(*pooled(0.1, 0.1, "mean_difference", "higher", "points"))
    with pytest.raises(SpecError, match="direction of benefit"):
        absolute_effects(*pooled(0.1, 0.1, "mean_difference", "", "days"))
    hazard = measure_named("log_hazard_ratio")
    with pytest.raises(SpecError, match="here lower is"):
        of_days(hazard, "lower", "", StatedBaseline(risk=0.5, source="x").points())
    with pytest.raises(SpecError, match="need a curve of return"):
        of_days(hazard, "higher", "", StatedBaseline(risk=0.5, source="x").points())
    with pytest.raises(SpecError, match="is no ratio"):
        as_ratio(measure_named("mean_difference"), "higher")
    with pytest.raises(SpecError, match="is no difference"):
        as_difference(hazard, "higher", "")
    with pytest.raises(SpecError, match="predicted from"):
        predicted(*pooled(0.1, 0.1, "log_risk_ratio"), source="x")


def test_quantiles_of_points_that_are_one_are_that_one() -> None:
    assert BaselinePoints(np.array([0.4]), np.ones(1), "risk", "x").quantile(0.9) == pytest.approx(
        0.4
    )
