"""Models that are not normal, against grids and enumerations that share no code with the engine.

Grids are fine enough for 1e-6 of a posterior SD: the trapezoid rule over the mean converges faster than any
power, sites are integrated with Gauss-Legendre points over ten SDs of the heterogeneity. The exact engine
stops at 1e-8 for one coefficient.
"""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

import bayesrtw as brw
from bayesrtw.engine import cubature, solve
from bayesrtw.engine.curved_nodes import settled
from bayesrtw.engine.normal import normal
from bayesrtw.engine.surface import surface
from bayesrtw.errors import ConvergenceError
from bayesrtw.model.bias_mixture import BiasMixture, RiskClass, RiskGroup
from bayesrtw.model.student_t import HeavyTails

Y = np.array([0.1, 0.2, 0.15, 0.05, 2.0])
SE = np.array([0.1, 0.15, 0.2, 0.1, 0.12])
prior = brw.prior


def rows(effect=Y, se=SE, **columns):
    frame = pd.DataFrame(
        {"study": [f"S{i}" for i in range(len(effect))], "effect": effect, "se": se}
    )
    evidence = frame.assign(**columns)
    return brw.Evidence.from_frame(evidence, measure="log_hazard_ratio", benefit="higher")


def model(likelihood=None, *terms, tau=None):
    tau = prior.HalfNormal(0.25) if tau is None else tau
    own = (brw.Intercept(prior.Normal(0, 0.5)), brw.Exchangeable(tau), *terms)
    return brw.Model(terms=own, likelihood=likelihood or HeavyTails(4.0))


def legendre(low, high, count):
    x, w = np.polynomial.legendre.leggauss(count)
    return low + (high - low) * (x + 1) / 2, w * (high - low) / 2


class Grid:
    """The posterior of mu and tau under Student's t, on a grid; and moments of two effects."""

    def __init__(self, power=1.0):
        self.tau, w = legendre(0.0, 1.9, 64)
        self.mu = np.linspace(-2.4, 2.6, 501)
        x, wx = legendre(-8.5, 8.5, 300)
        density = wx * stats.norm.pdf(x)
        log = np.zeros((64, 501))
        behind = {0: np.zeros((3, 64, 501)), 4: np.zeros((3, 64, 501))}
        for place, tau in enumerate(self.tau):
            theta = self.mu[:, None] + tau * x
            for row, (y, se) in enumerate(zip(Y, SE, strict=True)):
                z = (y - theta) / se
                site = 0.375 * (1 + z * z / 4) ** -2.5 / se
                log[place] += power * np.log(site @ density)
                if row in behind:
                    for n in range(3):
                        behind[row][n, place] = (site * theta**n) @ density
        log += (np.log(w) + stats.halfnorm.logpdf(self.tau, scale=0.25))[:, None]
        log += stats.norm.logpdf(self.mu, 0, 0.5)
        weight = np.exp(log - log.max())
        self.log_evidence = math.log(weight.sum() * (self.mu[1] - self.mu[0])) + log.max()
        self.weight = weight / weight.sum()
        each = self.weight.sum(0)
        self.mean = each @ self.mu
        self.sd = math.sqrt(each @ (self.mu - self.mean) ** 2)
        self.behind = behind

    def effect(self, row):
        """Mean and SD of the effect behind a row."""
        whole, first, second = self.behind[row]
        mean, square = (np.sum(self.weight * part / whole) for part in (first, second))
        return mean, math.sqrt(square - mean**2)


@pytest.fixture(scope="module")
def heavy():
    return solve(model(), rows()), Grid()


def test_heavy_tails_agree_with_a_grid(heavy):
    fit, grid = heavy
    assert_allclose(fit.posterior.pooled.centre, grid.mean, atol=1e-6 * grid.sd)
    assert_allclose(fit.posterior.pooled.spread, grid.sd, rtol=1e-6)
    assert_allclose(fit.posterior.log_evidence, grid.log_evidence, atol=1e-6)
    assert_allclose(fit.posterior.tau, grid.weight.sum(1) @ grid.tau, rtol=1e-6)


@pytest.mark.slow
def test_families_of_one_and_of_two_are_a_dense_sum():
    """Five estimates of four families under Student's t: families of one and of two."""
    family = np.array([0, 0, 1, 2, 3])
    spreads = prior.HalfNormal(0.3), prior.HalfNormal(0.2)
    two = brw.Exchangeable(spreads[0], by="family", name="tau_family")
    own = (brw.Intercept(prior.Normal(0, 0.5)), two, brw.Exchangeable(spreads[1]))
    whole = brw.Model(terms=own, likelihood=HeavyTails(4.0))
    effect = np.r_[Y[:4], 0.4]
    fit = solve(whole, rows(effect, family=[f"f{each}" for each in family]))
    mu, m, x = np.linspace(-2.4, 2.8, 131), np.linspace(-20, 20, 2001), np.linspace(-8, 8, 161)
    weight = stats.norm.pdf(x) * (x[1] - x[0])
    total = np.zeros(131)
    for tau, v in zip(*legendre(0, 1.3, 24), strict=True):
        density = v * stats.halfnorm.pdf(tau, scale=0.2)
        at = m[:, None] + tau * x
        each = [stats.t.pdf(y, 4, at, se) @ weight for y, se in zip(effect, SE, strict=True)]
        lines = [CubicSpline(m, one) for one in (each[0] * each[1], *each[2:])]
        for apart, w in zip(*legendre(0, 2.0, 24), strict=True):
            behind = mu[:, None] + apart * x
            inside = np.prod([line(behind) @ weight for line in lines], axis=0)
            total += density * w * stats.halfnorm.pdf(apart, scale=0.3) * inside
    total *= stats.norm.pdf(mu, 0, 0.5)
    mass = total.sum() * (mu[1] - mu[0])
    mean = total @ mu / total.sum()
    sd = math.sqrt(total @ (mu - mean) ** 2 / total.sum())
    found = fit.posterior
    assert_allclose(found.log_evidence, math.log(mass), atol=1e-6)
    assert_allclose((found.pooled.centre, found.pooled.spread), (mean, sd), atol=1e-6)
    (less,) = fit.without([np.array([True, False, False, True, False])])
    kept = [1, 2, 4]
    alone = solve(whole, rows(effect[kept], SE[kept], family=[f"f{each}" for each in family[kept]]))
    assert_allclose(less.posterior.log_evidence, alone.posterior.log_evidence, atol=1e-4)
    assert_allclose(less.posterior.pooled.centre, alone.posterior.pooled.centre, atol=1e-5)


def test_effects_behind_rows_agree_with_the_grid(heavy):
    fit, grid = heavy
    found = fit.effect_of(np.array([True, False, False, False, True]))
    for row, each in zip((0, 4), found, strict=True):
        mean, sd = grid.effect(row)
        assert_allclose((each.centre, each.spread), (mean, sd), atol=1e-5 * sd)


def test_an_outlier_draws_the_mean_less_than_under_a_normal(heavy):
    """Five estimates with one outlier: 0.18 under heavy tails, 0.39 under a normal likelihood."""
    plain = normal(model(brw.likelihood.NormalErrors()), rows()).posterior.pooled.centre
    assert heavy[0].posterior.pooled.centre < 0.2
    assert plain > 0.35


def test_neighbours_are_what_a_new_fit_gives(heavy):
    fit, _ = heavy
    (left,) = fit.without([np.array([False, False, False, False, True])])
    alone = solve(model(), rows(Y[:4], SE[:4])).posterior
    assert_allclose(
        left.posterior.pooled.quantile([0.025, 0.5, 0.975]),
        alone.pooled.quantile([0.025, 0.5, 0.975]),
        atol=1e-5,
    )
    assert_allclose(left.posterior.log_evidence, alone.log_evidence, atol=1e-5)
    along = np.array([0.0, 0, 0, 0, 1.0])
    moved = fit.shifted(along, -0.5).posterior.pooled
    other = solve(model(), rows(Y - 0.5 * along)).posterior.pooled
    assert_allclose((moved.centre, moved.spread), (other.centre, other.spread), rtol=1e-4)
    (wider,) = fit.under([{"tau": prior.HalfNormal(0.5)}])
    other = solve(model(tau=prior.HalfNormal(0.5)), rows()).posterior
    assert_allclose(wider.posterior.pooled.centre, other.pooled.centre, atol=1e-5)
    assert_allclose(
        wider.posterior.hyper["tau"].quantile(0.5), other.hyper["tau"].quantile(0.5), rtol=1e-4
    )


def test_a_power_of_the_data_agrees_with_the_grid(heavy):
    found, grid = heavy[0].powered(data=1.05).posterior.pooled, Grid(power=1.05)
    assert_allclose((found.centre, found.spread), (grid.mean, grid.sd), atol=1e-5)


@pytest.mark.parametrize("by", [0.5, -4.0])
def test_a_shift_keeps_the_power_of_the_data(heavy, by):
    along = np.array([1.0, 1, 0, 0, 1])
    other = solve(model(), rows(Y + by * along)).powered(data=1.05).posterior.pooled
    found = heavy[0].powered(data=1.05).shifted(along, by).posterior.pooled
    assert_allclose((found.centre, found.spread), (other.centre, other.spread), rtol=1e-6)


def test_a_shift_whose_nodes_cannot_keep_the_power_is_refused(heavy):
    with pytest.raises(ConvergenceError, match="a power of prior or data"):
        heavy[0].powered(data=1.05).shifted(np.array([1.0, 1, 0, 0, 1]), 60.0)


def test_many_degrees_of_freedom_are_the_normal_model():
    """Everything that a fit answers, from code that shares none with the normal engine's."""
    every = np.ones(5, dtype=bool)
    one, other = (
        solve(model(HeavyTails(1e7)), rows()),
        normal(model(brw.likelihood.NormalErrors()), rows()),
    )
    assert_allclose(one.shares, other.shares, atol=1e-6)
    for left, right in zip(one.effect_of(every), other.effect_of(every), strict=True):
        assert_allclose((left.centre, left.spread), (right.centre, right.spread), atol=2e-6)
    mask = np.array([False, True, False, False, False])
    (left,), (right,) = one.without([mask]), other.without([mask])
    first, second = left.expected(mask)[0], right.expected(mask)[0]
    assert_allclose(
        first.quantile([0.025, 0.5, 0.975]), second.quantile([0.025, 0.5, 0.975]), atol=2e-5
    )
    assert_allclose(left.posterior.new.quantile(0.9), right.posterior.new.quantile(0.9), atol=2e-5)


def test_draws_follow_the_posterior():
    tree = brw.fit(model(), rows(), engine=brw.Exact(), seed=3)
    table, drawn = brw.summarise(tree), tree["posterior"].dataset
    for name in ("mu", "tau", "theta_new"):
        se = float(drawn[name].std()) / math.sqrt(4000)
        assert_allclose(float(drawn[name].mean()), table.loc[name, "mean"], atol=4.5 * se)


def mixture():
    group = RiskGroup(
        "cohorts",
        ("cohort",),
        prior.Normal(0.05, 0.2),
        prior.HalfNormal(0.15),
        (RiskClass("", 0.6),),
    )
    return BiasMixture((group,))


class Allocations:
    """Every allocation of biases is a normal model of its own; their evidence weighs them."""

    def __init__(self, y, se, risk, tau_prior, far):
        u, w = legendre(math.log(1e-9), math.log(far), 160)
        k, wk = legendre(0, 1.2, 40)
        tau, kappa = np.exp(u)[:, None], k[None, :]
        base = (np.log(w) + u + tau_prior.logpdf(np.exp(u)))[:, None]
        base = base + np.log(wk) + stats.halfnorm.logpdf(kappa, scale=0.15)
        logs, means, sds, new = [], [], [], []
        for chosen in itertools.product((0.0, 1.0), repeat=int(risk.sum())):
            a = np.zeros(len(y))
            a[risk] = chosen
            v = se**2 + tau[..., None] ** 2 + a * kappa[..., None] ** 2
            p11, p12 = 4.0 + np.sum(1 / v, -1), np.sum(a / v, -1)
            p22 = 25.0 + p12
            h1, h2 = np.sum(y / v, -1), 1.25 + np.sum(a * y / v, -1)
            det = p11 * p22 - p12**2
            square = np.sum(y * y / v, -1) + 0.0625
            square -= (p22 * h1 * h1 - 2 * p12 * h1 * h2 + p11 * h2 * h2) / det
            log = -0.5 * (
                np.sum(np.log(2 * np.pi * v), -1) + square + np.log(det) + 2 * math.log(0.1)
            )
            s, m = sum(chosen), len(chosen)
            log = log + special.betaln(6 + s, 4 + m - s) - special.betaln(6, 4) + base
            logs.append(log.ravel())
            means.append(((p22 * h1 - p12 * h2) / det).ravel())
            sds.append(np.sqrt(p22 / det).ravel())
            new.append(np.sqrt(p22 / det + tau**2).ravel())
        log = np.concatenate(logs)
        weight = np.exp(log - log.max())
        self.log_evidence = math.log(weight.sum()) + log.max()
        self.weight = weight / weight.sum()
        self.mean, self.sd, self.new = (np.concatenate(part) for part in (means, sds, new))

    def quantile(self, q, *, new):
        sd = self.new if new else self.sd
        return brentq(
            lambda x: self.weight @ special.ndtr((x - self.mean) / sd) - q, -1e4, 1e4, xtol=1e-12
        )


@pytest.mark.parametrize(
    ("tau", "far"),
    [
        (prior.HalfNormal(0.25), 2.2),
        (prior.HalfNormal(2.0), 18.0),
        (prior.HalfCauchy(0.25), 1e6),
        (prior.InverseGamma(1.79, 0.73), 1e6),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, float) else "",
)
def test_biases_that_studies_may_have_agree_with_every_allocation(tau, far):
    y, se = np.array([0.1, 0.2, 0.5, 0.6, 0.3]), np.array([0.1, 0.15, 0.1, 0.12, 0.2])
    risk = np.array([False, False, True, True, True])
    evidence = rows(y, se, design=np.where(risk, "cohort", "rct"))
    made = model(brw.likelihood.NormalErrors(), mixture(), tau=tau)
    found, truth = solve(made, evidence).posterior, Allocations(y, se, risk, tau, far)
    assert_allclose(found.log_evidence, truth.log_evidence, atol=2e-6)
    for name, new in (("mu", False), ("theta_new", True)):
        width = found.pooled.quantile(0.84) - found.pooled.quantile(0.16)
        for q in (0.025, 0.5, 0.975):
            wanted = truth.quantile(q, new=new)
            assert_allclose(
                found.effects[name].quantile(q), wanted, atol=1e-5 * width + 1e-6 * abs(wanted)
            )


def test_nodes_of_sparse_rules_are_counted_without_laying_them():
    for dimension, level in ((4, 1), (4, 4), (5, 3), (7, 3), (11, 2)):
        assert cubature.nodes(dimension, level) == len(cubature.rule(dimension, level).weight)


def test_series_of_normals_are_as_short_as_parabolas() -> None:
    seen, variance = np.array([0.3, -1.0]), np.array([[0.04, 0.3], [0.5, 0.6]])

    def density(mean, spread, rows):
        # The second has a heavier tail: a t error of four degrees of freedom.
        gap = (seen[rows] - mean) ** 2 / spread
        return np.where(rows == 0, -0.5 * gap, -2.5 * np.log1p(gap / 4.0)) - 0.5 * np.log(spread)

    rows, ends = np.arange(2), np.full((2, 2), 1.5)
    laid = surface(density, rows, variance, -ends, ends)
    lengths = {int(of): len(series) for several, series in laid.series for of in several}
    assert lengths[0] == 4
    assert lengths[1] > 10
    mean = np.random.default_rng(1).uniform(-1.5, 1.5, (2, 30, 2))
    told = laid.at(mean, slice(None), rows)
    assert told == pytest.approx(density(mean, variance[:, None], rows), abs=1e-8)
    step = 1e-4
    up, down = (density(mean + by, variance[:, None], rows) for by in (step, -step))
    assert laid.slopes(mean)[0] == pytest.approx((up - down) / (2.0 * step), abs=1e-5)


@pytest.mark.parametrize("pole", [0.04, 0.05, 0.06, 0.08, 0.1])
def test_the_last_rule_errs_by_less_than_two_movements_tell(pole) -> None:
    """Gauss-Legendre rules of 30, 42 and 60 nodes of 1 / (x^2 + a^2), whose integral is 2 atan(1 / a) / a."""
    truth = 2.0 * math.atan(1.0 / pole) / pole

    def summed(count):
        node, weight = special.roots_legendre(count)
        return float(weight @ (1.0 / (node**2 + pole**2))) / truth

    first, second, last = (summed(count) for count in (30, 42, 60))
    moved = abs(last - second)
    told = settled(moved, abs(second - first), 1e-12)
    assert abs(last - 1.0) <= told <= moved
    # Nothing is told of rules that are still far, or that move more than before.
    assert settled(1e-3, 1e-2, 1e-6) == 1e-3
    assert settled(2e-6, 1e-6, 1e-7) == 2e-6
    assert settled(2e-6, math.inf, 1e-7) == 2e-6


def test_an_sd_with_a_heavy_tail_beside_another_has_its_own_nodes() -> None:
    """Counts of studies with two rows: posteriors of both SDs from tables given their margins, on a grid."""
    cells = [(3, 40, 8, 40), (5, 60, 6, 55), (12, 80, 9, 90)]
    cells += [(4, 30, 7, 35), (1, 25, 5, 30), (9, 50, 4, 50)]
    frame = pd.DataFrame(cells, columns=["events_t", "n_t", "events_c", "n_c"], dtype=float)
    frame = frame.assign(study=list("AABBCC"))
    columns = {name: name for name in frame.columns if name != "study"}
    evidence = brw.Evidence.from_frame(frame, columns=columns, measure="log_odds_ratio")
    wide, near = prior.InverseGamma(1.51, 0.23), prior.HalfNormal(0.25)
    outer = brw.Exchangeable(wide, by="study", name="tau_study")
    terms = (brw.Intercept(prior.Normal(0, 1)), outer, brw.Exchangeable(near))
    found = solve(brw.Model(terms=terms, likelihood=brw.likelihood.Hypergeometric()), evidence)

    theta, mu = np.linspace(-15.0, 15.0, 901), np.linspace(-6.0, 6.0, 161)
    step = theta[1] - theta[0]
    sites = []
    for a, n1, c, n0 in cells:
        u = np.arange(max(0, a + c - n0), min(a + c, n1) + 1)
        ways = special.gammaln(n1 + 1) - special.gammaln(u + 1) - special.gammaln(n1 - u + 1)
        ways += special.gammaln(n0 + 1) - special.gammaln(a + c - u + 1)
        ways -= special.gammaln(n0 - a - c + u + 1)
        each = ways + theta[:, None] * u
        sites.append(np.exp(each[:, u == a][:, 0] - special.logsumexp(each, axis=1)))
    low, w_low = legendre(0.0, 1.8, 40)
    u, w_u = legendre(-5.5, 9.0, 160)
    high, w_high = np.exp(u), w_u * np.exp(u)
    studies = np.empty((3, len(low), len(theta)))
    x, w = np.polynomial.hermite_e.hermegauss(40)
    for place, tau in enumerate(low):
        own = []
        for site in sites:
            line = CubicSpline(theta, site)
            at = np.clip(theta[:, None] + tau * x, theta[0], theta[-1])
            own.append(line(at) @ (w / w.sum()))
        studies[:, place] = [own[0] * own[1], own[2] * own[3], own[4] * own[5]]
    weight = np.empty((len(high), len(low), len(mu)))
    for place, tau in enumerate(high):
        if tau > 3 * step:
            kernel = stats.norm.pdf(theta, mu[:, None], tau) * step
            given = [kernel @ study.T for study in studies]
        else:
            at = mu[:, None] + tau * x
            lines = (CubicSpline(theta, study.T)(at) for study in studies)
            given = [np.einsum("mxt,x->mt", line, w / w.sum()) for line in lines]
        weight[place] = np.prod(given, axis=0).T * stats.norm.pdf(mu)
    weight *= (w_high * np.exp(wide.logpdf(high)))[:, None, None]
    weight *= (w_low * np.exp(near.logpdf(low)))[None, :, None]
    weight /= weight.sum()
    own = found.posterior.hyper["tau_study"]
    density = CubicSpline(u, weight.sum((1, 2)) / w_u)
    for quantile in (0.1, 0.5, 0.9, 0.975):
        at = float(own.quantile(np.array([quantile]))[0])
        assert density.integrate(u[0], math.log(at)) == pytest.approx(quantile, abs=1e-5)
    mean, sd = found.posterior.pooled.moments()
    each = weight.sum((0, 1))
    assert mean == pytest.approx(each @ mu, abs=1e-6)
    assert sd == pytest.approx(math.sqrt(each @ (mu - each @ mu) ** 2), abs=1e-6)
    assert found.error < 2e-6


def test_one_effect_behind_t_errors_is_right_far_beyond_its_middle():
    """By the trapezoid rule: nodes of fine rules lie where series of sites have ended."""
    effect = np.array([0.172777, -0.885474, -0.435480, -0.535628])
    se = np.array([0.260576, 0.327960, 0.297972, 0.110328])
    terms = (brw.Intercept(prior.Normal(0, 1)), brw.Common())
    found = solve(brw.Model(terms=terms, likelihood=HeavyTails(6.0)), rows(effect, se)).posterior
    mu = np.linspace(-9.0, 9.0, 20_001)
    log = stats.t.logpdf(effect, 6.0, mu[:, None], se).sum(axis=1) + stats.norm.logpdf(mu)
    share = np.exp(log - special.logsumexp(log))
    sd = math.sqrt(share @ (mu - share @ mu) ** 2)
    assert_allclose(found.effects["mu"].centre, share @ mu, atol=1e-8 * sd)
    assert_allclose(found.effects["mu"].spread, sd, rtol=1e-8)
    assert_allclose(found.log_evidence, special.logsumexp(log) + math.log(9e-4), atol=1e-8)
