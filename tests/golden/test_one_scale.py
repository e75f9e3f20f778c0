"""Shipped analyses of return to work in mixed currencies, against sums over a grid of mean and spread."""

import math
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import logsumexp

import bayesrtw as brw
from bayesrtw.analysis.query import selected
from bayesrtw.engine import solve
from bayesrtw.model.arm_effects import Arms
from bayesrtw.model.components import Components
from bayesrtw.model.return_to_work import ReturnToWork
from bayesrtw.model.single import BinomialSingle

NETWORKS = Path(__file__).parents[1] / "networks"


@pytest.fixture(scope="module")
def analysis():
    return brw.open_analysis("return-to-work")


@pytest.fixture(scope="module")
def evidence(analysis):
    return selected(analysis, brw.open_dataset("rtw-trials")).evidence


def test_the_joint_pool_is_that_of_a_plain_sum(analysis, evidence) -> None:
    units = analysis.model.likelihood.observe(evidence).units
    theta = np.linspace(-6.0, 6.0, 2401)
    each = np.stack([unit.log(theta) for unit in units])
    mu, tau = np.linspace(-0.5, 0.75, 61)[:, None], np.linspace(0.01, 0.9, 60)
    log = stats.norm.logpdf(mu, 0.0, 0.5) + stats.halfnorm.logpdf(tau, scale=0.25)
    for own in each:
        top = own.max()
        for column, sd in enumerate(tau.tolist()):
            # Effects on a grid of its own, so that a small heterogeneity is not lost between points.
            x = np.linspace(-7.0, 7.0, 81)
            at = mu + sd * x
            inside = np.interp(at, theta, own - top) - 0.5 * x**2
            log[:, column] += logsumexp(inside, axis=1)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    mean = float((weight * mu).sum())
    sd = math.sqrt(float((weight * (mu - mean) ** 2).sum()))
    row = brw.summarise(brw.fit(analysis.model, evidence)).loc["mu"]
    assert row["mean"] == pytest.approx(mean, abs=2e-3 * sd)
    assert row["sd"] == pytest.approx(sd, rel=2e-3)


def test_one_row_a_comparison_speaks_in_its_own_currency(analysis, evidence) -> None:
    told = analysis.model.likelihood.currencies(evidence)
    count = {
        name: sum(each == (name,) for each in told)
        for name in ("hazard ratios", "counts", "days", "medians")
    }
    assert count == {"hazard ratios": 24, "counts": 4, "days": 4, "medians": 2}
    found = selected(analysis, brw.open_dataset("rtw-trials")).findings
    (untold,) = [each for each in found if each.check == "not-translated"]
    assert "days that were turned round" in untold.message
    assert not any(each.check == "quarantined" for each in found)


@pytest.mark.parametrize("tau", [None, brw.prior.HalfNormal(1.0)], ids=["common", "random"])
def test_counted_trials_of_diabetes_are_a_special_case(tau) -> None:
    # Those of two groups in NICE DSU TSD2's example 2, beside a model of single arms that repeats it.
    seen = pd.read_csv(NETWORKS / "diabetes.csv")
    names = {"studyc": "study", "trtc": "arm", "r": "events"}
    arms = seen.groupby("studyc").filter(lambda each: len(each) == 2).rename(columns=names)
    rows = [
        {
            "study": study, "arm": second.arm, "against": first.arm, "at": 365.25 * first.time,
            "events_t": second.events, "n_t": second.n, "events_c": first.events, "n_c": first.n,
        }
        for study, (first, second) in (
            (study, list(each.itertuples())) for study, each in arms.groupby("study")
        )
    ]  # fmt: skip
    drugs = partial(Components, brw.prior.Normal(0, 10), arm="arm", none=("Diuretic",))
    spread = brw.terms.Common() if tau is None else brw.Exchangeable(tau)
    whole = brw.Model(
        terms=(drugs(against="against"), spread),
        likelihood=ReturnToWork(median=brw.prior.Normal(9.0, 100.0)),
    )
    found = solve(whole, brw.Evidence.from_returns(pd.DataFrame(rows))).posterior
    by_arm = brw.Model(
        terms=(drugs(), Arms(tau, baseline=brw.prior.Normal(0, 100))),
        likelihood=BinomialSingle(link="cloglog"),
    )
    columns = ["study", "arm", "events", "n"]
    evidence = brw.Evidence.from_arms(arms[columns], measure="log_hazard_ratio", benefit="lower")
    known = solve(by_arm, evidence).posterior
    told = [name for name in known.effects if name.startswith("beta[")]
    assert len(told) == 5
    for name in told:
        one, other = found.effects[name], known.effects[name]
        assert one.centre == pytest.approx(other.centre, abs=5e-5), name
        assert one.spread == pytest.approx(other.spread, rel=5e-5), name
