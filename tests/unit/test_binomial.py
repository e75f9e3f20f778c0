"""Events of two groups with integrated baselines, against grids that share no code with the engine.

Likelihoods of studies: the baseline by the trapezoid rule on 4001 points, kept on 6001 effects and joined by
cubic splines; then as for tables given their margins. Halving the spacings moves nothing by 1e-8.
"""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, optimize, special, stats
from scipy.interpolate import CubicSpline

import bayesrtw as brw
from bayesrtw.analysis.spec import Analysis, Query
from bayesrtw.engine import solve
from bayesrtw.errors import BayesrtwError
from bayesrtw.model.arms import LINKS
from bayesrtw.model.binomial import MEASURES, Binomial
from bayesrtw.model.checked import check
from bayesrtw.model.hypergeometric import Hypergeometric
from bayesrtw.question.sensitivity import leave_one_out
from bayesrtw.report.record import record
from bayesrtw.report.strip import Strip

prior = brw.prior
GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = ["events_t", "n_t", "events_c", "n_c"]

#: Four trials: an empty arm, no event at all, and two with few events.
TABLES = np.array([[3.0, 30, 1, 31], [0, 25, 4, 24], [0, 20, 0, 22], [5, 40, 6, 38]])
THETA = np.linspace(-30.0, 30.0, 6001)
A = np.linspace(-80.0, 20.0, 4001)


def rows(measure, tables=TABLES, **columns):
    frame = pd.DataFrame(np.asarray(tables), columns=NAMES)
    frame = frame.assign(study=[f"S{i}" for i in range(len(frame))], **columns)
    return brw.Evidence.from_frame(frame, columns={name: name for name in NAMES}, measure=measure)


def model(likelihood, *terms):
    own = (brw.Intercept(prior.Normal(0, 1)), brw.Exchangeable(prior.HalfNormal(0.5)), *terms)
    return brw.Model(terms=own, likelihood=likelihood)


def chance(link, eta):
    """Log probability of an event, and of none."""
    if link == "logit":
        none = -np.logaddexp(0, eta)
        return none + eta, none
    if link == "cloglog":
        hazard = np.exp(np.minimum(eta, 100.0))
        return np.log(np.maximum(-np.expm1(-hazard), 1e-300)), -hazard
    below = np.minimum(eta, -1e-12)
    return np.where(eta < 0, eta, -np.inf), np.where(eta < 0, np.log(-np.expm1(below)), -np.inf)


def likelihood(table, link, baseline):
    """Log likelihood of one study as a spline."""
    a, n1, c, n0 = table
    found, start = np.empty(len(THETA)), baseline.logpdf(A)
    for place, theta in enumerate(THETA):
        log = start
        for r, n, eta in ((a, n1, A + theta / 2), (c, n0, A - theta / 2)):
            p, q = chance(link, eta)
            log = log + (r * p if r else 0.0) + np.where(np.isfinite(q), (n - r) * q, -np.inf)
        found[place] = np.log(np.maximum(np.sum(np.exp(log)) * (A[1] - A[0]), 1e-300))
    ways = math.log(math.comb(int(n1), int(a)) * math.comb(int(n0), int(c)))
    return CubicSpline(THETA, found + ways)


def given_margins(table, *_):
    """Log likelihood of one study given how many events it has, as a spline."""
    a, n1, c, n0 = (int(each) for each in table)
    u = np.arange(max(0, a + c - n0), min(a + c, n1) + 1)
    ways = np.array([math.comb(n1, each) * math.comb(n0, a + c - each) for each in u], dtype=float)
    return CubicSpline(THETA, a * THETA - special.logsumexp(np.outer(THETA, u), b=ways, axis=1))


def legendre(low, high, count):
    x, w = np.polynomial.legendre.leggauss(count)
    return low + (high - low) * (x + 1) / 2, w * (high - low) / 2


class Grid:
    def __init__(self, tables, link, baseline, likelihood=likelihood):
        sites = [likelihood(table, link, baseline) for table in tables]
        tau, w = legendre(0.0, 4.0, 40)
        mu = np.linspace(-6.0, 6.0, 401)
        x, wx = legendre(-8.5, 8.5, 120)
        wx = wx * stats.norm.pdf(x)
        log = (np.log(w) + stats.halfnorm.logpdf(tau, scale=0.5))[:, None]
        log = log + stats.norm.logpdf(mu, 0, 1.0)
        for place, sd in enumerate(tau):
            theta = mu[:, None] + sd * x
            for site in sites:
                log[place] += np.log(np.exp(site(theta)) @ wx)
        weight = np.exp(log - log.max())
        self.log_evidence = math.log(weight.sum() * (mu[1] - mu[0])) + log.max()
        weight /= weight.sum()
        each = weight.sum(0)
        self.mean, self.tau = each @ mu, weight.sum(1) @ tau
        self.sd = math.sqrt(each @ (mu - self.mean) ** 2)


@pytest.mark.parametrize(
    ("link", "baseline", "own"),
    [
        ("logit", prior.Normal(0.0, 10.0), stats.norm(0, 10)),
        ("logit", prior.Beta(1.0, 1.0), stats.logistic()),
        ("log", prior.Normal(-2.0, 2.0), stats.norm(-2, 2)),
        ("cloglog", prior.Normal(-2.0, 2.0), stats.norm(-2, 2)),
    ],
    ids=["logit", "beta", "log", "cloglog"],
)
def test_links_agree_with_a_grid(link, baseline, own):
    made = Binomial(link=link, baseline=baseline)
    found = solve(model(made), rows(MEASURES[link][0])).posterior
    grid = Grid(TABLES, link, own)
    assert_allclose(found.effects["mu"].centre, grid.mean, atol=2e-6 * grid.sd)
    assert_allclose(found.effects["mu"].spread, grid.sd, rtol=2e-6)
    assert_allclose(found.tau, grid.tau, rtol=2e-6)
    assert_allclose(found.log_evidence, grid.log_evidence, atol=2e-6)


def test_a_study_without_events_says_a_little():
    """It draws the mean to zero by less than a hundredth of an SD under a vague baseline, and is named."""
    made, kept = model(Binomial()), TABLES[[0, 1, 3]]
    whole, without = (
        solve(made, rows("log_odds_ratio", each)).posterior.effects["mu"] for each in (TABLES, kept)
    )
    assert 0 < abs(whole.centre - without.centre) < 0.01 * without.spread
    said = [
        each.message
        for each in check(made, rows("log_odds_ratio"))
        if each.check == "silent-tables"
    ]
    assert len(said) == 1
    assert "say a little" in said[0]


@pytest.mark.parametrize(
    "kind", [pytest.param("binomial", marks=pytest.mark.slow), "hypergeometric"]
)
def test_an_analysis_keeps_studies_without_events_where_they_tell_something(kind, tmp_path):
    """Binomial: the grid of all four trials; given margins: that of three, since the other says nothing."""
    path = tmp_path / "trials.csv"
    lines = [f"S{i},{','.join(f'{x:g}' for x in table)}" for i, table in enumerate(TABLES)]
    head = f"study,{','.join(NAMES)},measure\n"
    path.write_text(head + ",log_odds_ratio\n".join([*lines, ""]), encoding="utf-8")
    evidence = brw.open_dataset(path, strict=False)
    own = model(Binomial() if kind == "binomial" else Hypergeometric())
    analysis = Analysis(
        id="t",
        title="t",
        question="t?",
        evidence=Query("trials", "log_odds_ratio"),
        term=own.terms,
        seed=1,
        likelihood=own.likelihood,
    )
    synthesis = brw.run(analysis, evidence)
    said = [each.message for each in synthesis.findings if each.check == "silent-tables"]
    if kind == "binomial":
        grid = Grid(TABLES, "logit", stats.norm(0, 10))
        assert "'S2' have no event, or nothing but events. They say a little" in said[0]
    else:
        grid = Grid(TABLES[[0, 1, 3]], "logit", None, given_margins)
        assert "They stay in the table and move nothing." in said[0]
    assert synthesis.evidence.size == len(TABLES)
    found = synthesis.quantities.loc["mu"]
    assert_allclose(found["mean"], grid.mean, atol=2e-6 * grid.sd)
    assert_allclose(found["sd"], grid.sd, rtol=2e-6)
    assert len(leave_one_out(synthesis)) == len(TABLES) + 1
    # It has no estimate of its own to draw, and an effect behind it all the same.
    content = record(synthesis)
    strip = Strip.of(content, synthesis.evidence.measure)
    assert ["rect" in str(strip.estimate(row)) for row in range(4)] == [True, True, False, True]
    assert "circle" in str(strip.estimate(2))


def test_bayes_factors_are_those_of_print():
    """Bartos et al. 2023: 5/35 v 0/39 and 2/40 v 0/40, uniform midpoints.

    mu ~ t3(0, 0.48), tau ~ IG(1.67, 0.45). Printed from sampling, 2.63 for an effect and 1.30 for
    heterogeneity; quadrature gives 2.620 and 1.308.
    """
    evidence = rows("log_odds_ratio", [[5, 35, 0, 39], [2, 40, 0, 40]])
    sites = Binomial(baseline=prior.Beta(1.0, 1.0)).observe(evidence)
    mu, tau = np.linspace(-30, 30, 1201), np.exp(np.linspace(math.log(0.02), math.log(2e3), 121))
    over_tau = stats.invgamma.pdf(tau, 1.67, scale=0.45) * tau
    over_tau /= over_tau.sum()
    over_mu = stats.t.pdf(mu / 0.48, 3)
    over_mu /= over_mu.sum()
    every = np.arange(2)

    def seen(mean, sd):
        shape = np.broadcast_shapes(np.shape(mean), np.shape(sd))
        mean, sd = (np.broadcast_to(each, shape)[..., None] for each in (mean, sd))
        both = np.broadcast_to(mean, (*shape, 2)), np.broadcast_to(sd**2, (*shape, 2))
        return np.exp(sites.log_density(*both, every).sum(axis=-1))

    null, effect = seen(np.zeros(1), np.zeros(1))[0], over_mu @ seen(mu, np.zeros(1))
    varied = over_tau @ seen(np.zeros(1), tau)
    both = over_mu @ seen(mu[:, None], tau) @ over_tau
    assert_allclose((effect + both) / (null + varied), 2.620, atol=0.002)
    assert_allclose((varied + both) / (null + effect), 1.308, atol=0.002)


def test_settings_are_refused_in_words():
    with pytest.raises(BayesrtwError, match="Choices: cloglog, log, logit"):
        Binomial(link="probit")
    with pytest.raises(BayesrtwError, match="must have a normal prior"):
        Binomial(baseline=prior.HalfNormal(1.0))
    with pytest.raises(BayesrtwError, match="goes with the logit link"):
        Binomial(link="log", baseline=prior.Beta(1.0, 1.0))
    with pytest.raises(BayesrtwError, match="this likelihood tells 'log_hazard_ratio'"):
        check(model(Binomial(link="cloglog")), rows("log_odds_ratio"))


@pytest.mark.parametrize(
    ("outcome", "estimate", "error"), [("infarcts", 0.3554, 0.1664), ("deaths", 0.5092, 0.2727)]
)
def test_its_maximum_is_that_of_fixed_study_effects(outcome, estimate, error):
    """Rosiglitazone, 48 trials with six without events: metafor's rma.glmm, UM.FS, whose tau is 0 here.

    Data of the R package metadat (dat.nissen2007): Nissen & Wolski 2007, N Engl J Med 356:2457-71.
    """
    trials = pd.read_csv(GOLDEN / "nissen2007.csv")
    names = [f"{outcome}_t", "n_t", f"{outcome}_c", "n_c"]

    def loss(theta):
        total = 0.0
        for a, n1, c, n0 in trials[names].to_numpy(dtype=float):

            def own(base, cells=(a, n1, c, n0)):
                first, second = (
                    LINKS["logit"](cells[at], cells[at + 1], np.asarray(base + side * theta))
                    for at, side in ((0, 0.5), (2, -0.5))
                )
                return -float(first + second)

            if a + c:
                made = optimize.minimize_scalar(
                    own, bounds=(-14, 3), method="bounded", options={"xatol": 1e-8}
                )
                total += made.fun
        return total

    best = optimize.minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-6})
    bend = (loss(best.x + 0.02) - 2.0 * best.fun + loss(best.x - 0.02)) / 0.02**2
    assert_allclose([best.x, bend**-0.5], [estimate, error], atol=6e-5)


def test_what_two_groups_would_have_reported_is_enumerated_under_every_link():
    """Outcomes given their sum: integrals over the baseline by scipy; effects that no baseline allows too."""
    for link, law in LINKS.items():
        made = Binomial(link=link).observe(rows(MEASURES[link][0], np.array([[3.0, 30, 1, 31]])))
        theta = np.array([-1.0, 0.4, 150.0])
        estimate, log = made.reports(0, theta)
        assert np.all(np.isfinite(estimate))
        assert_allclose(np.exp(log).sum(axis=1), 1.0)
        for place, each in enumerate(theta[:2]):
            whole = [
                integrate.quad(
                    lambda a, u=u, each=each, law=law: np.exp(
                        law(np.asarray(u), np.asarray(30.0), np.asarray(a + each / 2))
                        + law(np.asarray(4.0 - u), np.asarray(31.0), np.asarray(a - each / 2))
                        + stats.norm.logpdf(a, 0, 10)
                    ),
                    -9.0,
                    -0.5 * abs(each) if link == "log" else 4.0,
                    limit=200,
                )[0]
                for u in range(5)
            ]
            assert_allclose(np.exp(log[place]), np.array(whole) / np.sum(whole), atol=2e-4)
        assert np.exp(log[2, -1]) > 0.99


#: Events and people of the thirteen BCG vaccine trials, vaccinated then control: dat.colditz1994 of metadat.
BCG = """
    4 123 11 139 6 306 29 303 3 231 11 220 62 13598 248 12867 33 5069 47 5808 180 1541 372 1451 8 2545 10 629
    505 88391 499 88391 29 7499 45 7277 17 1716 65 1665 186 50634 141 27338 5 2498 3 2341 27 16913 29 17854
"""


@pytest.mark.parametrize(
    ("scale", "mean", "tau"),
    [
        # Vignette of the R package MetaStan: Stan, mean and 95 % interval, median of tau; two digits.
        (0.5, (-0.75, -1.14, -0.37), (0.60, None, None)),
        # NICE DSU TSD 3 (2012), example 3 without its covariate: OpenBUGS; tau is a median.
        (5.0, (-0.762, -1.21, -0.34), (0.649, 0.39, 1.17)),
    ],
)
def test_vaccine_trials_are_pooled_as_published(scale, mean, tau):
    """Normal baselines of SD 10 there; Monte-Carlo error and rounding are some 0.01 in the printed ends."""
    terms = (brw.Intercept(prior.Normal(0, 100)), brw.Exchangeable(prior.HalfNormal(scale)))
    tables = np.array(BCG.split(), dtype=float).reshape(-1, 4)
    found = solve(
        brw.Model(terms=terms, likelihood=Binomial()), rows("log_odds_ratio", tables)
    ).posterior
    told = [found.pooled.moments()[0], *found.pooled.quantile(np.array([0.025, 0.975]))]
    assert_allclose(told, mean, atol=0.0101)
    for level, wanted in zip((0.5, 0.025, 0.975), tau, strict=True):
        if wanted is not None:
            assert found.hyper["tau"].quantile(level) == pytest.approx(wanted, abs=0.021)


def test_vaccine_trials_are_pooled_as_a_grid_does():
    """Baselines in the middle N(0, 10^2), mean N(0, 100^2), tau half-normal(0.5).

    Baselines and means on even grids, tau by 40 Gauss-Legendre nodes up to 4, effects by 161 points over 8
    SDs, through cubic splines; halving every spacing moves nothing by 1e-8. With the baseline in the controls
    the mean would be -0.7576.
    """
    tables = np.array(BCG.split(), dtype=float).reshape(-1, 4)
    theta, mu = np.linspace(-9.0, 7.0, 1601), np.linspace(-3.2, 1.7, 246)
    x, weight = np.polynomial.legendre.leggauss(40)
    tau, z = 2.0 * (x + 1.0), np.linspace(-8.0, 8.0, 161)
    normal = stats.norm.pdf(z) / np.sum(stats.norm.pdf(z))
    log = np.log(weight)[:, None] - 0.5 * (tau[:, None] / 0.5) ** 2 - 0.5 * (mu / 100.0) ** 2
    at = mu[:, None] + tau[:, None, None] * z
    for a, n1, c, n0 in tables:
        base = np.log((a + c) / (n1 + n0 - a - c)) + np.linspace(-5.0, 5.0, 1001)[:, None]
        each = -0.5 * (base / 10.0) ** 2
        for side, events, people in ((0.5, a, n1), (-0.5, c, n0)):
            each = each + events * special.log_expit(base + side * theta)
            each = each + (people - events) * special.log_expit(-base - side * theta)
        line = special.logsumexp(each, axis=0)
        spline = CubicSpline(theta, line - line.max())
        log += np.log(np.maximum(np.exp(spline(np.clip(at, -9.0, 7.0))) @ normal, 1e-300))
    share = np.exp(log - log.max())
    share /= share.sum()
    mean, spread = share.sum(0) @ mu, share.sum(1) @ tau
    terms = (brw.Intercept(prior.Normal(0, 100)), brw.Exchangeable(prior.HalfNormal(0.5)))
    model = brw.Model(terms=terms, likelihood=Binomial())
    found = solve(model, rows("log_odds_ratio", tables)).posterior
    assert_allclose([found.pooled.moments()[0], found.tau], [mean, spread], atol=1e-6)
    assert_allclose([mean, spread], [-0.755309, 0.598913], atol=1e-6)
