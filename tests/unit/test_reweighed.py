"""Severities by weighed points: correlated errors, missing levels and groups, against sums of this file."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal, norm

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.engine.reweighed import Weighed
from bayesrtw.engine.tilted import rough, tilted
from bayesrtw.errors import EngineRefusal
from bayesrtw.evidence.covariance import Dependence
from bayesrtw.model.levels import MissingLevels
from bayesrtw.model.step_weights import StepWeights

prior = brw.prior
EFFECT = np.array([0.42, 0.41, 0.05, 0.35, -0.10, 0.23, 0.30])
SE = np.array([0.25, 0.15, 0.12, 0.30, 0.20, 0.10, 0.14])
CUT = 1.959963984540054
TERMS = (brw.Intercept(prior.Normal(0, 0.5)), brw.Exchangeable(prior.HalfNormal(0.25)))


def rows(**columns):
    frame = pd.DataFrame({"study": list("ABCDEFG"), "effect": EFFECT, "se": SE, **columns})
    return brw.Evidence.from_frame(frame, benefit="higher")


def line(low, high, count):
    x, w = np.polynomial.legendre.leggauss(count)
    return low + 0.5 * (high - low) * (x + 1.0), 0.5 * (high - low) * w


def weighed(model, evidence, weight):
    fit = Weighed(solve(model, evidence), StepWeights(weights=(weight,)))
    [found] = fit.under([weight])
    return found


@pytest.mark.parametrize("weight", [0.5, 0.1])
def test_correlated_errors_are_seen_together(weight):
    """A and B share a control: both are seen with a probability that is corners of a bivariate normal."""
    evidence = rows()
    covariance = np.diag(SE[:2] ** 2) + 0.6 * SE[0] * SE[1] * (1.0 - np.eye(2))
    evidence = replace(evidence, dependence=(Dependence(np.arange(2), covariance, "test"),))
    found = weighed(brw.Model(terms=TERMS), evidence, weight)
    (m, wm), (t, wt) = line(-0.9, 0.9, 40), line(0.0, 1.0, 24)
    log = np.empty((len(m), len(t)))
    for i, mean in enumerate(m):
        for j, tau in enumerate(t):
            whole = covariance + tau**2 * np.eye(2)
            sd = np.sqrt(np.diag(whole))
            below = norm.cdf(CUT * SE[:2], mean, sd)
            both = multivariate_normal.cdf(CUT * SE[:2], [mean, mean], whole)
            seen = (
                (1.0 - below.sum() + both) + weight * (below.sum() - 2.0 * both) + weight**2 * both
            )
            each = norm.logpdf(mean, 0, 0.5) + norm.logpdf(tau, 0, 0.25) + np.log(2.0)
            each += multivariate_normal.logpdf(EFFECT[:2], [mean, mean], whole) - np.log(seen)
            for y, s in zip(EFFECT[2:], SE[2:], strict=True):
                own = np.hypot(s, tau)
                few = norm.cdf(CUT * s, mean, own)
                each += norm.logpdf(y, mean, own) - np.log(1.0 - few + weight * few)
            log[i, j] = each
    log += np.sum(EFFECT / SE < CUT) * np.log(weight)
    mass = np.exp(log) * wm[:, None] * wt
    share = mass.sum(axis=1) / mass.sum()
    mean = share @ m
    sd = np.sqrt(share @ (m - mean) ** 2)
    mu = found.pooled
    # Points tell means to about 0.005 SDs; their own error says so.
    apart = np.array([(mu.centre - mean) / sd, mu.spread / sd - 1.0])
    assert np.max(np.abs(apart)) < 0.01
    assert found.error < 0.01
    assert_allclose(found.log_evidence, np.log(mass.sum()), atol=0.01)
    assert_allclose(found.tau, mass.sum(axis=0) @ t / mass.sum(), rtol=0.01)


def test_a_level_that_is_missing_is_one_of_those_that_others_have():
    """The mixture of both models that report it, each fitted under the selection, at odds that Bayes says."""
    level = np.array([*"ababab", "?"], dtype=object)
    place = brw.Categorical("place", prior.Normal(0, 0.25), missing=MissingLevels(("?",)))
    model = brw.Model(terms=(*TERMS[:1], place, TERMS[1]))
    told = [rows(place=np.where(level == "?", each, level)) for each in "ab"]
    whole = replace(model, terms=(TERMS[0], replace(place, missing=None), TERMS[1]))
    silent = solve(model, rows(place=level))
    plain = [solve(whole, each).posterior.log_evidence for each in told]
    odds = np.log(silent.levels[-1]) - plain
    for weight in (0.5, 0.1):
        selected = replace(whole, selection=StepWeights(weights=(weight,)))
        fits = [solve(selected, each).posterior for each in told]
        log = odds + np.array([each.log_evidence for each in fits])
        share = np.exp(log - log.max()) / np.sum(np.exp(log - log.max()))
        mean = np.array([each.pooled.centre for each in fits])
        sd = np.array([each.pooled.spread for each in fits])
        centre = share @ mean
        wide = np.sqrt(share @ (sd**2 + (mean - centre) ** 2))
        [found] = Weighed(silent, StepWeights(weights=(weight,))).under([weight])
        assert abs(found.pooled.centre - centre) < 0.01 * wide
        assert abs(found.pooled.spread / wide - 1.0) < 0.01


def test_groups_are_what_a_rule_says_of_them():
    evidence = rows(family=list("aabbbcd"))
    spread = brw.Exchangeable(prior.HalfNormal(0.25), by="family", name="tau_family")
    model = brw.Model(terms=(*TERMS, spread))
    models = [replace(model, selection=StepWeights(weights=(each,))) for each in (0.5, 0.1)]
    fit = Weighed(solve(model, evidence), StepWeights(weights=(0.5,)))
    for one, other in zip(
        fit.under([0.5, 0.1]), tilted(rough(model, evidence), models), strict=True
    ):
        for name in ("mu", "theta_new"):
            mine, rule = one.effects[name], other.effects[name]
            assert abs(mine.centre - rule.centre) < 0.01 * rule.spread
            assert abs(mine.spread / rule.spread - 1.0) < 0.01
        assert abs(one.log_evidence - other.log_evidence) < 0.01


def test_several_normals_that_are_shared_are_refused():
    """256 even points miss what is rare and seen for sure: eight such results were off by an SD."""
    evidence = rows()
    correlation = np.array([[1.0, 0.6, 0.1], [0.6, 1.0, -0.3], [0.1, -0.3, 1.0]])
    covariance = correlation * np.outer(SE[:3], SE[:3])
    evidence = replace(evidence, dependence=(Dependence(np.arange(3), covariance, "test"),))
    terms = (brw.Intercept(prior.Normal(0, 0.5)), brw.Exchangeable(prior.HalfNormal(0.25)))
    fit = Weighed(solve(brw.Model(terms=terms), evidence), StepWeights(weights=(0.5,)))
    with pytest.raises(EngineRefusal, match=r"3 results of a study.* in more ways than one"):
        fit.under([0.5])


def test_what_was_refused_is_worked_out():
    level = np.array([*"ababab", "?"], dtype=object)
    place = brw.Categorical("place", prior.Normal(0, 0.25), missing=MissingLevels(("?",)))
    model = brw.Model(terms=(*TERMS[:1], place, TERMS[1]))
    found = brw.severity(model, rows(place=level), weights=(0.5,))
    assert found.table["probability"].is_monotonic_decreasing
    assert found.table["error"].max() < 0.01
