"""The model of Copas: posteriors against sums of this file over the latent selection as published.

The density of what is seen, study effects integrated out, is that of Copas & Shi (2001), with
``rho_i = rho s_i / sqrt(s_i^2 + tau^2)``; the package has it given the study's effect.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.model.bias import discounted, share_of

prior = brw.prior
Copas = brw.likelihood.Copas
EFFECT = np.array([0.72, 0.41, 0.05, 0.65, 0.10, 0.23, 0.30])
SE = np.array([0.35, 0.15, 0.08, 0.30, 0.20, 0.10, 0.14])
TERMS = (brw.Intercept(prior.Normal(0, 0.5)), brw.Exchangeable(prior.HalfNormal(0.25)))


def rows(effect=EFFECT, benefit="higher", **columns):
    frame = pd.DataFrame({"study": list("ABCDEFG"), "effect": effect, "se": SE, **columns})
    return brw.Evidence.from_frame(frame, benefit=benefit)


def line(low, high, count):
    x, w = np.polynomial.legendre.leggauss(count)
    return low + 0.5 * (high - low) * (x + 1.0), 0.5 * (high - low) * w


def published(small, rho, large=0.99):
    """Mean, SD and log evidence of mu, and means of the studies' effects, over grids."""
    a, b = norm.ppf(large), norm.ppf(small)
    g1 = (a - b) / (1.0 / SE.min() - 1.0 / SE.max())
    u = a - g1 / SE.min() + g1 / SE
    (m, wm), (t, wt) = line(-1.0, 1.0, 120), line(0.0, 1.4, 80)
    m, t, much = m[:, None], t[None, :], wm[:, None] * wt
    log = norm.logpdf(m, 0, 0.5) + norm.logpdf(t, 0, 0.25) + np.log(2.0)
    for y, s, own in zip(EFFECT, SE, u, strict=True):
        total = np.sqrt(s**2 + t**2)
        each = rho * s / total
        v = (own + each * (y - m) / total) / np.sqrt(1.0 - each**2)
        log = log + norm.logpdf(y, m, total) + norm.logcdf(v) - norm.logcdf(own)
    mass = much * np.exp(log)
    size = mass.sum()
    mean = np.sum(mass * m) / size
    sd = np.sqrt(np.sum(mass * (m - mean) ** 2) / size)
    theta = []
    for y, s, own in zip(EFFECT[:2], SE[:2], u[:2], strict=True):
        # Given mu and tau by a sum over the study's effect.
        th = np.linspace(-1.5, 2.0, 701)
        like = norm.pdf(y, th, s) * norm.cdf((own + rho * (y - th) / s) / np.sqrt(1.0 - rho**2))
        density = norm.pdf(th[:, None, None], m, np.maximum(t, 1e-3))
        with_it = np.tensordot(like, density, 1)
        theta.append(np.sum(mass * np.tensordot(like * th, density, 1) / with_it) / size)
    return mean, sd, np.log(size), np.array(theta)


@pytest.mark.parametrize(("small", "rho"), [(0.4, 0.9), (0.7, 0.5), (0.1, 0.95)])
def test_the_posterior_is_that_of_the_published_density(small, rho):
    mean, sd, total, theta = published(small, rho)
    fit = solve(brw.Model(terms=TERMS, likelihood=Copas(small=small, rho=rho)), rows())
    mu = fit.posterior.pooled
    assert_allclose([mu.centre, mu.spread], [mean, sd], atol=2e-6 * sd / 0.1)
    assert_allclose(fit.posterior.log_evidence, total, atol=2e-6)
    found = [each.centre for each in fit.effect_of(np.arange(7) < 2)]
    assert_allclose(found, theta, atol=2e-4)


def test_without_correlation_nothing_is_selected():
    plain = solve(brw.Model(terms=TERMS), rows()).posterior
    none = solve(brw.Model(terms=TERMS, likelihood=Copas(small=0.3, rho=0.0)), rows()).posterior
    assert_allclose(none.pooled.moments(), plain.pooled.moments(), atol=1e-8)
    assert_allclose(none.log_evidence, plain.log_evidence, atol=1e-7)


HALVES = np.array([1.0, 0.5] * 3 + [1.0])
DISCOUNT = brw.bias.Discount(brw.bias.Studies(("cohort",)), 0.5)


def halved(small, rho):
    """Mean, SD and log evidence where variances of three studies are doubled, seen by what they report."""
    b = norm.ppf(small)
    slope = (norm.ppf(0.99) - b) / (1.0 / SE.min() - 1.0 / SE.max())
    u, wide = b + slope * (1.0 / SE - 1.0 / SE.max()), SE / np.sqrt(HALVES)
    (m, wm), (t, wt), (x, wx) = line(-1.2, 1.6, 90), line(0.0, 1.4, 60), line(-8.0, 8.0, 160)
    th = m[:, None, None] + t[None, :, None] * x
    mass = wm[:, None] * wt * norm.pdf(m, 0, 0.5)[:, None] * 2.0 * norm.pdf(t, 0, 0.25)
    for y, s, own in zip(EFFECT, wide, u, strict=True):
        e = (y - th) / s
        seen = norm.cdf((own + rho * e) / np.sqrt(1.0 - rho**2)) / norm.cdf(own)
        mass = mass * ((norm.pdf(e) / s * seen) @ (wx * norm.pdf(x)))
    mean = np.sum(mass.sum(axis=1) * m) / mass.sum()
    return (
        mean,
        np.sqrt(np.sum(mass.sum(axis=1) * (m - mean) ** 2) / mass.sum()),
        np.log(mass.sum()),
    )


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_a_discount_widens_errors_and_leaves_what_was_seen(rho):
    """Without correlation this is a discount of normal estimates, evidence included."""
    marked = rows(design=["rct", "cohort"] * 3 + ["rct"])
    terms = (*TERMS, DISCOUNT)
    found = solve(brw.Model(terms=terms, likelihood=Copas(small=0.3, rho=rho)), marked).posterior
    wanted = halved(0.3, rho)
    got = (*found.pooled.moments(), found.log_evidence)
    assert_allclose(got, wanted, atol=1e-5)
    if rho == 0.0:
        plain = solve(brw.Model(terms=terms), marked).posterior
        assert_allclose(got, (*plain.pooled.moments(), plain.log_evidence), atol=1e-7)


def test_a_sampler_is_told_of_what_was_seen_by_what_studies_report():
    """Chances of being seen hang on reported errors, whatever share of its information a row keeps."""
    copas, marked = Copas(small=0.3, rho=0.8), rows()
    kept = discounted(marked, HALVES)
    assert_allclose(copas._propensity(kept), copas._propensity(marked), rtol=1e-12)
    assert_allclose(kept.data["se"], SE / np.sqrt(HALVES))


def test_a_column_named_information_is_no_share():
    """It was taken for the shares that discounts leave, by samplers of counts."""
    assert_allclose(share_of(rows(information=np.arange(7.0))), np.ones(7))


def test_lower_is_better_is_the_mirror_image():
    model = brw.Model(terms=TERMS, likelihood=Copas(small=0.4, rho=0.9))
    up = solve(model, rows()).posterior.pooled.moments()
    down = solve(model, rows(-EFFECT, "lower")).posterior.pooled.moments()
    assert_allclose(down, (-up[0], up[1]), atol=1e-9)


def test_studies_that_share_an_effect_are_pooled_with_it():
    """Estimates of one family, common within it: the product of their densities at its effect, on a grid."""
    family = list("aabcdef")
    spread = brw.Exchangeable(prior.HalfNormal(0.25), by="family", name="tau_family")
    model = brw.Model(
        terms=(TERMS[0], spread), likelihood=Copas(small=0.4, rho=0.9, errors=(0.08, 0.35))
    )
    found = solve(model, rows(family=family)).posterior.pooled
    a, b = norm.ppf(0.99), norm.ppf(0.4)
    u = a + (a - b) / (1.0 / 0.08 - 1.0 / 0.35) * (1.0 / SE - 1.0 / 0.08)
    (m, wm), (t, wt) = line(-1.0, 1.0, 60), line(0.0, 1.2, 40)
    z, step = np.linspace(-7.0, 7.0, 401, retstep=True)
    th = m[:, None, None] + t[None, :, None] * z
    mass = wm[:, None] * wt * norm.pdf(m, 0, 0.5)[:, None] * norm.pdf(t, 0, 0.25)
    for name in sorted(set(family)):
        like = norm.pdf(z) * step
        for own in np.flatnonzero(np.array(family) == name):
            e = (EFFECT[own] - th) / SE[own]
            like = like * norm.pdf(e) * norm.cdf((u[own] + 0.9 * e) / np.sqrt(1.0 - 0.81))
        mass = mass * like.sum(axis=-1)
    share = mass.sum(axis=1) / mass.sum()
    mean = share @ m
    assert_allclose(found.centre, mean, atol=1e-5)
    assert_allclose(found.spread, np.sqrt(share @ (m - mean) ** 2), rtol=1e-4)


def test_severity_by_the_chance_of_small_studies():
    found = brw.severity(brw.Model(terms=TERMS), rows(), weights=(0.7, 0.4), correlation=0.9)
    for weight in (0.7, 0.4):
        mean, _, total, _ = published(weight, 0.9)
        assert_allclose(found.table.loc[weight, "mean"], mean, atol=1e-5)
        assert_allclose(found.table.loc[weight, "log_evidence"], total, atol=1e-5)
    assert found.table["median"].is_monotonic_decreasing
    assert "as imprecise as the least precise" in found.said
    assert found.plot() is not None


def test_what_cannot_be_is_said():
    with pytest.raises(SpecError, match="chances of being seen"):
        Copas(small=1.2, rho=0.5)
    with pytest.raises(SpecError, match="chances of being seen"):
        Copas(small=0.9, large=0.5, rho=0.5)
    with pytest.raises(SpecError, match="rho must lie"):
        Copas(small=0.4, rho=-0.5)
    with pytest.raises(SpecError, match="the smaller first"):
        Copas(small=0.4, rho=0.5, errors=(0.3, 0.1))
    model = brw.Model(terms=TERMS, likelihood=Copas(small=0.4, rho=0.5))
    with pytest.raises(EvidenceError, match="direction of benefit"):
        brw.fit(model, rows(benefit=""))
    alike = rows().data.assign(se=("estimate", np.full(7, 0.2)))
    with pytest.raises(EvidenceError, match="standard errors are alike"):
        brw.fit(model, replace(rows(), data=alike))
    with pytest.raises(EngineRefusal, match="not worked out"):
        brw.predictive_check(model, rows())


@pytest.mark.slow
def test_both_engines_agree():
    model = brw.Model(terms=TERMS, likelihood=Copas(small=0.4, rho=0.9))
    exact = solve(model, rows()).posterior.pooled
    drawn = brw.fit(model, rows(), engine=brw.Nuts(), seed=3)["posterior"]["mu"].to_numpy()
    import arviz as az  # noqa: PLC0415

    error = drawn.std() / np.sqrt(float(az.ess(drawn)))
    assert abs(drawn.mean() - exact.centre) < 4.0 * error
