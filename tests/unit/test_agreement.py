"""Whether currencies agree, and hazards are proportional: against sums over grids and simulated people."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import returns_coverage
from scipy import stats
from scipy.integrate import quad
from scipy.interpolate import CubicSpline

import bayesrtw as brw
from bayesrtw.engine.by_setting import by_setting
from bayesrtw.errors import SpecError
from bayesrtw.model.return_to_work import ReturnToWork

ROWS = [
    {"study": "A", "effect": 0.6, "se": 0.2, "follow_up_days": 365},
    {"study": "B", "effect": 0.1, "se": 0.15, "follow_up_days": 365},
    {"study": "C", "events_t": 45, "n_t": 66, "events_c": 26, "n_c": 68, "at": 182},
]
TERMS = (brw.Intercept(brw.prior.Normal(0, 0.5)), brw.terms.Common())
MODEL = brw.Model(terms=TERMS, likelihood=ReturnToWork())


@pytest.mark.parametrize(
    "log",
    [lambda x: -0.5 * ((x - 0.7) / 0.15) ** 2, lambda x: 9.0 * x - 6.0 * math.exp(x)],
    ids=["normal", "skew"],
)
def test_a_number_is_integrated_by_fits_at_a_few_of_its_values(log) -> None:
    asked = []

    def refit(value):
        asked.append(value)
        return SimpleNamespace(posterior=SimpleNamespace(log_evidence=log(value)))

    found = by_setting(refit, (0.0, 0.5))

    def density(x, power=0):
        return x**power * math.exp(log(x) - log(0.5)) * stats.norm.pdf(x, 0.0, 0.5)

    whole, first, second = (quad(density, -3, 4, args=(p,), limit=200)[0] for p in range(3))
    mean, sd = first / whole, math.sqrt(second / whole - (first / whole) ** 2)
    assert len(asked) <= 15
    assert found.moments == pytest.approx((mean, sd), abs=5e-4 * sd)
    below = quad(density, -3, 0.3, limit=200)[0] / whole
    assert found.above(0.3) == pytest.approx(1.0 - below, abs=3e-4)
    factor = math.log(whole) + log(0.5) - log(0.0)
    assert found.log_bayes_factor == pytest.approx(factor, abs=1e-3)
    assert found.share @ found.nodes == pytest.approx(mean, abs=5e-4 * sd)


def test_a_currency_that_tells_another_ratio_is_weighed_as_on_a_grid() -> None:
    evidence = brw.Evidence.from_returns(pd.DataFrame(ROWS))
    found = brw.currencies.agreement(MODEL, evidence)
    unit = ReturnToWork().observe(evidence).units[2]
    mu, gamma = np.linspace(-2, 3, 501)[:, None], np.linspace(-3, 3, 601)
    log = stats.norm.logpdf(mu, 0, 0.5) + stats.norm.logpdf(gamma, 0, 0.5)
    log = log + stats.norm.logpdf(0.6, mu, 0.2) + stats.norm.logpdf(0.1, mu, 0.15)
    at = np.linspace(-4, 5, 4001)
    log = log + np.interp(mu + gamma, at, unit.log(at))
    weight = np.exp(log - log.max()).sum(axis=0)
    weight /= weight.sum()
    below = np.cumsum(weight) - 0.5 * weight
    row = found.loc["counts"]
    assert math.log(row["median"]) == pytest.approx(np.interp(0.5, below, gamma), abs=1e-3)
    assert math.log(row["upper"]) == pytest.approx(np.interp(0.975, below, gamma), abs=1e-3)
    assert found["speaks"].tolist() == [False, False]
    assert "No currency tells another" in found.describe()


def _counted(studies, n, early):
    rng, rows = np.random.default_rng(5), []
    for place in range(studies):
        days = returns_coverage.times(0.2, 110.0, 0.8, n, rng, early=early)
        back = [(days <= day).sum(axis=1) for day in (60.0, 365.0)]
        row = {"study": f"s{place}", "n_c": n, "n_t": n, "at": 60.0, "at_2": 365.0}
        row |= {"events_c": back[0][0], "events_t": back[0][1]}
        rows.append(row | {"events_c_2": back[1][0], "events_t_2": back[1][1]})
    return brw.Evidence.from_returns(pd.DataFrame(rows))


def test_hazards_that_change_are_seen() -> None:
    evidence = _counted(2, 800, (60.0, math.log(1.8), math.log(0.8)))
    found = brw.currencies.changing(MODEL, evidence, day=60.0, ci_prob=0.998)
    assert found.loc["after / before", "speaks"]
    assert found.loc["before", "lower"] < 1.8 < found.loc["before", "upper"]
    assert found.loc["after", "lower"] < 0.8 < found.loc["after", "upper"]
    assert "not proportional" in found.describe()


@pytest.mark.slow
def test_hazards_that_do_not_change_are_not_said_to() -> None:
    found = brw.currencies.changing(MODEL, _counted(8, 200, None), day=60.0)
    assert not found.loc["after / before", "speaks"]
    assert "Nothing here says" in found.describe()


def test_shapes_are_pooled_over_studies_as_on_a_grid() -> None:
    # Curves of two large control groups tell the shape; the third study has mean days alone.
    rng, rows = np.random.default_rng(2), []
    for place in range(2):
        days = returns_coverage.times(0.3, 120.0, 0.55, 400, rng)
        row = {"study": f"s{place}", "n_c": 400, "n_t": 400}
        for end, day in (("", 60.0), ("_2", 365.0)):
            back = (days <= day).sum(axis=1)
            row |= {f"at{end}": day, f"events_c{end}": back[0], f"events_t{end}": back[1]}
        rows.append(row)
    evidence = brw.Evidence.from_returns(pd.DataFrame(rows))
    found = brw.currencies.pooled_shape(MODEL, evidence, between=0.1)
    means = np.linspace(math.log(0.8) - 1.2, math.log(0.8) + 0.5, 18)
    mu = np.linspace(-1.5, 2.0, 401)
    log = np.empty((len(means), len(mu)))
    for place, mean in enumerate(means.tolist()):
        likelihood = ReturnToWork(shape=brw.prior.Normal(mean, 0.1))
        log[place] = sum(unit.log(mu) for unit in likelihood.observe(evidence).units)
        log[place] += stats.norm.logpdf(mu, 0, 0.5) + stats.norm.logpdf(mean, math.log(0.8), 0.25)
    weight = np.exp(log - log.max())
    fine = np.linspace(means[0], means[-1], 1701)
    each = np.exp(CubicSpline(means, np.log(weight.sum(axis=1)))(fine))
    middle = np.interp(0.5, np.cumsum(each) / each.sum(), fine)
    assert math.log(found.loc["shape", "median"]) == pytest.approx(middle, abs=2e-3)
    mean = float(weight.sum(axis=0) @ mu / weight.sum())
    assert math.log(found.loc["mean effect", "median"]) == pytest.approx(mean, abs=2e-3)
    assert found.loc["shape", "lower"] < 0.6 < found.loc["shape", "upper"]


def test_what_cannot_be_asked_is_named() -> None:
    evidence = brw.Evidence.from_returns(pd.DataFrame(ROWS[:2]))
    with pytest.raises(SpecError, match="all rows report hazard ratios"):
        brw.currencies.agreement(MODEL, evidence)
    with pytest.raises(SpecError, match="must be positive"):
        brw.currencies.changing(MODEL, evidence, day=0.0)
    normal = brw.Model(terms=TERMS)
    with pytest.raises(SpecError, match="not read in currencies"):
        brw.currencies.changing(normal, evidence, day=60.0)
    with pytest.raises(SpecError, match="give change"):
        ReturnToWork(later=0.3)
