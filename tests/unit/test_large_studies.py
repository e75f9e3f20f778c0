"""Studies of return to work with many people, and ratios whose people nobody tells, against plain sums."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp, xlogy

import bayesrtw as brw
from bayesrtw.evidence.combine import combine
from bayesrtw.model.return_to_work import MEASURE, ReturnToWork

DAY = 182.0


def _log(row: dict[str, float], theta: np.ndarray, **settings: float) -> np.ndarray:
    """Log likelihood of one study at effects, its maximum taken off."""
    evidence = brw.Evidence.from_returns(pd.DataFrame([{"study": "A"} | row]))
    log = ReturnToWork(**settings).observe(evidence).log_at(theta)[0]
    return log - log.max()


def _summed(events: tuple[int, int], people: int, theta: np.ndarray) -> np.ndarray:
    """Sum two binomials over medians and shapes of the comparison, both normal in their logs."""
    median = np.linspace(-2.5, 2.5, 4001)[:, None] + math.log(120.0)
    log_shape = np.linspace(-1.5, 1.5, 81) + math.log(0.8)
    prior = -0.5 * (median - math.log(120.0)) ** 2
    prior = prior - 0.5 * ((log_shape - math.log(0.8)) / 0.25) ** 2
    hazard = math.log(2.0) * (DAY / np.exp(median)) ** np.exp(log_shape)
    level = np.linspace(-2.0, 2.0, 801)
    # Only the level at the one day counts: its prior is laid once.
    where = np.digitize(np.log(hazard), level)
    weight = np.bincount(where.ravel(), np.exp(prior).ravel(), len(level) + 1)[1:-1]
    at, weight = 0.5 * (level[1:] + level[:-1]), np.log(np.maximum(weight, 1e-300))

    def binomial(count: int, log_hazard: np.ndarray) -> np.ndarray:
        own = np.exp(log_hazard)
        return xlogy(count, -np.expm1(-own)) - (people - count) * own

    both = binomial(events[0], at) + binomial(events[1], at + theta[:, None])
    return np.asarray(logsumexp(both + weight, axis=1))


@pytest.mark.parametrize(("people", "excess"), [(200, 0.25), (1000, 0.25), (5000, 0.1)])
def test_what_is_in_excess_of_many_counts_is_a_sum_over_effects(people: int, excess: float) -> None:
    events = round(0.6 * people), round(0.7 * people)
    theta = np.linspace(-0.6, 1.2, 19)
    moved = np.linspace(-1.6, 2.2, 761)
    inside = _summed(events, people, moved)
    expected = logsumexp(inside - 0.5 * ((moved - theta[:, None]) / excess) ** 2, axis=1)
    expected -= expected.max()
    row = {"events_c": events[0], "events_t": events[1], "n_c": people, "n_t": people, "at": DAY}
    kept = expected > -12.0
    found = _log(row, theta, excess_counts=excess)
    # The prior of a level stands in bins here, which moves a level by a hundredth of its own error.
    np.testing.assert_allclose(found[kept], expected[kept], atol=5e-3)


@pytest.mark.parametrize("people", [200, 1000])
@pytest.mark.parametrize("kind", ["risk_ratio", "odds_ratio"])
def test_a_ratio_beside_a_share_says_what_its_counts_say_whoever_is_counted(
    people: int, kind: str
) -> None:
    theta = np.linspace(-1.5, 2.0, 701)
    back = 0.6 * people, 0.72 * people

    def moments(row: dict[str, float]) -> tuple[float, float]:
        weight = np.exp(_log(row, theta))
        weight /= weight.sum()
        mean = float(weight @ theta)
        return mean, math.sqrt(weight @ (theta - mean) ** 2)

    n = {"n_c": people, "n_t": people}
    counts = moments({"events_c": back[0], "events_t": back[1], "at": DAY} | n)
    each = np.array(back), people - np.array(back)
    if kind == "risk_ratio":
        ratio, se = 1.2, math.sqrt(np.sum(1.0 / each[0]) - 2.0 / people)
    else:
        ratio, se = 0.72 * 0.4 / (0.6 * 0.28), math.sqrt(np.sum(1.0 / np.array(each)))
    row = {kind: ratio, f"{kind}_se": se, "share_c": 0.6, "at": DAY}
    told = [moments(row | some) for some in (n, {"n_c": people}, {"n_t": people}, {})]
    # They are taken to go together a little less than they do.
    assert told[0] == (
        pytest.approx(counts[0], abs=0.06 * counts[1]), pytest.approx(counts[1], rel=0.03)
    )  # fmt: skip
    for some in told[1:]:
        assert some == pytest.approx(told[0], rel=1e-6)


def test_counts_of_a_file_are_heard_as_counts(tmp_path: Path) -> None:
    """Reading makes a normal log hazard ratio of them, which is an approximation."""
    rows = [
        {
            "study": "A",
            "estimate": 1.4,
            "ci_low": 0.95,
            "ci_high": 2.06,
            "reported": "hazard_ratio",
        },
        {"study": "B", "events_t": 35, "n_t": 55, "events_c": 20, "n_c": 50, "at": DAY},
        {"study": "C", "median_t": 88, "median_c": 120, "n_t": 60, "n_c": 62},
    ]
    frame = pd.DataFrame(rows).assign(measure="log_hazard_ratio")
    frame.to_csv(tmp_path / "mine.csv", index=False)
    theta = np.linspace(-0.5, 1.5, 9)
    log = ReturnToWork().observe(brw.open_dataset(tmp_path / "mine.csv")).log_at(theta)
    of_frame = frame.rename(columns={"estimate": "hazard_ratio"}).drop(
        columns=["measure", "reported"]
    )
    expected = ReturnToWork().observe(brw.Evidence.from_returns(of_frame)).log_at(theta)
    np.testing.assert_allclose(np.diff(log), np.diff(expected), atol=1e-9)


def test_a_ratio_that_nobody_converted_is_heard_below_a_data_set() -> None:
    own = brw.Evidence.from_returns(pd.DataFrame([{"study": "own", "effect": 0.2, "se": 0.1}]))
    trials = brw.open_dataset("rtw-trials").select(outcome="time_to_rtw")
    spoken = ReturnToWork().currencies(combine(trials.select(measure=MEASURE), own))
    assert spoken[-1] == ("hazard ratios",)


ARMS = {"median_t": 90, "median_c": 120, "n_t": 40, "n_c": 40}
COUNTS = {"events_t": 9, "events_c": 8, "n_t": 20, "n_c": 20, "at": 90}
RATIO = {"risk_ratio": 1.2, "risk_ratio_se": 0.1, "at": 180}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ARMS | {"q1_t": 50, "q3_t": 400, "follow_up_days": 365}, "q3_t of 400 days lies beyond"),
        (ARMS | {"median_t_low": 120, "median_t_high": 60}, "hold median_t between them"),
        (ARMS | {"median_t_low": 95}, "hold median_t between them"),
        ({"median_t": 90, "n_t": 40}, "of one arm"),
        ({"days_c": 90, "days_c_se": 9, "horizon": 365}, "of one arm"),
        (COUNTS | {"events_t": 0, "n_t": 0}, "no people"),
        (COUNTS | {"events_t_2": 12, "events_c_2": 9, "at_2": 90}, "each date once"),
        (RATIO | {"share_c": 60}, "not per cent"),
        (RATIO | {"risk_ratio": 1.9, "share_c": 0.8}, "more than everybody"),
    ],
)
def test_what_cannot_be_is_named(row: dict[str, float], said: str) -> None:
    evidence = brw.Evidence.from_returns(pd.DataFrame([{"study": "A", **row}]))
    faults = ReturnToWork().faults(evidence)
    assert any(said in each and "'A'" in each for each in faults), faults


def test_a_limit_that_a_curve_does_not_reach_is_none() -> None:
    row = {"study": "A", **ARMS, "median_t_low": 60, "median_t_high": math.nan}
    assert not ReturnToWork().faults(brw.Evidence.from_returns(pd.DataFrame([row])))


def test_ranges_are_said_to_add_nothing() -> None:
    row = {"study": "A", **ARMS, "min_t": 3, "max_t": 300}
    checks = ReturnToWork().findings(brw.Evidence.from_returns(pd.DataFrame([row])))
    assert [each.check for each in checks] == ["translated", "range-unheard"]


def test_a_hazard_ratio_outside_its_interval_is_named() -> None:
    rows = [{"study": "A", "hazard_ratio": 1.2, "ci_low": 1.3, "ci_high": 1.6}]
    with pytest.raises(brw.errors.EvidenceError, match=r"row 1, column hazard_ratio: 1\.2 with"):
        brw.Evidence.from_returns(pd.DataFrame(rows))


@pytest.mark.parametrize(
    "asked",
    [
        lambda curve: brw.currencies.back(curve, -5.0),
        lambda curve: brw.currencies.back(curve, 90.0, -1.0),
        lambda curve: brw.currencies.median_under(curve, 0.0),
        lambda curve: brw.currencies.days_regained(curve, -1.0, 1.2),
        lambda curve: brw.currencies.odds_ratio_at(curve, 90.0, math.nan),
    ],
)
def test_no_currency_has_days_before_the_first_or_ratios_below_none(asked) -> None:
    with pytest.raises(brw.errors.EvidenceError, match="must"):
        asked(brw.currencies.WeibullReturn(90.0, 0.8))


def test_a_ratio_of_odds_goes_on_where_all_are_back() -> None:
    found = brw.currencies.odds_ratio_at(brw.currencies.WeibullReturn(1.0, 1.0), 2000.0, 1.001)
    # Odds of exp(H) - 1, where nothing but exp(0.001 H) is left of their ratio.
    assert float(found) == pytest.approx(math.exp(0.001 * 2000.0 * math.log(2.0)), rel=1e-12)
