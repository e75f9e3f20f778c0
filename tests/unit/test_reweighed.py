"""Severities by weighed points: correlated errors, missing levels and groups, against sums of this file."""

from dataclasses import replace
from itertools import product

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
from bayesrtw.model.bias import BiasHierarchy, Studies
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


def tied(*correlations, rows_of=3):
    """Rows whose first errors are correlated, and their covariance."""
    upper = np.zeros((rows_of, rows_of))
    upper[np.triu_indices(rows_of, 1)] = correlations
    covariance = (upper + upper.T + np.eye(rows_of)) * np.outer(SE[:rows_of], SE[:rows_of])
    known = (Dependence(np.arange(rows_of), covariance, "test"),)
    return replace(rows(), dependence=known), covariance


def between(low, high, count=24):
    """Nodes and weights of a standard normal between ends, cut at 8 SDs; shapes (..., count)."""
    x, w = np.polynomial.legendre.leggauss(count)
    low, high = np.clip(low, -8.0, 8.0)[..., None], np.clip(high, -8.0, 8.0)[..., None]
    z = low + 0.5 * (high - low) * (x + 1.0)
    return z, 0.5 * (high - low) * w * norm.pdf(z)


def seen(mean, whole, weight):
    """Probability that three results are seen: the first, the second given it, the third given both."""
    root, cut = np.linalg.cholesky(whole), CUT * SE[:3] - mean
    total, far = 0.0, np.inf
    first = cut[0] / root[0, 0]
    for ends, share in (((-far, first), weight), ((first, far), 1.0)):
        z, w = between(*(np.array(each) for each in ends))
        at = (cut[1] - root[1, 0] * z) / root[1, 1]
        for low, high, more in (
            (np.full_like(at, -far), at, weight),
            (at, np.full_like(at, far), 1.0),
        ):
            y, v = between(low, high)
            few = norm.cdf((cut[2] - root[2, 0] * z[:, None] - root[2, 1] * y) / root[2, 2])
            total += share * more * np.sum(w[:, None] * v * (1.0 - few + weight * few))
    return total


@pytest.mark.parametrize("correlations", [(0.6, 0.1, -0.3), (0.999, 0.99, 0.991)])
def test_three_results_that_are_correlated_each_in_its_own_way(correlations):
    """They were refused: 256 even points missed what is rare and seen for sure."""
    evidence, covariance = tied(*correlations)
    found = weighed(brw.Model(terms=TERMS), evidence, 0.3)
    (m, wm), (t, wt) = line(-0.4, 0.55, 22), line(0.0, 0.8, 12)
    log = np.empty((len(m), len(t)))
    for (i, mean), (j, tau) in product(enumerate(m), enumerate(t)):
        whole, same = covariance + tau**2 * np.eye(3), np.full(3, mean)
        each = norm.logpdf(mean, 0, 0.5) + norm.logpdf(tau, 0, 0.25) + np.log(2.0)
        each += multivariate_normal.logpdf(EFFECT[:3], same, whole)
        each -= np.log(seen(same, whole, 0.3))
        for y, s in zip(EFFECT[3:], SE[3:], strict=True):
            own = np.hypot(s, tau)
            few = norm.cdf(CUT * s, mean, own)
            each += norm.logpdf(y, mean, own) - np.log(1.0 - few + 0.3 * few)
        log[i, j] = each + np.sum(EFFECT / SE < CUT) * np.log(0.3)
    mass = np.exp(log) * wm[:, None] * wt
    share = mass.sum(axis=1) / mass.sum()
    mean = share @ m
    sd = np.sqrt(share @ (m - mean) ** 2)
    assert abs(found.pooled.centre - mean) < 0.015 * sd
    assert abs(found.pooled.spread / sd - 1.0) < 0.015
    assert_allclose(found.log_evidence, np.log(mass.sum()), atol=0.015)


def test_biases_of_unknown_spread_are_summed_over():
    """They were refused: a grid over the mean, both SDs and the bias that all biased studies have."""
    design = np.array(["rct", "cohort"])[np.arange(7) % 2]
    bias = BiasHierarchy(Studies(("cohort",)), prior.Normal(0, 0.2), spread=prior.HalfNormal(0.15))
    found = weighed(brw.Model(terms=(*TERMS, bias)), rows(design=design), 0.3)
    axes = line(-1.1, 1.1, 40), line(0.0, 1.0, 20), line(0.0, 0.7, 16), line(-0.8, 0.8, 24)
    m, t, kappa, common = np.meshgrid(*(each[0] for each in axes), indexing="ij")
    log = sum(
        norm.logpdf(one, 0, sd) for one, sd in ((m, 0.5), (t, 0.25), (kappa, 0.15), (common, 0.2))
    ) + np.log(4.0)
    for y, s, kind in zip(EFFECT, SE, design, strict=True):
        biased = float(kind == "cohort")
        own, centre = np.sqrt(s**2 + t**2 + biased * kappa**2), m + biased * common
        few = norm.cdf(CUT * s, centre, own)
        log = log + norm.logpdf(y, centre, own) - np.log(1.0 - few + 0.3 * few)
    log += np.sum(EFFECT / SE < CUT) * np.log(0.3)
    mass = np.exp(log) * np.einsum("i,j,k,l->ijkl", *(each[1] for each in axes))
    share = mass.sum(axis=(1, 2, 3)) / mass.sum()
    mean = share @ axes[0][0]
    sd = np.sqrt(share @ (axes[0][0] - mean) ** 2)
    assert abs(found.pooled.centre - mean) < 0.015 * sd
    assert abs(found.pooled.spread / sd - 1.0) < 0.015
    assert_allclose(found.log_evidence, np.log(mass.sum()), atol=0.015)


def test_more_results_than_are_integrated_are_refused():
    evidence, _ = tied(*np.linspace(0.02, 0.3, 21), rows_of=7)
    fit = Weighed(solve(brw.Model(terms=TERMS), evidence), StepWeights(weights=(0.5,)))
    with pytest.raises(EngineRefusal, match=r"7 results of a study.* each in its own way"):
        fit.under([0.5])


def test_points_are_laid_anew_where_they_are_too_few(monkeypatch):
    """Eight times as many: the error falls, and the answer stays within what was stated."""
    level = np.array([*"ababab", "?"], dtype=object)
    place = brw.Categorical("place", prior.Normal(0, 0.25), missing=MissingLevels(("?",)))
    fit = solve(brw.Model(terms=(*TERMS[:1], place, TERMS[1])), rows(place=level))
    [rough] = Weighed(fit, StepWeights(weights=(0.1,))).under([0.1])
    monkeypatch.setattr("bayesrtw.engine.reweighed.WANTED", 0.0)
    [fine] = Weighed(fit, StepWeights(weights=(0.1,))).under([0.1])
    assert fine.error < 0.6 * rough.error
    assert abs(fine.pooled.centre - rough.pooled.centre) < 3.0 * rough.error * fine.pooled.spread


def test_what_was_refused_is_worked_out():
    level = np.array([*"ababab", "?"], dtype=object)
    place = brw.Categorical("place", prior.Normal(0, 0.25), missing=MissingLevels(("?",)))
    model = brw.Model(terms=(*TERMS[:1], place, TERMS[1]))
    found = brw.severity(model, rows(place=level), weights=(0.5,))
    assert found.table["probability"].is_monotonic_decreasing
    assert found.table["error"].max() < 0.01
