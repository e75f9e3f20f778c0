"""Tables given their margins, against grids and enumerations that share no code with the engine.

Grids: tau by 48 Gauss-Legendre nodes, the mean by 601 even points, effects of studies by 200 nodes over eight
SDs. Halving the spacing moves nothing by 1e-8.
"""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, special, stats
from scipy.interpolate import CubicSpline

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.engine.exact import Exact
from bayesrtw.engine.whole_series import given, wholes
from bayesrtw.errors import BayesrtwError
from bayesrtw.model.checked import check
from bayesrtw.model.curve import curve
from bayesrtw.model.hypergeometric import Hypergeometric

prior = brw.prior
GOLDEN = Path(__file__).parents[1] / "golden"

#: Four trials: an empty arm, an empty table, and two with few events.
TABLES = np.array([[3.0, 30, 1, 31], [0, 25, 4, 24], [0, 20, 0, 22], [5, 40, 6, 38]])


def rows(tables=TABLES, **columns):
    names = ["events_t", "n_t", "events_c", "n_c"]
    frame = pd.DataFrame(np.asarray(tables), columns=names)
    frame = frame.assign(study=[f"S{i}" for i in range(len(frame))], **columns)
    return brw.Evidence.from_frame(
        frame, columns={name: name for name in names}, measure="log_odds_ratio"
    )


def model(*terms, mu=1.0, tau=0.5):
    own = (brw.Intercept(prior.Normal(0, mu)), brw.Exchangeable(prior.HalfNormal(tau)), *terms)
    return brw.Model(terms=own, likelihood=Hypergeometric())


def density(table, theta):
    """Noncentral hypergeometric by enumeration."""
    a, n1, c, n0 = table
    total = a + c
    u = np.arange(max(0, total - n0), min(total, n1) + 1)
    ways = special.comb(n1, u) * special.comb(n0, total - u)
    # relative to what was seen, so that nothing overflows before the whole is out of reach
    ratio = ways / ways[u == a]
    with np.errstate(over="ignore"):
        return 1.0 / (np.exp(np.multiply.outer(theta, u - a)) @ ratio)


def legendre(low, high, count):
    x, w = np.polynomial.legendre.leggauss(count)
    return low + (high - low) * (x + 1) / 2, w * (high - low) / 2


class Grid:
    def __init__(self, tables=TABLES, power=None, scale=0.5):
        power = np.ones(len(tables)) if power is None else power
        tau, w = legendre(0.0, 8 * scale, 48)
        mu = np.linspace(-6.0, 6.0, 601)
        x, wx = legendre(-8.5, 8.5, 200)
        wx = wx * stats.norm.pdf(x)
        log = np.zeros((48, 601))
        self.behind = np.zeros((len(tables), 3, 48, 601))
        for place, sd in enumerate(tau):
            theta = mu[:, None] + sd * x
            for row, table in enumerate(tables):
                site = density(table, theta) ** power[row]
                log[place] += np.log(site @ wx)
                for n in range(3):
                    self.behind[row, n, place] = (site * theta**n) @ wx
        log += (np.log(w) + stats.halfnorm.logpdf(tau, scale=scale))[:, None]
        log += stats.norm.logpdf(mu, 0, 1.0)
        weight = np.exp(log - log.max())
        self.log_evidence = math.log(weight.sum() * (mu[1] - mu[0])) + log.max()
        self.weight = weight / weight.sum()
        each = self.weight.sum(0)
        self.mean, self.tau = each @ mu, self.weight.sum(1) @ tau
        self.sd = math.sqrt(each @ (mu - self.mean) ** 2)

    def effect(self, row):
        whole, first, second = self.behind[row]
        mean, square = (np.sum(self.weight * part / whole) for part in (first, second))
        return mean, math.sqrt(square - mean**2)


@pytest.fixture(scope="module")
def sparse():
    return solve(model(), rows()), Grid()


def agrees(posterior, grid):
    assert_allclose(posterior.effects["mu"].centre, grid.mean, atol=1e-6 * grid.sd)
    assert_allclose(posterior.effects["mu"].spread, grid.sd, rtol=1e-6)
    assert_allclose(posterior.log_evidence, grid.log_evidence, atol=1e-6)
    assert_allclose(posterior.tau, grid.tau, rtol=1e-6)


def test_tables_agree_with_a_grid(sparse):
    fit, grid = sparse
    agrees(fit.posterior, grid)
    assert fit.posterior.error < 1e-6


def test_effects_behind_tables_agree_with_the_grid(sparse):
    fit, grid = sparse
    for row, found in enumerate(fit.effect_of(np.ones(4, dtype=bool))):
        mean, sd = grid.effect(row)
        assert_allclose((found.centre, found.spread), (mean, sd), atol=2e-5 * sd)


def test_two_rows_a_study_agree_with_a_grid():
    """Two SDs by 20 Gauss-Legendre nodes each, mean and effects of studies on an even grid of 0.05."""
    tables = np.array(
        [
            [3.0, 30, 1, 31],
            [6, 40, 3, 38],
            [0, 25, 4, 24],
            [2, 25, 5, 26],
            [5, 40, 6, 38],
            [9, 50, 4, 51],
        ]
    )
    frame = pd.DataFrame(tables, columns=(names := ["events_t", "n_t", "events_c", "n_c"]))
    evidence = brw.Evidence.from_frame(
        frame.assign(study=list("AABBCC")),
        columns={name: name for name in names},
        measure="log_odds_ratio",
    )
    of_study = brw.Exchangeable(prior.HalfNormal(0.4), by="study", name="tau_study")
    own = brw.Exchangeable(prior.HalfNormal(0.3))
    made = brw.Model(
        terms=(brw.Intercept(prior.Normal(0, 1.0)), of_study, own), likelihood=Hypergeometric()
    )
    found = solve(made, evidence).posterior
    grid = np.arange(-9.0, 9.001, 0.05)
    x, wx = legendre(-8.5, 8.5, 80)
    wx = wx * stats.norm.pdf(x)
    (outer, w_outer), (inner, w_inner) = legendre(0.0, 3.2, 20), legendre(0.0, 2.4, 20)
    each = [
        [density(table, grid[:, None] + sd * x) @ wx for table in tables] for sd in inner.tolist()
    ]
    log = np.empty((20, 20, len(grid)))
    for i, sd in enumerate(outer.tolist()):
        if sd > 0.1:
            smooth = 0.05 * stats.norm.pdf(grid[:, None], grid, sd)
            blurred = [[smooth @ (f[k] * f[k + 1]) for k in (0, 2, 4)] for f in each]
        else:  # narrower than the grid follows: a rule of its own, through a spline
            z, wz = np.polynomial.hermite_e.hermegauss(15)
            splines = [[CubicSpline(grid, np.log(g)) for g in f] for f in each]
            at = grid[:, None] + sd * z
            blurred = [
                [np.exp(f[k](at) + f[k + 1](at)) @ wz / wz.sum() for k in (0, 2, 4)]
                for f in splines
            ]
        log[i] = np.log(blurred).sum(axis=1)
    log += (np.log(w_outer) + stats.halfnorm.logpdf(outer, scale=0.4))[:, None, None]
    log += (np.log(w_inner) + stats.halfnorm.logpdf(inner, scale=0.3))[:, None]
    log += stats.norm.logpdf(grid)
    weight = np.exp(log - log.max())
    evidence_of = math.log(0.05 * weight.sum()) + log.max()
    weight /= weight.sum()
    mean = weight.sum((0, 1)) @ grid
    sd = math.sqrt(weight.sum((0, 1)) @ (grid - mean) ** 2)
    assert_allclose(found.effects["mu"].centre, mean, atol=2e-6 * sd)
    assert_allclose(found.effects["mu"].spread, sd, rtol=2e-6)
    assert_allclose(found.log_evidence, evidence_of, atol=2e-6)
    assert_allclose(found.tau, np.sum(weight.sum(2) * np.hypot(outer[:, None], inner)), rtol=1e-5)


def test_series_in_mean_and_variance_are_the_densities_of_tables():
    """By 400 Gauss-Legendre points of a normal around the enumerated density."""
    tables = np.array([[4.0, 123, 11, 139], [0, 116, 3, 117], [5, 35, 0, 39], [18, 154, 37, 145]])
    sites, every = Hypergeometric().observe(rows(tables)), np.arange(4)
    laid = wholes(sites, every)
    served = np.sort(np.concatenate([each.rows for each in laid]))
    assert served.tolist() == every.tolist()
    x, wx = legendre(-9.0, 9.0, 400)
    variance = np.array([[1e-4], [0.05], [0.6], [4.0]]) * np.ones(4)
    sd = np.sqrt(variance + sites.near[1] ** 2)
    ends = sites.near[0] + np.array([-4.0, 4.0])[:, None, None] * sd
    for part in given(laid, every, variance, ends, np.zeros(4, dtype=bool)):
        assert part.served.all()
        for row in part.own.tolist():
            mean = np.linspace(*ends[..., row], 41).T
            some = part.own == row
            found = part.at(mean[..., None], some)[..., 0]
            for place in range(4):
                theta = mean[place][:, None] + math.sqrt(variance[place, row]) * x
                truth = np.log(density(tables[row], theta) @ (wx * stats.norm.pdf(x)))
                near = truth > truth.max() - 9.0
                apart = found[place] - truth
                # One constant is the table's own.
                assert np.ptp(apart[near]) < 3e-7


def test_a_table_without_events_moves_nothing(sparse):
    fit, _ = sparse
    agrees(fit.posterior, Grid(TABLES[[0, 1, 3]]))
    assert_allclose(fit.shares[2], 0.0, atol=1e-9)
    said = [each.message for each in check(model(), rows()) if each.check == "silent-tables"]
    assert len(said) == 1
    assert "'S2'" in said[0]


def test_a_table_with_an_empty_cell_bounds_no_heterogeneity():
    """Its density does not fall on one side, so that a posterior falls with the others' power of tau."""
    tables = np.array([[3.0, 30, 0, 31], [5, 40, 6, 38], [0, 25, 4, 24]])
    own = (brw.Intercept(prior.Normal(0, 1)), brw.Exchangeable(prior.HalfCauchy(0.5)))
    made = brw.Model(terms=own, likelihood=Hypergeometric())
    log = []
    for tau in (1e3, 1e4):
        theta = np.arange(-9.0 * tau, 9.0 * tau, 0.25)
        normal = stats.norm.pdf(theta, 0.0, tau) * 0.25
        each = [math.log(density(table, theta) @ normal) for table in tables]
        log.append(sum(each) + stats.halfcauchy.logpdf(tau, scale=0.5))
    power = (log[0] - log[1]) / math.log(10.0)
    assert_allclose(power, 3.0, atol=0.01)
    tree = brw.fit(made, rows(tables), engine=Exact(draws=0))
    assert tree["quadrature"].attrs["tail_power"] == 3
    found = brw.summarise(tree)
    assert found.loc[["mu", "theta_new", "tau"], "sd"].isna().tolist() == [False, True, True]


def test_tables_left_out_are_a_fit_without_them(sparse):
    fit, _ = sparse
    (left,) = fit.without([np.array([False, True, False, False])])
    grid = Grid(TABLES[[0, 2, 3]])
    assert_allclose(left.posterior.effects["mu"].centre, grid.mean, atol=1e-5)
    assert_allclose(left.posterior.effects["mu"].spread, grid.sd, rtol=1e-5)


def test_what_a_table_would_have_been_is_enumerated(sparse):
    """P(a <= 0) of the second trial, half of P(a = 0) taken off, given the others."""
    fit, _ = sparse
    mask = np.array([False, True, False, False])
    (left,) = fit.without([mask])
    (told,) = left.expected(mask)
    grid = Grid(TABLES[[0, 2, 3]])
    tau, _ = legendre(0.0, 4.0, 48)
    mu = np.linspace(-6.0, 6.0, 601)
    x, wx = legendre(-8.5, 8.5, 200)
    none = density(TABLES[1], mu[:, None] + tau[:, None, None] * x) @ (wx * stats.norm.pdf(x))
    wanted = 0.5 * np.sum(grid.weight * none)
    seen = float(rows().data["effect"][1])
    assert_allclose(float(told.below(seen)), wanted, rtol=1e-4)


def test_a_share_of_information_is_a_power():
    found = brw.bias.Discount(brw.bias.Studies(("old",)), share=0.4)
    marked = rows(design=["new", "new", "new", "old"])
    agrees(solve(model(found), marked).posterior, Grid(power=np.array([1.0, 1, 1, 0.4])))


def test_a_turned_row_swaps_its_groups():
    turned = rows(reversed=["", "yes", "", ""])
    swapped = TABLES.copy()
    swapped[1] = TABLES[1][[2, 3, 0, 1]]
    agrees(solve(model(), turned).posterior, Grid(swapped))


def test_curves_are_their_sums():
    """Between the points of the grid, far out, and smoothed; 3e-7 down to exp(-30) of the maximum."""
    for table in ((4, 123, 11, 139), (0, 116, 3, 117), (1, 98, 0, 100), (5, 35, 0, 39)):
        line = curve(lambda t, of=table: np.log(np.maximum(density(of, t), 1e-300)), -0.5, 0.7)
        theta = np.linspace(-7.0, 7.0, 701)
        truth = np.log(density(table, theta))
        near = truth > truth.max() - 12
        found = np.log(line.value(theta[near], np.zeros(near.sum()))) + line.log_scale
        assert_allclose(found, truth[near], atol=1e-7)
        x, w = legendre(-9.0, 9.0, 400)
        for variance in (1e-4, 0.04, 1.0, 25.0):
            sd = math.sqrt(variance)
            wanted = density(table, theta[:, None] + sd * x) @ (w * stats.norm.pdf(x))
            found = line.log_integral(theta, np.full(701, variance))
            truth = np.log(np.maximum(wanted, 1e-300))
            near = truth > line.log_scale - 30
            assert_allclose(found[near], truth[near], atol=3e-7)


def test_bad_counts_are_refused_by_name():
    def refused(text, evidence):
        with pytest.raises(BayesrtwError, match=text):
            check(model(), evidence)

    frame = pd.DataFrame({"study": ["A", "B"], "effect": [0.1, 0.2], "se": [0.2, 0.2]})
    bare = brw.Evidence.from_frame(frame, measure="log_odds_ratio")
    refused(r"'A', 'B' have no counts; give events_t, n_t, events_c, n_c", bare)
    broken = TABLES.copy()
    broken[0, 0] = 2.5
    refused(r"'S0' have events or people that are not whole numbers", rows(broken))
    names = ["events_t", "n_t", "events_c", "n_c"]
    frame = pd.DataFrame(TABLES, columns=names).assign(study=list("ABCD"))
    other = brw.Evidence.from_frame(
        frame, columns={name: name for name in names}, measure="log_risk_ratio"
    )
    refused(r"effects are 'log_risk_ratio'; this likelihood tells 'log_odds_ratio'", other)


def reference(dataset):
    fits = json.loads((GOLDEN / "metafor_glmm.json").read_text())["fits"]
    (found,) = [each for each in fits if each["dataset"] == dataset and each["model"] == "CM.EL"]
    data = {name: np.array(value, dtype=float) for name, value in found["data"].items()}
    n1 = data["n1i"] if "n1i" in data else data["ai"] + data["bi"]
    n0 = data["n2i"] if "n2i" in data else data["ci"] + data["di"]
    return found, np.column_stack([data["ai"], n1, data["ci"], n0])


@pytest.mark.parametrize("dataset", ["bcg", "hine", "nielweise"])
def test_its_maximum_is_that_of_conditional_fits(dataset):
    """metafor's rma.glmm, CM.EL: maxima of the same marginal likelihood, by adaptive quadrature there."""
    found, tables = reference(dataset)
    sites = Hypergeometric().observe(rows(tables))
    every = np.arange(len(tables))

    def loss(at):
        ones = np.ones(len(tables))
        return -np.sum(sites.log_density(at[0] * ones, max(at[1], 0.0) ** 2 * ones, every))

    best = optimize.minimize(
        loss, [found["beta"], 0.4], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9}
    )
    assert_allclose(best.x[0], found["beta"], atol=2e-3 * found["se"] + 1e-4)
    assert_allclose(max(best.x[1], 0.0) ** 2, found["tau2"], atol=2e-3)


#: BCG vaccine trials: latitude.
LATITUDE = np.array([44.0, 55, 42, 52, 13, 44, 19, 13, 27, 42, 18, 33, 33])


@pytest.fixture(scope="module")
def bcg():
    _, tables = reference("bcg")
    found = rows(tables, latitude=LATITUDE)
    terms = (brw.Linear("latitude", prior.Normal(0, 10)),)
    return solve(model(*terms, mu=100.0, tau=5.0), found)


def test_latitude_is_that_of_nice_dsu(bcg):
    """NICE DSU TSD 3, example 3: OpenBUGS, baselines with vague priors; -0.762 and -0.032 (SD 0.009).

    Given margins there are no baselines; Monte-Carlo error there is some 0.002.
    """
    found = bcg.posterior.effects
    assert_allclose(found["mu"].centre, -0.762, atol=0.002)
    assert_allclose(found["beta[latitude]"].centre, -0.032, atol=0.0006)
    assert_allclose(found["beta[latitude]"].spread, 0.009, atol=0.0008)


def test_new_trials_at_a_latitude_are_those_of_nice_dsu():
    """NICE DSU TSD 3, example 3: P(a new trial's log odds ratio > 0) at latitudes 0, 13 and 50.

    0.80, 0.35 and 0.006 are printed; given margins there are no baselines.
    """
    _, tables = reference("bcg")
    found = rows(tables, latitude=LATITUDE)
    terms = (brw.Linear("latitude", prior.Normal(0, 100)),)
    told = brw.predict(model(*terms, mu=100.0, tau=5.0), found, at={"latitude": [0.0, 13.0, 50.0]})
    gap = np.abs(told["new_probability"].to_numpy() - [0.80, 0.35, 0.006])
    assert np.all(gap <= [0.005, 0.005, 0.0005])
