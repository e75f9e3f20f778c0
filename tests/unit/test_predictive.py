"""Predictive checks against dense matrices on a fine grid, and against known truth."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.errors import SpecError
from bayesrtw.model.likelihood import Clustering, NormalErrors
from bayesrtw.model.return_to_work import ReturnToWork
from bayesrtw.question.predictive import chance_of_smallest

EFFECT = np.array([0.41, 0.02, -0.35, 0.22, 0.61, 0.05])
SE = np.array([0.20, 0.11, 0.25, 0.16, 0.30, 0.09])
STUDY = np.array(["a", "a", "b", "c", "d", "d"])
DESIGN = np.array(["rct", "rct", "rct", "cohort", "cohort", "cohort"])


def evidence(study=("s1", "s2", "s3", "s4", "s5", "s6"), **more):
    frame = pd.DataFrame({"study": list(study), "effect": EFFECT, "se": SE, **more})
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


def tails_of(mean, covariance, weight, asked, given):
    """Distribution function and two-sided tail of each asked estimate, mixed over dense normals."""
    found = []
    for row in asked:
        log, at = [], []
        for m, v, w in zip(mean, covariance, weight, strict=True):
            inner = v[np.ix_(given, given)]
            gap = EFFECT[given] - m[given]
            solved = np.linalg.solve(inner, np.c_[gap, v[given, row]]) if len(given) else None
            centre = m[row] + (v[given, row] @ solved[:, 0] if len(given) else 0.0)
            variance = v[row, row] - (v[given, row] @ solved[:, 1] if len(given) else 0.0)
            at.append((EFFECT[row] - centre) / math.sqrt(variance))
            seen = (
                stats.multivariate_normal(m[given], inner).logpdf(EFFECT[given])
                if len(given)
                else 0
            )
            log.append(math.log(w) + seen)
        share = np.exp(np.array(log) - max(log))
        share /= share.sum()
        below, above = share @ stats.norm.cdf(at), share @ stats.norm.sf(at)
        found.append((below, min(1.0, 2 * min(below, above))))
    return np.array(found)


def half_normal(scale, count=40):
    """Gauss-Legendre nodes of an SD under a half-normal prior, to nine scales."""
    at, weight = np.polynomial.legendre.leggauss(count)
    ends = np.array([0.0, 1.0, 3.0, 9.0]) * scale
    nodes, weights = [], []
    for low, high in itertools.pairwise(ends):
        nodes.append(low + (at + 1) * (high - low) / 2)
        weights.append(weight * (high - low) / 2)
    tau = np.concatenate(nodes)
    return tau, np.concatenate(weights) * stats.halfnorm.pdf(tau, scale=scale)


def test_random_effects_as_dense_normals_say():
    model = brw.Model(
        terms=(
            brw.Intercept(brw.prior.Normal(0.1, 0.5)),
            brw.Exchangeable(brw.prior.HalfNormal(0.3)),
        )
    )
    found = brw.predictive_check(model, evidence())
    tau, weight = half_normal(0.3)
    mean = [np.full(6, 0.1)] * len(tau)
    covariance = [np.diag(SE**2 + t**2) + 0.25 for t in tau]
    for row in range(6):
        others = np.delete(np.arange(6), row)
        (expected,) = tails_of(mean, covariance, weight, [row], others)
        assert found[["pit", "tail"]].to_numpy()[row] == pytest.approx(expected, abs=1e-8)
        (expected,) = tails_of(mean, covariance, weight, [row], [])
        assert found[["prior_pit", "prior_tail"]].to_numpy()[row] == pytest.approx(
            expected, abs=1e-8
        )


def test_studies_with_several_estimates_and_biased_cohorts_as_dense_normals_say():
    model = brw.Model(
        terms=(
            brw.Intercept(brw.prior.Normal(0, 0.5)),
            brw.Categorical("design", brw.prior.Normal(0, 0.2)),
            brw.Exchangeable(brw.prior.HalfNormal(0.3), by="study", name="tau_study"),
            brw.Exchangeable(brw.prior.HalfNormal(0.1)),
        )
    )
    rows = evidence(STUDY, design=DESIGN)
    found = brw.predictive_check(model, rows)
    between, one = half_normal(0.3, 16)
    within, other = half_normal(0.1, 16)
    same = (STUDY[:, None] == STUDY).astype(float)
    # Two levels whose effects sum to zero with SD 0.2 each differ by 2 * 0.2 / sqrt(2) around the mean.
    sign = np.where(DESIGN == "rct", 1.0, -1.0)
    fixed = 0.25 + np.outer(sign, sign) * 0.2**2 / 2
    grid = list(itertools.product(zip(between, one, strict=True), zip(within, other, strict=True)))
    covariance = [np.diag(SE**2 + w**2) + b**2 * same + fixed for (b, _), (w, _) in grid]
    weight = [p * q for (_, p), (_, q) in grid]
    mean = [np.zeros(6)] * len(grid)
    for study in "abcd":
        own = np.flatnonzero(study == STUDY)
        expected = tails_of(mean, covariance, weight, own, np.flatnonzero(study != STUDY))
        assert found[["pit", "tail"]].to_numpy()[own] == pytest.approx(expected, abs=1e-7)


def test_what_is_expected_leaves_a_bias_in():
    """A cohort is predicted as a cohort: with its bias, and with the uncertainty of the bias."""
    terms = (brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Exchangeable(brw.prior.HalfNormal(0.3)))
    rows = evidence(design=DESIGN)
    biased = brw.bias.AdditiveBias(brw.bias.Studies(("cohort",), "design"), mean=0.2, sd=0.3)
    plain = brw.predictive_check(brw.Model(terms=terms), rows)
    found = brw.predictive_check(brw.Model(terms=(*terms, biased)), rows)
    cohort = DESIGN == "cohort"
    wider = found["upper"] - found["lower"] > plain["upper"] - plain["lower"]
    assert wider[cohort].all()
    assert (found["prior_expected"][cohort] - 0.2).abs().max() < 1e-8
    assert found["prior_expected"][~cohort].abs().max() < 1e-8


def test_truths_from_the_priors_fall_anywhere():
    """Data drawn from the model lie below the prior's and the others' quantiles as often as these say."""
    rng = np.random.default_rng(20261124)
    model = brw.Model(
        terms=(
            brw.Intercept(brw.prior.Normal(0, 0.5)),
            brw.Exchangeable(brw.prior.HalfNormal(0.25)),
        )
    )
    pits = []
    for _ in range(150):
        tau = abs(rng.normal(0, 0.25))
        effect = rng.normal(rng.normal(0, 0.5), np.hypot(tau, SE))
        frame = pd.DataFrame({"study": list("abcdef"), "effect": effect, "se": SE})
        found = brw.predictive_check(
            model, brw.Evidence.from_frame(frame, measure="log_hazard_ratio")
        )
        pits.append(found[["pit", "prior_pit"]].to_numpy()[rng.integers(6)])
    for column in np.array(pits).T:
        assert stats.kstest(column, "uniform").pvalue > 0.01


def test_flat_priors_predict_nothing_alone():
    model = brw.Model(
        terms=(brw.Intercept(brw.prior.Flat()), brw.Exchangeable(brw.prior.HalfNormal(0.3)))
    )
    found = brw.predictive_check(model, evidence())
    assert found["prior_tail"].isna().all()
    assert found["tail"].notna().all()


def test_a_column_that_is_not_there_is_named():
    model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Common()))
    with pytest.raises(SpecError, match="trial_famly"):
        brw.predictive_check(model, evidence(), by="trial_famly")


def test_the_smallest_of_many_is_small_by_chance():
    assert chance_of_smallest(np.array([0.02, 0.5, np.nan, 0.9])) == pytest.approx(1 - 0.98**3)
    assert math.isnan(chance_of_smallest(np.array([np.nan])))


def test_trials_left_out_say_nothing_of_an_unknown_correlation_within_clusters():
    """A missing trial's size must not tilt the intraclass correlation: dense normals over both."""
    size = np.array([10, 1, 5, 20, 1, 8])
    prior = stats.beta(2, 10)
    model = brw.Model(
        terms=(
            brw.Intercept(brw.prior.Normal(0, 0.5)),
            brw.Exchangeable(brw.prior.HalfNormal(0.3)),
        ),
        likelihood=NormalErrors(clustering=Clustering("size", brw.prior.Beta(2, 10))),
    )
    found = brw.predictive_check(model, evidence(size=size))
    tau, weight = half_normal(0.3, 16)
    at, share = np.polynomial.legendre.leggauss(32)
    grid = list(itertools.product(zip(tau, weight, strict=True), zip(at, share, strict=True)))
    covariance, weights = [], []
    for (t, w), (u, v) in grid:
        icc = (u + 1) / 2
        covariance.append(np.diag(SE**2 * (1 + (size - 1) * icc) + t**2) + 0.25)
        weights.append(w * v * prior.pdf(icc))
    mean = [np.zeros(6)] * len(grid)
    for row in range(6):
        others = np.delete(np.arange(6), row)
        (expected,) = tails_of(mean, covariance, weights, [row], others)
        assert found[["pit", "tail"]].to_numpy()[row] == pytest.approx(expected, abs=1e-7)
        (expected,) = tails_of(mean, covariance, weights, [row], [])
        assert found[["prior_pit", "prior_tail"]].to_numpy()[row] == pytest.approx(
            expected, abs=1e-7
        )


def test_rows_without_a_number_are_no_group():
    """As empty text: what is not known is not shared."""
    model = brw.Model(
        terms=(
            brw.Intercept(brw.prior.Normal(0, 0.5)),
            brw.Exchangeable(brw.prior.HalfNormal(0.3)),
        )
    )
    numbers = evidence(wave=[1.0, 1.0, math.nan, math.nan, 2.0, 2.0])
    words = evidence(wave=["a", "a", "", "", "b", "b"])
    found, expected = (brw.predictive_check(model, rows, by="wave") for rows in (numbers, words))
    assert found["pit"].to_numpy() == pytest.approx(expected["pit"].to_numpy(), abs=1e-12)
    left = brw.leave_one_out(model, numbers, by="wave")
    assert list(left.index) == ["none left out", "1.0", "2.0"]


def test_a_row_that_tells_counts_is_held_against_the_effect_that_others_expect() -> None:
    """A common effect: others make it normal, and counts are summed over their two binomials."""
    rows = [
        {"study": "A", "effect": 0.64, "se": 0.2},
        {"study": "B", "events_t": 52, "n_t": 66, "events_c": 30, "n_c": 68, "at": 182},
    ]
    evidence = brw.Evidence.from_returns(pd.DataFrame(rows))
    likelihood = ReturnToWork(median=brw.prior.Normal(5.0, 6.0))
    terms = (brw.Intercept(brw.prior.Normal(0.0, 0.5)), brw.terms.Common())
    found = brw.predictive_check(brw.Model(terms=terms, likelihood=likelihood), evidence)
    precision = 1 / 0.04 + 4.0
    others = stats.norm(0.64 / 0.04 / precision, precision**-0.5)
    theta, level = np.linspace(-1.5, 4.0, 551), np.linspace(-4.0, 3.0, 1401)[:, None]
    share = [-np.expm1(-np.exp(level + by)) for by in (theta, 0.0)]
    # So wide a prior of the median is flat over the level, but for its shape.
    log = stats.binom.logpmf(52, 66, share[0]) + stats.binom.logpmf(30, 68, share[1])
    own = np.exp(log - log.max()).sum(axis=0)
    assert found["pit"].iloc[1] == pytest.approx(own @ others.cdf(theta) / own.sum(), abs=2e-3)
    ends = found[["expected", "lower", "upper"]].iloc[1]
    assert ends.tolist() == pytest.approx(others.ppf([0.5, 0.025, 0.975]).tolist(), abs=1e-6)
    assert np.isfinite(found["prior_tail"]).all()
