"""Return to work in several currencies: published conversions, sums over curves, and simulated people."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import logit

import bayesrtw as brw
from bayesrtw.analysis.query import selected
from bayesrtw.errors import EvidenceError, Faults, SpecError
from bayesrtw.evidence.hazards import (
    PiecewiseReturn,
    WeibullReturn,
    back,
    days_regained,
    hazard_ratio_of_days,
    hazard_ratio_of_medians,
    hazard_ratio_of_odds_ratio,
    hazard_ratio_of_risk_ratio,
    median_under,
    odds_ratio_at,
    risk_ratio_at,
    risk_ratio_of_hazard_ratio,
    weibull_through,
)
from bayesrtw.model.bias import discounted
from bayesrtw.model.currency import Averaged, Back, Report, Shape, Treated
from bayesrtw.model.curve import curve
from bayesrtw.model.likelihood import Likelihood
from bayesrtw.model.return_to_work import ReturnToWork
from bayesrtw.model.returns import Returns
from bayesrtw.registry import decode, encode

NAN = math.nan
WEIBULL = Shape(0.0, (math.log(120.0), 1.0), (math.log(0.8), 0.25))
PIECES = Shape(90.0, (math.log(120.0), 1.0), (math.log(0.7), 0.5))
PEOPLE = np.array([68.0, 66.0])


@pytest.mark.parametrize(
    ("shape", "median", "days", "before", "after", "odds"),
    [
        (0.6, 62.0, 26.6, 0.799, 0.866, 1.62),
        (0.8, 68.1, 24.2, 0.881, 0.930, 1.80),
        # The table that this repeats prints an odds ratio of 2.09: (e^3.5139 - 1) / (e^2.8111 - 1) is 2.084.
        (1.0, 72.0, 21.3, 0.940, 0.970, 2.08),
        (1.3, 75.8, 16.8, 0.986, 0.995, 2.94),
    ],
)
def test_a_hazard_ratio_of_1_25_in_every_currency(shape, median, days, before, after, odds) -> None:
    told = WeibullReturn(90.0, shape)
    assert round(float(median_under(told, 1.25)), 1) == median
    assert round(float(days_regained(told, 365, 1.25)), 1) == days
    assert round(float(back(told, 365)), 3) == before
    assert round(float(back(told, 365, 1.25)), 3) == after
    assert round(float(odds_ratio_at(told, 365, 1.25)), 2) == odds


@pytest.mark.parametrize("told", [WeibullReturn(90.0, 0.8), PiecewiseReturn(90.0, 0.4, 120.0)])
def test_there_and_back_again(told) -> None:
    for ratio in (0.6, 1.25, 2.0):
        share = float(back(told, 180.0))
        risk = float(risk_ratio_at(told, 180.0, ratio))
        odds = float(odds_ratio_at(told, 180.0, ratio))
        assert float(hazard_ratio_of_risk_ratio(risk, share)) == pytest.approx(ratio, rel=1e-12)
        assert float(hazard_ratio_of_odds_ratio(odds, share)) == pytest.approx(ratio, rel=1e-12)
        won = float(days_regained(told, 365.0, ratio))
        assert hazard_ratio_of_days(told, 365.0, -won) == pytest.approx(ratio, rel=1e-9)
        whole = quad(lambda t, r=ratio: np.exp(-told.hazard(t) * r), 0, 365, points=[90, 120])[0]
        assert float(told.days(365.0, ratio)) == pytest.approx(whole, rel=1e-8)
        assert float(back(told, median_under(told, ratio), ratio)) == pytest.approx(0.5, rel=1e-12)
    assert float(risk_ratio_of_hazard_ratio(1.25)) == pytest.approx(1.167, abs=5e-4)
    assert float(hazard_ratio_of_medians(62.0, 90.0, 0.6)) == pytest.approx(1.25, abs=2e-3)


def test_a_curve_goes_through_two_shares() -> None:
    told = weibull_through({90: 0.5, 365: 0.881})
    assert (float(told.median), round(float(told.shape), 3)) == (pytest.approx(90.0), 0.801)
    with pytest.raises(EvidenceError, match="two dates"):
        weibull_through({90: 0.5})


def test_what_cannot_be_converted_is_named() -> None:
    with pytest.raises(EvidenceError, match="between 0 and 1"):
        hazard_ratio_of_risk_ratio(2.0, 0.6)
    with pytest.raises(EvidenceError, match="horizon"):
        hazard_ratio_of_days(WeibullReturn(90.0), 365.0, -200.0)
    with pytest.raises(EvidenceError, match="positive"):
        WeibullReturn(-1.0)


def _summed(study: Returns, theta: float) -> float:
    """Log likelihood by a plain sum over medians and shapes."""
    prior = study.shape
    m = np.linspace(
        prior.median[0] - 8 * prior.median[1], prior.median[0] + 8 * prior.median[1], 1601
    )
    s = np.linspace(prior.shape[0] - 7 * prior.shape[1], prior.shape[0] + 7 * prior.shape[1], 281)
    m, s = m[:, None], s[None]
    k = np.exp(s)
    if prior.cut:

        def hazard(t):
            def passed(d):
                return np.minimum(d, prior.cut) + k * np.maximum(d - prior.cut, 0.0)

            return math.log(2.0) * passed(t) / np.exp(m)
    else:

        def hazard(t):
            return math.log(2.0) * (t / np.exp(m)) ** k

    log = stats.norm.logpdf(m, *prior.median) + stats.norm.logpdf(s, *prior.shape)
    if study.seen is not None:
        for arm, n in enumerate(study.seen.n):
            share = [0.0 * m + 0.0 * s]
            share += [-np.expm1(-hazard(t) * math.exp(theta * arm)) for t in study.seen.day]
            each = np.diff(np.stack([*share, 1.0 + 0.0 * share[0]]), axis=0)
            r = np.diff(np.r_[0.0, study.seen.events[arm], n])
            with np.errstate(divide="ignore", invalid="ignore"):
                log = log + sum(c * np.log(p) for c, p in zip(r, each, strict=True) if c)
    for own in study.numbers:
        first, second = -np.expm1(-hazard(own.at) * math.exp(theta)), -np.expm1(-hazard(own.at))
        if own.kind == "risk_ratio":
            with np.errstate(divide="ignore", invalid="ignore"):
                told = np.log(first / second)
        else:
            # Weibull medians and quartiles.
            assert own.kind == "quantile"
            told = m + np.log(-math.log1p(-own.at) / math.log(2.0) * math.exp(-theta * own.arm)) / k
        log = log + stats.norm.logpdf(own.value, told, own.se)
    log = np.where(np.isnan(log), -np.inf, log)
    top = log.max()
    return float(top + math.log(np.exp(log - top).sum()))


COUNTED = Back(np.array([182.0]), np.array([[30.0], [40.0]]), PEOPLE)
TWICE = Back(np.array([91.0, 365.0]), np.array([[15.0, 45.0], [25.0, 52.0]]), PEOPLE)

MEDIANS = tuple(
    Report("quantile", math.log(days), 0.2, 0.5, arm) for days, arm in ((88.0, 1), (208.0, 0))
)


@pytest.mark.parametrize(
    ("numbers", "seen", "shape"),
    [
        ((), COUNTED, WEIBULL),
        ((), COUNTED, PIECES),
        ((), TWICE, WEIBULL),
        ((), TWICE, PIECES),
        ((), Back(np.array([182.0]), np.array([[0.0], [3.0]]), PEOPLE), WEIBULL),
        ((Report("risk_ratio", math.log(1.2), 0.1, 182.0),), None, WEIBULL),
        (MEDIANS, None, WEIBULL),
    ],
    ids=["date", "date-pieces", "dates", "dates-pieces", "none", "risk-ratio", "medians"],
)  # fmt: skip
def test_a_study_is_a_sum_over_its_curves(numbers, seen, shape) -> None:
    study = Returns("x", numbers, seen, PEOPLE, shape, {})
    theta = np.array([0.0, 0.2, 0.4, 0.7, 1.2])
    own, summed = study.log(theta), np.array([_summed(study, each) for each in theta])
    assert np.diff(own) == pytest.approx(np.diff(summed), abs=1e-6)
    laid = curve(study.log, study.best[0], study.spread)
    found = laid.log_integral(theta, np.zeros(5))
    assert np.diff(found) == pytest.approx(np.diff(own), abs=1e-6)


@pytest.mark.parametrize("shape", [WEIBULL, PIECES], ids=["weibull", "pieces"])
def test_days_and_counts_with_an_excess_are_a_sum_over_curves(shape) -> None:
    days = tuple(Report("days", by, 0.15, 365.0, arm) for arm, by in ((0, 0.4), (1, -0.1)))
    n, excess = np.array([120.0, 110.0]), 0.2
    study = Returns("x", days, None, n, shape, {})
    counted = Returns("x", (), TWICE, PEOPLE, shape, {"counts": excess})
    assert study.by_arm
    assert counted.by_arm
    s = np.linspace(-6, 6, 121) * shape.shape[1] + shape.shape[0]
    m = np.linspace(-7, 7, 801)[:, None] * shape.median[1] + shape.median[0]
    log = stats.norm.logpdf(m, *shape.median) + stats.norm.logpdf(s, *shape.shape)
    told = WeibullReturn(np.exp(m), np.exp(s))
    if shape.cut:
        later = shape.cut + (np.exp(m) - shape.cut) / np.exp(s)
        told = PiecewiseReturn(
            np.where(np.exp(m) <= shape.cut, np.exp(m), later), np.exp(s), shape.cut
        )

    def summed(theta):
        found = log
        for each in days:
            away = told.days(365.0, math.exp(theta * each.arm)) / 365.0
            found = found + stats.norm.logpdf(each.value, logit(away), each.se)
        return float(np.log(np.exp(found).sum()))

    theta = np.array([0.0, 0.2, 0.4, 0.6, 0.9])
    whole = np.array([summed(each) for each in theta])
    assert np.diff(study.log(theta)) == pytest.approx(np.diff(whole), abs=1e-6)
    x, weight = np.polynomial.hermite_e.hermegauss(19)
    bare = Returns("x", (), TWICE, PEOPLE, shape, {})
    few = theta[::4]
    each = [np.exp([_summed(bare, one + excess * by) for by in x]) @ weight for one in few]
    assert np.diff(counted.log(few)) == pytest.approx(np.diff(np.log(each)), abs=1e-6)


@pytest.mark.parametrize("told", [WeibullReturn(90.0, 0.8), PiecewiseReturn(90.0, 0.4, 120.0)])
def test_a_hazard_ratio_may_change_at_a_day(told) -> None:
    treated = Treated(told, np.array(2.0), np.array(0.7), 60.0)

    def hazard(day):
        whole, early = float(told.hazard(day)), float(told.hazard(min(day, 60.0)))
        return 2.0 * early + 0.7 * (whole - early)

    for day in (30.0, 60.0, 200.0, 365.0):
        assert float(treated.hazard(day)) == pytest.approx(hazard(day), rel=1e-12)
        assert float(treated.when(treated.hazard(day))) == pytest.approx(day, rel=1e-9)
        whole = quad(lambda t: math.exp(-hazard(t)), 0, day, points=[30, 60, 120])[0]
        assert float(treated.days(day)) == pytest.approx(whole, rel=1e-8)


@pytest.mark.parametrize("kind", ["counts", "medians", "hazard_ratio"])
def test_a_study_under_a_hazard_ratio_that_changes_is_a_sum_over_its_curves(kind) -> None:
    day, later = 120.0, -0.8
    numbers, seen = (MEDIANS, None) if kind == "medians" else ((), TWICE)
    study = (
        Averaged.of("x", 0.1, 0.2, WEIBULL, (day, later), 365.0)
        if kind == "hazard_ratio"
        else Returns("x", numbers, seen, PEOPLE, WEIBULL, {}, (day, later))
    )
    # Kinks cost a plain sum its digits unless it is fine.
    reach, points = (4, (40001, 101)) if kind == "medians" else (8, (1601, 281))
    m = np.linspace(-reach, reach, points[0])[:, None] + WEIBULL.median[0]
    s = np.linspace(-7, 7, points[1]) * WEIBULL.shape[1] + WEIBULL.shape[0]

    def hazard(t):
        return math.log(2.0) * (t / np.exp(m)) ** np.exp(s)

    def summed(theta):
        log = stats.norm.logpdf(m, *WEIBULL.median) + stats.norm.logpdf(s, *WEIBULL.shape)
        if kind == "hazard_ratio":
            back = [-np.expm1(-hazard(t)) for t in (day, 365.0)]
            log = log + stats.norm.logpdf(0.1, theta + later * (1 - back[0] / back[1]), 0.2)
            return float(np.log(np.exp(log).sum()))
        until = hazard(day)
        if kind == "medians":
            early = until * math.exp(theta)
            left = np.maximum(math.log(2.0) - early, 0.0) * math.exp(-theta - later)
            own = np.where(early >= math.log(2.0), math.log(2.0) * math.exp(-theta), until + left)
            told = m + np.log(own / math.log(2.0)) / np.exp(s)
            log = log + stats.norm.logpdf(MEDIANS[0].value, told, 0.2)
            log = log + stats.norm.logpdf(MEDIANS[1].value, m, 0.2)
            return float(log.max() + math.log(np.exp(log - log.max()).sum()))
        first, last = hazard(91.0), hazard(365.0)
        own = {0: (first, last)}
        own[1] = (
            first * math.exp(theta),
            (until * math.exp(theta) + (last - until) * math.exp(theta + later)),
        )
        for arm in (0, 1):
            one, two = (-np.expm1(-each) for each in own[arm])
            r, n = TWICE.events[arm], PEOPLE[arm]
            with np.errstate(divide="ignore", invalid="ignore"):
                log = log + r[0] * np.log(one) + (r[1] - r[0]) * np.log(two - one)
            log = log - (n - r[1]) * own[arm][1]
        log = np.where(np.isnan(log), -np.inf, log)
        return float(log.max() + math.log(np.exp(log - log.max()).sum()))

    theta = np.array([0.0, 0.2, 0.4, 0.7, 1.2])
    whole = np.array([summed(each) for each in theta])
    assert np.diff(study.log(theta)) == pytest.approx(np.diff(whole), abs=1e-6)


def test_quantiles_on_either_side_of_a_jump_are_a_sum_over_curves() -> None:
    numbers = (
        Report("quantile", math.log(88.0), 0.15, 0.5, 1),
        Report("quantile", math.log(80.0), 0.2, 0.25, 0),
    )
    study = Returns("x", numbers, None, PEOPLE, PIECES, {})
    m = np.linspace(-6, 6, 12001)[:, None] + PIECES.median[0]
    s = np.linspace(-7, 7, 281) * PIECES.shape[1] + PIECES.shape[0]

    def when(share, theta):
        passed = -math.log1p(-share) * math.exp(-theta) * np.exp(m) / math.log(2.0)
        return np.where(passed <= 90.0, passed, 90.0 + (passed - 90.0) * np.exp(-s))

    def summed(theta):
        log = stats.norm.logpdf(m, *PIECES.median) + stats.norm.logpdf(s, *PIECES.shape)
        log = log + stats.norm.logpdf(math.log(88.0), np.log(when(0.5, theta)), 0.15)
        log = log + stats.norm.logpdf(math.log(80.0), np.log(when(0.25, 0.0)), 0.2)
        return float(np.log(np.exp(log).sum()))

    theta = np.array([-0.5, 0.0, 0.3, 0.8, 1.1])
    whole = np.array([summed(each) for each in theta])
    assert np.diff(study.log(theta)) == pytest.approx(np.diff(whole), abs=1e-6)
    laid = curve(study.log, study.best[0], study.spread)
    found = laid.log_integral(theta, np.zeros(5))
    assert np.diff(found) == pytest.approx(np.diff(whole), abs=2e-6)


def test_counts_at_one_date_tell_the_same_whatever_the_curve_before_it() -> None:
    theta = np.array([0.0, 0.4, 0.8])
    wide = [Shape(cut, (5.0, 30.0), (0.0, 0.1)) for cut in (0.0, 90.0)]
    found = [Returns("x", (), COUNTED, PEOPLE, each, {}).log(theta) for each in wide]
    assert np.diff(found[0]) == pytest.approx(np.diff(found[1]), abs=2e-3)


def test_numbers_of_the_same_people_go_together_as_in_simulated_trials() -> None:
    n, ratio = np.array([400.0, 300.0]), math.exp(0.3)
    rng, told = np.random.default_rng(1), WeibullReturn(120.0, 0.8)
    days = [told.when(rng.exponential(size=(4000, int(n[arm]))) / ratio**arm) for arm in (0, 1)]
    seen = Back(np.array([100.0]), np.array([[0.0], [0.0]]), n)
    numbers = (
        Report("quantile", math.log(120.0), NAN, 0.5, 0), Report("quantile", math.log(300.0), NAN, 0.75, 0),
        Report("days", math.log(150.0 / 215.0), NAN, 365.0, 1), Report("median_ratio", 0.7, NAN, 0.5),
        Report("risk_ratio", 1.1, NAN, 200.0), Report("back", 0.1, NAN, 150.0, 1),
    )  # fmt: skip
    study = Returns("x", numbers, seen, n, WEIBULL, {})
    vars(study)["best"] = (0.3, math.log(float(told.hazard(100.0))), math.log(0.8))
    simulated = np.stack([
        np.log(np.median(days[0], axis=1)), np.log(np.quantile(days[0], 0.75, axis=1)),
        logit(np.minimum(days[1], 365.0).mean(axis=1) / 365.0),
        np.log(np.median(days[1], axis=1) / np.median(days[0], axis=1)),
        np.log((days[1] <= 200).mean(axis=1) / (days[0] <= 200).mean(axis=1)),
        np.log(-np.log1p(-(days[1] <= 150).mean(axis=1))),
        (days[0] <= 100).mean(axis=1), (days[1] <= 100).mean(axis=1),
    ])  # fmt: skip
    assert study.joint.sd == pytest.approx(simulated[:6].std(axis=1), rel=0.05)
    together = np.corrcoef(simulated)
    np.fill_diagonal(together, 1.0 / 0.95)
    assert study.joint.correlation == pytest.approx(0.95 * together, abs=0.04)


ROWS = [
    {"study": "A", "hazard_ratio": 1.9, "ci_low": 1.2, "ci_high": 2.8},
    {"study": "B", "events_t": 40, "n_t": 66, "events_c": 30, "n_c": 68, "at": 182},
    {"study": "C", "median_t": 88, "median_c": 208, "n_t": 66, "n_c": 68},
]


def test_studies_in_different_currencies_are_pooled() -> None:
    evidence = brw.Evidence.from_returns(pd.DataFrame(ROWS))
    likelihood = ReturnToWork()
    (said,) = likelihood.findings(evidence)
    assert "2 of 3 rows report no hazard ratio" in said.message
    terms = (brw.Intercept(brw.prior.Normal(0, 0.5)), brw.terms.Common())
    posterior = brw.fit(brw.Model(terms=terms, likelihood=likelihood), evidence)
    theta = np.linspace(-1.5, 2.5, 801)
    log = stats.norm.logpdf(theta, 0, 0.5)
    log += stats.norm.logpdf(math.log(1.9), theta, math.log(2.8 / 1.2) / (2 * 1.959963985))
    for unit in likelihood.observe(evidence).units[1:]:
        log += unit.log(theta)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    mean = float(weight @ theta)
    row = brw.summarise(posterior).loc["mu"]
    assert row["mean"] == pytest.approx(mean, abs=1e-6)
    assert row["sd"] == pytest.approx(math.sqrt(weight @ (theta - mean) ** 2), abs=1e-6)


def test_a_ratio_of_odds_is_told_by_the_share_without_the_programme() -> None:
    row = {"study": "A", "odds_ratio": 1.8, "odds_ratio_se": 0.2, "at": 365}
    row |= {"share_c": 0.88, "n_c": 9e9}
    (unit,) = ReturnToWork().observe(brw.Evidence.from_returns(pd.DataFrame([row]))).units
    # Of so many people the share is certain, and the hazard ratio that of the odds.
    known = float(hazard_ratio_of_odds_ratio(1.8, 0.88))
    theta = np.linspace(-1.5, 2.0, 36)
    hazard = -math.log(0.12) * np.exp(theta)
    odds = np.log(np.expm1(hazard)) - math.log(0.88 / 0.12)
    whole = stats.norm.logpdf(math.log(1.8), odds, 0.2)
    # Beyond, where nothing is left of it, likelihoods are as a look showed them.
    kept = whole > whole.max() - 40.0
    assert np.diff(unit.log(theta[kept])) == pytest.approx(np.diff(whole[kept]), abs=1e-3)
    assert unit.best[0] == pytest.approx(math.log(known), abs=0.02)


@pytest.mark.parametrize(("n", "back_c", "back_t"), [(200, 20, 30), (200, 180, 190), (60, 54, 57)])
def test_a_risk_ratio_with_a_share_says_what_its_counts_say(n, back_c, back_t) -> None:
    """Where nearly everybody is back the log of a risk ratio is far from normal."""
    share = {"risk_ratio": back_t / back_c, "share_c": back_c / n, "at": 182}
    share |= {"risk_ratio_se": math.sqrt(1 / back_c + 1 / back_t - 2 / n)}
    counts = {"events_t": back_t, "n_t": n, "events_c": back_c, "n_c": n, "at": 182}
    theta = np.linspace(-1.0, 1.5, 11)

    def told(row: dict, likelihood: ReturnToWork) -> np.ndarray:
        evidence = brw.Evidence.from_returns(pd.DataFrame([{"study": "A", **row}]))
        return np.diff(likelihood.observe(evidence).units[0].log(theta))

    want = told(counts, ReturnToWork())
    assert told(share, ReturnToWork()) == pytest.approx(want, abs=1e-8)
    assert told(share | {"n_t": n, "n_c": n}, ReturnToWork()) == pytest.approx(want, abs=1e-8)
    doubted = told(counts, ReturnToWork(excess_counts=0.2))
    assert told(share, ReturnToWork(excess_ratios=0.2)) == pytest.approx(doubted, abs=1e-8)
    # Clusters of two alike: half of the people.
    twice = share | {"n_t": n, "n_c": n, "risk_ratio_se": math.sqrt(2) * share["risk_ratio_se"]}
    half = {name: by / 2 for name, by in (("events_t", back_t), ("events_c", back_c))}
    study = Back(
        np.array([182.0]), np.array([[half["events_c"]], [half["events_t"]]]), np.full(2, n / 2)
    )
    alone = Returns("A", (), study, np.full(2, n / 2), WEIBULL, {})
    assert told(twice, ReturnToWork()) == pytest.approx(np.diff(alone.log(theta)), abs=1e-8)
    evidence = brw.Evidence.from_returns(pd.DataFrame([{"study": "A", **share}]))
    assert ReturnToWork().currencies(evidence) == [("ratios",)]
    assert ReturnToWork().spoken(evidence)[0].whole.said.startswith("risk ratio")


def test_shares_of_curves_are_heard_as_their_intervals_say() -> None:
    """At one date two complementary log-logs are normal: their difference is, given a vague curve."""
    row = {"study": "A", "at": 182, "share_t": 0.7, "share_c": 0.5}
    ends = {"t": (0.6, 0.79), "c": (0.41, 0.6)}
    row |= {f"share_{arm}_low": low for arm, (low, _) in ends.items()}
    row |= {f"share_{arm}_high": high for arm, (_, high) in ends.items()}
    likelihood = ReturnToWork(median=brw.prior.Normal(5.0, 9.0))
    (unit,) = likelihood.observe(brw.Evidence.from_returns(pd.DataFrame([row]))).units

    def level(share: float) -> float:
        return math.log(-math.log1p(-share))

    sd = math.hypot(
        *((level(high) - level(low)) / (2 * 1.959963985) for low, high in ends.values())
    )
    theta = np.linspace(-0.6, 1.6, 12)
    normal = stats.norm.logpdf(theta, level(0.7) - level(0.5), sd)
    assert np.diff(unit.log(theta)) == pytest.approx(np.diff(normal), abs=5e-3)


def test_results_of_several_outcomes_become_one_row_a_comparison() -> None:
    chosen = {"design": ["rct", "cluster_rct"], "role": "primary"}
    rows = brw.open_dataset("rtw-trials").select(outcome=["time_to_rtw", "at_work"], **chosen)
    joint = brw.currencies.on_one_scale(rows)
    by = {name: joint.rows(joint.matches("study", name)) for name in ("lambeek2010", "ntsiea2015")}
    assert float(by["lambeek2010"].data["effect"][0]) == pytest.approx(math.log(1.9))
    ntsiea = {name: float(by["ntsiea2015"].data[name][0]) for name in ("events_t", "n_t", "at")}
    assert ntsiea == {"events_t": 24.0, "n_t": 40.0, "at": pytest.approx(182.6, abs=0.1)}
    assert any("without a date" in said for said in joint.quarantined)
    assert not ReturnToWork().faults(joint)


def test_what_is_in_excess_of_a_translation_widens_it() -> None:
    def sd(excess: float) -> float:
        theta = np.linspace(-3, 4, 701)
        log = Returns("x", (), COUNTED, PEOPLE, WEIBULL, {"counts": excess}).log(theta)
        weight = np.exp(log - log.max())
        weight /= weight.sum()
        return math.sqrt(weight @ (theta - weight @ theta) ** 2)

    assert sd(0.2) == pytest.approx(math.hypot(sd(0.0), 0.2), abs=1e-4)


def test_an_excess_is_one_of_the_study_and_not_averaged_away_by_its_quartiles() -> None:
    def sd(excess: float) -> float:
        kept = tuple(
            Report("quantile", math.log(days), 0.02, share, arm)
            for arm, three in ((1, (30.0, 80.0, 190.0)), (0, (40.0, 108.0, 256.0)))
            for share, days in zip((0.25, 0.5, 0.75), three, strict=True)
        )
        study = Returns("x", kept, None, PEOPLE, WEIBULL, {"quantile": excess})
        theta = np.linspace(-1.0, 1.5, 501)
        log = study.log(theta)
        weight = np.exp(log - log.max())
        weight /= weight.sum()
        return math.sqrt(weight @ (theta - weight @ theta) ** 2)

    assert sd(0.2) == pytest.approx(math.hypot(sd(0.0), 0.2), rel=0.02)


def test_days_that_count_every_absence_are_named_unless_an_excess_allows_for_it() -> None:
    row = {"study": "A", "days_t": 90, "days_t_se": 9, "days_c": 99, "days_c_se": 9, "horizon": 365}
    evidence = brw.Evidence.from_returns(pd.DataFrame([row]))
    checks = [each.check for each in ReturnToWork().findings(evidence)]
    assert checks == ["translated", "recurrent-absence"]
    assert [each.check for each in ReturnToWork(excess_days=0.1).findings(evidence)] == checks[:1]
    bare = brw.Evidence.from_returns(pd.DataFrame([row | {"horizon": NAN}]))
    assert "row 'A': " in ReturnToWork().faults(bare)[0]


def test_settings_travel_and_are_checked() -> None:
    likelihood = ReturnToWork(cut=90.0, excess_days=0.1)
    faults = Faults(SpecError)
    assert decode(Likelihood, encode(likelihood), where="x", faults=faults) == likelihood
    assert not faults.found
    with pytest.raises(SpecError, match="excess_days must not be negative"):
        ReturnToWork(excess_days=-0.1)
    with pytest.raises(SpecError, match="must be normal"):
        ReturnToWork(shape=brw.prior.HalfNormal(1.0))


def test_a_pool_is_told_in_every_currency() -> None:
    frame = pd.DataFrame({"study": list("ABC"), "effect": [0.3, 0.1, 0.2], "se": [0.1, 0.2, 0.15]})
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)), brw.terms.Common()))
    norway = brw.currencies.norwegian_cohort()
    told = brw.currencies.answers(model, evidence, curve=norway, source="Norway").loc["mean effect"]
    weight = np.array([1 / 0.01, 1 / 0.04, 1 / 0.0225, 4.0])
    mean, sd = float(weight @ [0.3, 0.1, 0.2, 0.0] / weight.sum()), weight.sum() ** -0.5
    middle, low, high = np.exp(mean + sd * np.array([0.0, -1.959963985, 1.959963985]))
    assert told.loc["hazard ratio"].tolist() == pytest.approx([1.0, middle, low, high], rel=1e-8)
    share = 1000.0 * (1.0 - 0.12 ** np.array([1.0, middle, low, high]))
    assert 1000.0 * back(norway, 360.0) == pytest.approx(880.0)
    at = brw.currencies.answers(model, evidence, curve=norway, source="Norway", days=(360.0,))
    assert at.loc[("mean effect", "back of 1000 at day 360")].tolist() == pytest.approx(
        share, rel=1e-8
    )
    days = 55.0 * np.array([1.0, middle, high, low]) ** (-1.0 / float(norway.shape))
    assert told.loc["median days"].tolist() == pytest.approx(days, rel=1e-8)
    assert "recurrent absence is not counted" in at.describe()
    with pytest.raises(SpecError, match="source is empty"):
        brw.currencies.answers(model, evidence, curve=norway, source=" ")


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_what_is_sampled_is_the_density_of_the_sites(share) -> None:
    import pymc as pm  # noqa: PLC0415 - loaded where it is needed

    kept = ROWS if share == 1.0 else ROWS[:2]
    reported = brw.Evidence.from_returns(pd.DataFrame(kept))
    evidence = discounted(reported, np.full(len(kept), share))
    likelihood = ReturnToWork()
    with pm.Model() as model:
        likelihood.pymc(pm.Flat("theta", shape=len(kept)), evidence)
    logp = model.compile_fn(model.logp(), inputs=model.value_vars, mode="FAST_COMPILE")
    first, second = np.array([0.1, 0.2, 0.9])[: len(kept)], np.array([0.6, 0.5, 0.4])[: len(kept)]
    units = likelihood.observe(reported).units
    known = [
        share * sum(float(unit.log(at[place : place + 1])[0]) for place, unit in enumerate(units))
        for at in (first, second)
    ]
    found = [float(logp({"theta": at})) for at in (first, second)]
    assert found[0] - found[1] == pytest.approx(known[0] - known[1], abs=1e-5)


@pytest.mark.slow
def test_both_engines_agree() -> None:
    evidence = brw.Evidence.from_returns(pd.DataFrame(ROWS))
    terms = (brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Exchangeable(brw.prior.HalfNormal(0.25)))
    model = brw.Model(terms=terms, likelihood=ReturnToWork())
    exact = brw.summarise(brw.fit(model, evidence))
    sampled = brw.fit(model, evidence, engine=brw.Nuts())
    draws = sampled["posterior"]["mu"].to_numpy()
    mcse = draws.std() / math.sqrt(1000)
    assert abs(draws.mean() - exact.loc["mu", "mean"]) < 4 * mcse


@pytest.mark.slow
@pytest.mark.parametrize("name", ["return-to-work", "return-to-work-moderators"])
def test_both_engines_agree_on_the_shipped_analysis(name) -> None:
    """Within four Monte Carlo errors of what ArviZ makes of the draws, and within 90 s of two processors."""
    import os  # noqa: PLC0415 - what a test of time needs

    import arviz  # noqa: PLC0415

    analysis = brw.open_analysis(name)
    rows = selected(analysis, brw.open_dataset("rtw-trials")).evidence
    exact = brw.summarise(brw.fit(analysis.model, rows))
    start = os.times()
    sampled = brw.fit(analysis.model, rows, engine=brw.Nuts(), seed=analysis.seed)
    assert sum(os.times()[:4]) - sum(start[:4]) < 2 * 90.0
    kept = sampled["posterior"].to_dataset()[["mu", "tau"]]
    for of in ("mu", "tau"):
        draws = kept[of].to_numpy()
        for told, drawn, kind in (
            ("mean", draws.mean(), "mean"),
            ("sd", draws.std(), "sd"),
            ("lower", np.quantile(draws, 0.025), 0.025),
            ("upper", np.quantile(draws, 0.975), 0.975),
        ):
            by = (
                {"method": "quantile", "prob": kind}
                if isinstance(kind, float)
                else {"method": kind}
            )
            mcse = float(arviz.mcse(draws, **by))
            assert abs(drawn - exact.loc[of, told]) < 4 * mcse, (of, told)


@pytest.mark.parametrize("share", [0.2, 0.05, 0.02])
def test_powers_of_a_likelihood_are_right_far_below_its_maximum(share) -> None:
    study = Returns("x", (), COUNTED, PEOPLE, WEIBULL, {})
    laid = curve(lambda theta: share * study.deep(theta), study.best[0], study.spread)
    theta = study.best[0] + study.spread * np.array([-9.0, -4.0, 0.0, 4.0, 9.0])
    summed = share * np.array([_summed(study, each) for each in theta])
    found = laid.log_integral(theta, np.zeros(5))
    assert np.diff(found) == pytest.approx(np.diff(summed), abs=1e-6)
