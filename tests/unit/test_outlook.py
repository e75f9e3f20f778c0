"""What one more trial could change: refits with the trial, a normal's own algebra, and the martingale."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.analysis.conclusion import Rules
from bayesrtw.engine import solve
from bayesrtw.errors import SpecError
from bayesrtw.model.bias_mixture import BiasMixture, RiskClass, RiskGroup
from bayesrtw.model.student_t import HeavyTails
from bayesrtw.question.next_trial import after, results

FRAME = pd.DataFrame(
    {
        "study": ["a", "a", "b", "c", "d"],
        "effect": [0.41, 0.02, -0.15, 0.32, 0.21],
        "se": [0.20, 0.11, 0.25, 0.16, 0.30],
    }
)
MODELS = {
    "two levels": (brw.Exchangeable(brw.prior.HalfNormal(0.3)),),
    "three levels": (
        brw.Exchangeable(brw.prior.HalfNormal(0.3), by="study", name="tau_study"),
        brw.Exchangeable(brw.prior.HalfNormal(0.1)),
    ),
    "common": (brw.Common(),),
}


def model(name, sd=0.5):
    return brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, sd)), *MODELS[name]))


def evidence(frame=FRAME):
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("result", "se"), [(0.9, 0.15), (-0.4, 0.05), (0.2, 0.5)])
def test_the_posterior_after_a_trial_is_that_of_a_fit_with_it(name, result, se):
    later = after(solve(model(name), evidence()).posterior, se, np.array([result]))
    trial = pd.DataFrame({"study": ["new"], "effect": [result], "se": [se]})
    whole = evidence(pd.concat([FRAME, trial], ignore_index=True))
    found = brw.summarise(brw.fit(model(name), whole, engine=brw.Exact(draws=0))).loc["mu"]
    assert later.beyond(0.0, above=True)[0] == pytest.approx(found["probability"], abs=1e-7)
    width = found["upper"] - found["lower"]
    assert later.width(0.95)[0] == pytest.approx(width, rel=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_what_is_expected_to_be_believed_is_what_is_believed(name):
    now = solve(model(name), evidence()).posterior
    for se in (0.0, 0.2):
        later = after(now, se, results(now, se, 2_000))
        # Where nothing is left in doubt it is a step, which 2,000 results place to half of one.
        exact = 1e-4 if np.all(later.sd > 0) else 0.5 / 2_000
        for threshold in (-0.1, 0.0, 0.2):
            expected = later.beyond(threshold, above=True).mean()
            assert expected == pytest.approx(now.pooled.beyond(threshold, above=True), abs=exact)


def test_a_change_of_class_is_as_probable_as_a_normal_says():
    """Common effect: P(mu > 0 | y) passes a bound at one y, which a normal has below it."""
    rules = Rules(hold=0.0, sceptical=0.01)
    found = brw.outlook(model("common"), evidence(), rules)
    precision = np.r_[1 / 0.5**2, FRAME["se"].to_numpy() ** -2.0]
    variance = 1 / precision.sum()
    mean = variance * (precision @ np.r_[0.0, FRAME["effect"].to_numpy()])
    chance = stats.norm.sf(0, mean, np.sqrt(variance))
    assert chance > 0.65
    for se, row in ((0.20, "of median precision"), (0.11, "as precise as the most precise")):
        left = 1 / (1 / variance + se**-2.0)
        ends = []
        for bound in (0.65, 0.90):
            needed = stats.norm.ppf(bound) * np.sqrt(left)
            ends.append((needed / left - mean / variance) * se**2)
        low, high = stats.norm.cdf(ends, mean, np.sqrt(variance + se**2))
        expected = {"probably a benefit": 1 - high, "benefit more likely than not": high - low}
        for word, share in expected.items():
            assert found.loc[row, f"to {word}"] == pytest.approx(share, abs=1e-3)
        assert found.loc[row, "narrower"] == pytest.approx(1 - np.sqrt(left / variance), abs=1e-6)
    classes = found.filter(like="to ").sum(axis=1)
    assert classes.to_numpy() == pytest.approx(1.0)


def test_heterogeneity_limits_what_any_trial_can_tell():
    """Without sampling error one setting still is one draw: at most a share of the spread's information."""
    found = brw.outlook(model("two levels"), evidence(), Rules())
    common = brw.outlook(model("common"), evidence())
    pd.testing.assert_frame_equal(common, brw.outlook(model("common"), evidence(), Rules()))
    assert found.loc["without sampling error", "narrower"] < 0.35
    assert common.loc["without sampling error", "narrower"] == pytest.approx(1.0, abs=1e-6)
    assert (found["change"].diff().dropna() >= 0).all()


def test_a_class_that_stands_is_held():
    rules, rows = Rules(), evidence()
    free = brw.outlook(model("two levels"), rows, rules, now="unclear")
    chance = brw.summarise(brw.fit(model("two levels"), rows)).loc["mu", "probability"]
    assert 0.65 < chance < 0.95
    assert free["then"].isin(["probably a benefit", "benefit more likely than not"]).all()
    assert (free["change"] > 0.5).all()


def test_an_object_of_another_kind_is_named_with_what_to_give():
    with pytest.raises(SpecError, match="found Model; give an Analysis: open_analysis reads one"):
        brw.ladder(model("common"), evidence())
    with pytest.raises(SpecError, match="found Evidence; give the DataTree that fit returned"):
        brw.summarise(evidence())


COHORTS = pd.DataFrame(
    {
        "study": list("pqrstu"),
        "effect": [0.45, 0.02, -0.15, 0.32, 0.61, 0.10],
        "se": [0.20, 0.11, 0.25, 0.16, 0.30, 0.2],
        "design": ["rct", "rct", "rct", "cohort", "cohort", "cohort"],
    }
)


def at_risk():
    half = brw.prior.HalfNormal
    group = RiskGroup(
        "cohorts",
        ("cohort",),
        brw.prior.Normal(0.1, 0.2),
        half(0.15),
        (RiskClass("", 0.4),),
        size=10.0,
    )
    return brw.Model(
        terms=(
            brw.Intercept(brw.prior.Normal(0, 0.5)),
            brw.Exchangeable(half(0.25)),
            BiasMixture((group,)),
        )
    )


@pytest.mark.parametrize(("result", "se"), [(0.9, 0.15), (-0.4, 0.05), (0.2, 0.5)])
def test_a_trial_after_a_bias_mixture_is_that_of_a_fit_with_it(result, se):
    """The trial is not among those that may be biased, so that a refit says the same."""
    rows = brw.Evidence.from_frame(COHORTS, measure="log_hazard_ratio", benefit="higher")
    later = after(solve(at_risk(), rows).posterior, se, np.array([result]))
    trial = pd.DataFrame({"study": ["new"], "effect": [result], "se": [se], "design": ["rct"]})
    whole = pd.concat([COHORTS, trial], ignore_index=True)
    whole = brw.Evidence.from_frame(whole, measure="log_hazard_ratio", benefit="higher")
    found = solve(at_risk(), whole).posterior.pooled
    for threshold in (-0.1, 0.0, 0.2):
        for above in (True, False):
            expected = found.beyond(threshold, above=above)
            assert later.beyond(threshold, above=above)[0] == pytest.approx(expected, abs=1e-6)
    low, high = found.interval(0.95)
    assert later.width(0.95)[0] == pytest.approx(high - low, rel=1e-5)


def test_what_is_expected_stays_for_models_that_are_not_normal():
    heavy = replace(model("two levels"), likelihood=HeavyTails(nu=4.0))
    now = solve(heavy, evidence()).posterior
    assert now.pooled.series is not None
    for se in (0.0, 0.2):
        later = after(now, se, results(now, se, 2_000))
        for threshold in (-0.1, 0.0, 0.2):
            expected = later.beyond(threshold, above=True).mean()
            assert expected == pytest.approx(now.pooled.beyond(threshold, above=True), abs=1e-4)


@pytest.mark.slow
def test_an_outlook_of_heavy_tails_is_narrower():
    heavy = replace(model("two levels"), likelihood=HeavyTails(nu=4.0))
    frame = brw.outlook(heavy, evidence())
    assert (frame["narrower"] > 0).all()
