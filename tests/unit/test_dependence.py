"""Covariance of sampling errors against simulation with known truth, and against algebra.

Simulated covariances carry a Monte-Carlo error: with 200,000 data sets the standard error of a
covariance of two estimates with SD s is about s^2 / 450, so 1.5 % of s^2 is seven of them; the delta
method's own error at these sample sizes is below that.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.errors import EvidenceError
from bayesrtw.evidence import convert
from bayesrtw.evidence.convert import log_odds_ratio, log_risk_ratio, risk_difference
from bayesrtw.evidence.covariance import Dependence
from bayesrtw.evidence.dependence import (
    assumed_correlation,
    design_effect,
    repaired,
    shared_groups,
)
from bayesrtw.evidence.reported import analysis_scale

ARMS = {"n1": 400, "p1": 0.55, "n2": 500, "p2": 0.4, "n0": 450, "p0": 0.45}
CONVERSIONS = {
    "log_risk_ratio": log_risk_ratio,
    "log_odds_ratio": log_odds_ratio,
    "risk_difference": risk_difference,
}


def three_arms(measure, extra=None, **changes):
    a = ARMS
    events = [round(a["n1"] * a["p1"]), round(a["n2"] * a["p2"]), round(a["n0"] * a["p0"])]
    effect, se = CONVERSIONS[measure](events[:2], [a["n1"], a["n2"]], events[2], a["n0"])
    frame = pd.DataFrame(
        {
            "study": ["S", "S"],
            "effect": effect,
            "se": se,
            "events_t": events[:2],
            "n_t": [a["n1"], a["n2"]],
            "events_c": [events[2]] * 2,
            "n_c": [a["n0"]] * 2,
            "shared_control": ["S-control"] * 2,
            **(extra or {}),
        }
    )
    for name, value in changes.items():
        frame[name] = value
    return brw.Evidence.from_frame(frame, measure=measure)


@pytest.mark.parametrize("measure", CONVERSIONS)
def test_a_shared_control_brings_the_covariance_of_simulated_trials(measure):
    rng = np.random.default_rng(3)
    a = ARMS
    draws = [rng.binomial(a[f"n{i}"], a[f"p{i}"], 200_000) for i in (1, 2, 0)]
    convert = CONVERSIONS[measure]
    first = convert(draws[0], a["n1"], draws[2], a["n0"]).effect
    second = convert(draws[1], a["n2"], draws[2], a["n0"]).effect
    truth = np.cov(first, second)
    found, _ = shared_groups(three_arms(measure))
    (block,) = found.dependence
    assert_allclose(block.covariance, truth, atol=0.015 * truth.max())
    assert block.covariance[0, 1] > 0.2 * truth.max()


def test_a_shared_control_of_means_brings_the_variance_of_its_mean():
    frame = pd.DataFrame(
        {
            "study": ["S", "S"],
            "effect": [-5.0, -7.0],
            "se": [2.0, 2.5],
            "sd_c": [20.0, 20.0],
            "n_c": [200.0, 200.0],
            "shared_control": ["c", "c"],
        }
    )
    found, _ = shared_groups(brw.Evidence.from_frame(frame, measure="mean_difference"))
    assert_allclose(found.dependence[0].covariance, [[4.0, 2.0], [2.0, 6.25]])


RNG_DRAWS = 100_000


def simulated(measure):
    """Effects of two arms against one control, simulated: rows as printed once, and their covariance."""
    rng = np.random.default_rng(11)
    n = {"t1": 80, "t2": 120, "c": 60}
    if measure in ("log_rate_ratio", "rate_difference"):
        time = {"t1": 400.0, "t2": 500.0, "c": 300.0}
        events = {arm: rng.poisson(0.15 * time[arm], RNG_DRAWS) for arm in n}
        draws = [
            getattr(convert, measure)(events[a], time[a], events["c"], time["c"]).effect
            for a in ("t1", "t2")
        ]
        printed = {f"events_{arm}": 0.15 * time[arm] for arm in n}
        printed |= {f"person_time_{arm}": time[arm] for arm in n}
    elif measure == "log_hazard_ratio":
        events = {arm: rng.binomial(n[arm], 0.4, RNG_DRAWS) for arm in n}
        draws = [
            convert.complementary_log_log(events[a], n[a], events["c"], n["c"]).effect
            for a in ("t1", "t2")
        ]
        printed = {f"events_{arm}": 0.4 * n[arm] for arm in n}
    else:
        mean, sd = {"t1": 14.0, "t2": 15.0, "c": 12.0}, 5.0
        found = {}
        for arm, people in n.items():
            z = rng.standard_normal((RNG_DRAWS // 5, people)) * sd + mean[arm]
            found[arm] = (z.mean(axis=1), z.std(axis=1, ddof=1), people)
        names = {
            "log_variability_ratio": lambda t, c: np.log(t[1] / c[1]),
            "log_cv_ratio": lambda t, c: np.log(t[1] / t[0] / (c[1] / c[0])),
            "log_ratio_of_means": lambda t, c: np.log(t[0] / c[0]),
            "standardised_mean_difference": lambda t, c: (
                convert.standardised_mean_difference(*t, *c).effect
            ),
        }
        draws = [names[measure](found[a], found["c"]) for a in ("t1", "t2")]
        printed = {f"mean_{arm}": mean[arm] for arm in n} | {f"sd_{arm}": sd for arm in n}
    printed |= {f"n_{arm}": n[arm] for arm in n}
    rows = [
        {
            key.replace(f"_{arm}", "_t"): value
            for key, value in printed.items()
            if f"_t{3 - place}" not in key
        }
        for place, arm in ((1, "t1"), (2, "t2"))
    ]
    return rows, np.cov(*draws)


@pytest.mark.parametrize(
    "measure",
    [
        "log_rate_ratio",
        "rate_difference",
        "log_hazard_ratio",
        "log_ratio_of_means",
        "log_variability_ratio",
        "log_cv_ratio",
        "standardised_mean_difference",
    ],
)
def test_the_numbers_of_a_shared_arm_give_the_covariance_of_simulated_trials(measure):
    rows, truth = simulated(measure)
    frame = pd.DataFrame(rows)
    effect = [analysis_scale({"measure": measure}, row) for row in rows]
    frame = frame.assign(study="S", effect=[e.effect for e in effect], se=[e.se for e in effect])
    found, findings = shared_groups(brw.Evidence.from_frame(frame, measure=measure))
    (block,) = found.dependence
    assert "from its own numbers" in findings[0].message
    # 20,000 draws give a covariance to 1.5 % of the variances; the delta method adds some at these sizes
    assert_allclose(block.covariance[0, 1], truth[0, 1], atol=0.03 * truth.max())
    assert truth[0, 1] > 0.3 * truth.max()


def test_standardised_differences_share_what_gleser_and_olkin_give():
    frame = pd.DataFrame(
        {
            "study": "S",
            "mean_t": [12.0, 13.0],
            "sd_t": 5.0,
            "n_t": 150.0,
            "mean_c": 10.0,
            "sd_c": 5.0,
        }
    ).assign(n_c=30.0)
    found = [
        analysis_scale({"measure": "standardised_mean_difference"}, row)
        for row in frame.drop(columns="study").to_dict("records")
    ]
    frame = frame.assign(effect=[f.effect for f in found], se=[f.se for f in found])
    name = "standardised_mean_difference"
    block = shared_groups(brw.Evidence.from_frame(frame, measure=name))[0].dependence[0].covariance
    g = frame["effect"]
    assert_allclose(block[0, 1], 1 / 30 + g[0] * g[1] / (2 * 330), rtol=1e-12)
    assert_allclose(block[0, 1] / np.sqrt(block[0, 0] * block[1, 1]), 0.834, atol=0.01)


def test_a_row_turned_round_turns_its_covariance_round():
    plain = shared_groups(three_arms("log_odds_ratio"))[0].dependence[0].covariance
    turned = three_arms("log_odds_ratio", reversed=["", "yes"])
    found = shared_groups(turned)[0].dependence[0].covariance
    assert_allclose(found[0, 1], -plain[0, 1])


def test_rows_that_print_one_control_group_are_seen_to_share_it():
    named = three_arms("log_odds_ratio")
    bare = three_arms("log_odds_ratio")
    bare = brw.Evidence(bare.data.drop_vars("shared_control"), outcomes=bare.outcomes)
    wanted = shared_groups(named)[0].dependence[0].covariance
    assert_allclose(shared_groups(bare)[0].dependence[0].covariance, wanted)
    other = three_arms("log_odds_ratio", extra={"follow_up_months": [6.0, 12.0]})
    other = brw.Evidence(other.data.drop_vars("shared_control"), outcomes=other.outcomes)
    assert shared_groups(other)[0].dependence == ()


def test_halves_of_a_control_group_are_put_together_again():
    whole = three_arms("log_risk_ratio")
    half = three_arms("log_risk_ratio", events_c=101.0, n_c=225.0, control_parts=2.0)
    found, _ = shared_groups(half)
    wanted = log_risk_ratio([220, 200], [400, 500], 202, 450).se
    assert_allclose(found.data["se"].to_numpy(), wanted, rtol=1e-12)
    assert_allclose(found.dependence[0].covariance[0, 1], 1 / 202 - 1 / 450, rtol=1e-12)
    assert whole.dependence == ()


def test_a_group_of_which_nothing_is_known_gets_the_assumed_correlation():
    bare = three_arms("log_risk_ratio", events_c=np.nan)
    found, findings = shared_groups(bare, rho=0.4)
    covariance = found.dependence[0].covariance
    se = found.data["se"].to_numpy()
    assert_allclose(covariance[0, 1], 0.4 * se[0] * se[1])
    assert "assumed" in findings[0].message


def test_selection_keeps_the_covariance_of_the_rows_that_stay():
    found, _ = shared_groups(three_arms("log_odds_ratio"))
    assert found.rows(np.array([True, True])).dependence[0].rows.tolist() == [0, 1]
    assert found.rows(np.array([True, False])).dependence == ()


def test_correlation_fades_with_time():
    frame = pd.DataFrame(
        {"study": ["S"] * 3, "effect": 0.1, "se": 0.2, "months": [3.0, 6.0, 12.0], "row": [1, 2, 3]}
    )
    found = assumed_correlation(
        brw.Evidence.from_frame(frame), by="study", rho=0.8, months="months", decay=3.0
    )
    covariance = found.dependence[0].covariance / 0.04
    assert_allclose(covariance[0], [1.0, 0.8, 0.8**3])


def test_what_is_not_positive_definite_is_repaired_and_measured():
    bad = np.array([[1.0, 0.9, -0.9], [0.9, 4.0, 1.8], [-0.9, 1.8, 1.0]])
    mended, moved = repaired(bad)
    assert np.linalg.eigvalsh(mended)[0] > 0
    assert_allclose(np.diag(mended), np.diag(bad))
    assert moved > 0.1
    good = np.array([[1.0, 0.5], [0.5, 1.0]])
    assert repaired(good)[1] == 0.0


def test_the_design_effect_is_that_of_the_handbook():
    # Cochrane Handbook 23.1.4: 295 people in clusters of 29.5, ICC 0.02 give 1.57
    assert_allclose(design_effect(np.array(29.5), np.array(0.02)), 1.57, atol=0.005)


@pytest.mark.parametrize("rho", [-0.1, 1.0])
def test_a_correlation_outside_its_range_is_refused(rho):
    with pytest.raises(EvidenceError, match=r"rho must be at least 0 and below 1; found"):
        assumed_correlation(three_arms("log_odds_ratio"), by="study", rho=rho)


def test_an_unknown_column_is_named():
    with pytest.raises(EvidenceError, match="no column 'stduy'; did you mean 'study'"):
        assumed_correlation(three_arms("log_odds_ratio"), by="stduy", rho=0.5)


def test_clusters_widen_the_interval_and_nothing_else_does():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "study": list("ABCDEF"),
            "effect": rng.normal(0.2, 0.1, 6),
            "se": 0.1,
            "cluster_size": [20.0, 30.0, np.nan, np.nan, 15.0, np.nan],
        }
    )
    evidence = brw.Evidence.from_frame(frame)
    terms = (
        brw.Intercept(brw.prior.Normal(0, 1)),
        brw.Exchangeable(brw.prior.HalfNormal(0.01)),
    )
    clustering = brw.likelihood.Clustering("cluster_size", brw.prior.Beta(1.5, 50))
    plain = brw.summarise(brw.fit(brw.Model(terms=terms), evidence)).loc["mu", "sd"]
    model = brw.Model(terms=terms, likelihood=brw.likelihood.NormalErrors(clustering=clustering))
    widened = brw.summarise(brw.fit(model, evidence))
    # by hand: the ICC's posterior stays near its prior, mean 0.029
    se2 = 0.01 * np.where(
        np.isnan(frame["cluster_size"]), 1.0, 1 + (frame["cluster_size"] - 1) * 0.029
    )
    assert_allclose(widened.loc["mu", "sd"], np.sqrt(1 / np.sum(1 / se2)), rtol=0.06)
    assert widened.loc["mu", "sd"] > 1.05 * plain
    assert "icc" in widened.index


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        ([[0.04, 0.05], [0.05, 0.04]], r"rows \[1, 2\] \(typed\): not positive definite \(least"),
        ([[0.04, 0.04], [0.04, 0.04]], "not positive definite .*Check variances and correlations"),
        ([[0.04, 0.01], [0.02, 0.04]], "not symmetric; a covariance is symmetric and positive"),
        ([[0.0, 0.0], [0.0, 0.04]], "found a variance that is not positive"),
        ([[0.04, np.nan], [np.nan, 0.04]], "a number that is not finite"),
        ([[0.04]], r"found the shape \(1, 1\) for 2 estimates"),
    ],
)
def test_what_is_no_covariance_is_refused_with_what_to_do(covariance, message):
    with pytest.raises(EvidenceError, match=message):
        Dependence(np.array([0, 1]), np.array(covariance), "typed")


def test_a_refused_covariance_may_be_repaired():
    indefinite = np.array([[0.04, 0.05], [0.05, 0.04]])
    mended, moved = repaired(indefinite)
    kept = Dependence(np.array([0, 1]), mended, "repaired")
    assert moved > 0
    assert_allclose(np.diag(kept.covariance), np.diag(indefinite), rtol=1e-12)
