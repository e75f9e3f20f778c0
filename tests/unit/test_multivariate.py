"""Several outcomes of a study: dense normals on grids, draws, neighbours, predictions, both engines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.analysis.sensitivity import sensitivity
from bayesrtw.analysis.spec import parse
from bayesrtw.engine.arrays import masked
from bayesrtw.engine.place import NodePlace
from bayesrtw.engine.problem import Normals, pose
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.evidence.covariance import Dependence
from bayesrtw.model import prior
from bayesrtw.model.checked import check
from bayesrtw.model.design import build
from bayesrtw.plot.density import posterior_curve, quantity_named

METADAT = Path(__file__).parents[1] / "metadat"

TAU, MU, LEVEL = prior.HalfNormal(0.3), prior.Normal(0, 0.5), prior.Normal(0, 0.4)
RHO = prior.ScaledBeta(2, 2)


def frame(studies=6, outcomes=("a", "b"), seed=5):
    """Some studies report one outcome only."""
    rng = np.random.default_rng(seed)
    tau = np.array([0.15, 0.3, 0.2, 0.25])[: len(outcomes)]
    covariance = np.outer(tau, tau) * (0.5 + 0.5 * np.eye(len(outcomes)))
    rows = []
    for study in range(studies):
        effects = rng.multivariate_normal(0.2 * np.arange(len(outcomes)), covariance)
        for place, outcome in enumerate(outcomes):
            if study and rng.random() < 0.25:
                continue
            se = rng.uniform(0.06, 0.15)
            effect = effects[place] + se * rng.standard_normal()
            rows.append((f"s{study}", outcome, round(effect, 3), round(se, 3)))
    return pd.DataFrame(rows, columns=["study", "outcome", "effect", "se"])


def rows(data=None, within=0.0):
    data = frame() if data is None else data
    found = brw.Evidence.from_frame(data, measure="log_hazard_ratio", benefit="higher")
    if not within:
        return found
    blocks = []
    for study in data["study"].unique():
        at = np.flatnonzero(data["study"] == study)
        if len(at) > 1:
            covariance = np.outer(data["se"].iloc[at], data["se"].iloc[at])
            covariance = covariance * (within + (1 - within) * np.eye(len(at)))
            blocks.append(Dependence(at, covariance, "assumed"))
    return replace(found, dependence=tuple(blocks))


def term(rho=RHO, **settings):
    return brw.terms.Multivariate(("a", "b"), TAU, rho, **settings)


def model(own, *others):
    level = brw.Categorical("outcome", LEVEL)
    return brw.Model(terms=(brw.Intercept(MU), level, own, *others))


def legendre(low, high, count):
    x, w = np.polynomial.legendre.leggauss(count)
    return low + (high - low) * (x + 1) / 2, w * (high - low) / 2


class Grid:
    """Nodes of both SDs and the correlation; at each the estimates' dense normal, means integrated out."""

    def __init__(self, data, sampling, keep=None):
        keep = np.ones(len(data), dtype=bool) if keep is None else keep
        # An SD is the square of its node, so that the half-normal's end at 0 is smooth.
        (root, w), (angle, v) = legendre(0.0, 1.25, 26), legendre(-np.pi / 2, np.pi / 2, 20)
        tau, w_tau, rho = root**2, w * 2 * root, np.sin(angle)
        w_rho = v * np.cos(angle)
        grid = np.meshgrid(tau, tau, rho, indexing="ij")
        self.one, self.two, self.rho = (each.ravel() for each in grid)
        weight = (w_tau[:, None, None] * w_tau[:, None] * w_rho).ravel()
        log = stats.halfnorm.logpdf(self.one, scale=0.3) + stats.halfnorm.logpdf(
            self.two, scale=0.3
        )
        log += stats.beta.logpdf((self.rho + 1) / 2, 2, 2) - np.log(2)
        second = (data["outcome"] == "b").to_numpy()
        study = data["study"].to_numpy()
        self.sd = np.where(second, self.two[:, None], self.one[:, None])
        among = np.where(second[:, None] == second, 1.0, self.rho[:, None, None])
        alike = study[:, None] == study
        self.effects = self.sd[:, :, None] * self.sd[:, None, :] * among * alike
        self.columns = np.column_stack([np.ones(len(data)), np.where(second, 1.0, -1.0)])
        # Level effects +-c with c ~ N(0, LEVEL^2 / 2): two effects centred at zero.
        before = np.diag([0.5**2, 0.4**2 / 2])
        total = (self.effects + sampling)[:, keep][:, :, keep]
        self.inverse = np.linalg.inv(total)
        x, y = self.columns[keep], data["effect"].to_numpy()[keep]
        precision = x.T @ self.inverse @ x + np.linalg.inv(before)
        self.covariance = np.linalg.inv(precision)
        right = np.einsum("ec,jef,f->jc", x, self.inverse, y)
        self.mean = np.einsum("jcd,jd->jc", self.covariance, right)
        log -= 0.5 * np.linalg.slogdet(total)[1] + 0.5 * np.linalg.slogdet(precision)[1]
        log -= 0.5 * np.linalg.slogdet(before)[1] + 0.5 * len(y) * np.log(2 * np.pi)
        log -= 0.5 * (np.einsum("e,jef,f->j", y, self.inverse, y) - np.sum(right * self.mean, 1))
        self.total = np.log(np.sum(np.exp(log) * weight))
        self.share = np.exp(log - self.total) * weight
        self.y, self.x, self.keep = y, x, keep

    def moments(self, values, variance=0.0):
        mean = self.share @ values
        return mean, np.sqrt(self.share @ ((values - mean) ** 2 + variance))

    def combined(self, along, more=0.0):
        variance = np.einsum("c,jcd,d->j", along, self.covariance, along)
        return self.moments(self.mean @ along, variance + more)

    def effect(self, row):
        """The effect behind a row, kept or not."""
        shared = np.einsum("je,jef->jf", self.effects[:, row][:, self.keep], self.inverse)
        slope = self.columns[row] - shared @ self.x
        mean = shared @ self.y + np.sum(slope * self.mean, axis=1)
        within = self.effects[:, row, row] - np.sum(
            shared * self.effects[:, row][:, self.keep], axis=1
        )
        return mean, within + np.einsum("jc,jcd,jd->j", slope, self.covariance, slope)


def test_everything_is_that_of_dense_normals_on_a_grid():
    data = frame()
    evidence = rows(data, within=0.6)
    sampling = np.diag(data["se"].to_numpy() ** 2)
    for block in evidence.dependence:
        sampling[np.ix_(block.rows, block.rows)] = block.covariance
    grid, fit = Grid(data, sampling), brw.engine.solve(model(term()), evidence)
    found = fit.posterior
    assert found.log_evidence == pytest.approx(grid.total, abs=1e-6)
    mean, both = np.array([1.0, 0.0]), 2 * grid.rho * grid.one * grid.two
    expected = {
        "mu": (found.effects["mu"], grid.combined(mean)),
        # The mean over both outcomes in a new setting.
        "theta_new": (
            found.effects["theta_new"],
            grid.combined(mean, (grid.one**2 + grid.two**2 + both) / 4),
        ),
    }
    for row, own in enumerate(fit.effect_of(np.ones(len(data), dtype=bool))):
        expected[f"theta[{row}]"] = own, grid.moments(*grid.effect(row))
    for name, (own, moments) in expected.items():
        # Twice the grid's nodes move nothing by 2e-7.
        assert own.moments() == pytest.approx(moments, abs=1e-6), name
    solved = fit.solution
    at_nodes = solved.place.at
    for name, values in (("tau_a", grid.one), ("tau_b", grid.two), ("rho_between", grid.rho)):
        own, (mean, sd) = at_nodes[name], grid.moments(values)
        assert solved.weight @ own == pytest.approx(mean, abs=1e-6)
        assert np.sqrt(solved.weight @ (own - mean) ** 2) == pytest.approx(sd, abs=1e-6)
    at = brw.predict(fit, at={"outcome": ["a", "b"]})
    for place, (sign, tau) in enumerate(((-1.0, grid.one), (1.0, grid.two))):
        along, own = np.array([1.0, sign]), at.iloc[place]
        assert tuple(own[["mean", "sd"]]) == pytest.approx(grid.combined(along), abs=1e-6)
        moments = grid.combined(along, tau**2)
        assert tuple(own[["new_mean", "new_sd"]]) == pytest.approx(moments, abs=1e-6)


def test_an_estimate_is_foreseen_by_what_its_study_reports_of_the_other_outcome():
    data, row = frame(), 1
    keep = np.arange(len(data)) != row
    assert data["study"][row] == data["study"][0]
    grid = Grid(data, np.diag(data["se"].to_numpy() ** 2), keep=keep)
    [near] = brw.engine.solve(model(term()), rows(data)).without([~keep])
    mean, variance = grid.effect(row)
    [effect], [estimate] = near.effect_of(~keep), near.expected(~keep)
    assert effect.moments() == pytest.approx(grid.moments(mean, variance), abs=1e-6)
    variance = variance + data["se"][row] ** 2
    assert estimate.moments() == pytest.approx(grid.moments(mean, variance), abs=1e-6)


@pytest.mark.slow
def test_both_engines_agree():
    made, evidence = model(term()), rows(within=0.6)
    exact = brw.summarise(brw.fit(made, evidence, engine=brw.Exact(draws=0)))
    sampled = brw.summarise(brw.fit(made, evidence, engine=brw.Nuts(), seed=3))
    for name in exact.index:
        one, other = exact.loc[name], sampled.loc[name]
        # Four standard errors with the least effective draws that the gates allow.
        assert abs(one["mean"] - other["mean"]) < 4 * one["sd"] / np.sqrt(400), name
        assert abs(one["sd"] / other["sd"] - 1) < 4 / np.sqrt(2 * 400) * 2, name


def test_draws_are_those_of_the_posterior():
    evidence = rows(within=0.6)
    tree = brw.fit(model(term()), evidence, engine=brw.Exact(draws=2000), seed=4)
    exact = brw.summarise(tree)
    drawn = tree["posterior"].dataset
    theta = drawn["theta"].to_numpy().reshape(-1, evidence.size)
    error = exact.loc[[f"theta[{each}]" for each in evidence.data["estimate"].to_numpy()]]
    centred = (theta.mean(axis=0) - error["mean"].to_numpy()) / error["sd"].to_numpy()
    assert np.all(np.abs(centred) < 4 / np.sqrt(len(theta)))
    assert np.allclose(theta.std(axis=0), error["sd"].to_numpy(), rtol=0.1)
    nodes = brw.engine.solve(model(term()), evidence).solution
    at_nodes = nodes.place.at
    at = np.array([at_nodes[name] for name in ("tau_a", "tau_b", "rho_between")])
    own = np.array([drawn[name].to_numpy().ravel() for name in ("tau_a", "tau_b", "rho_between")])
    covariance = np.cov(at, aweights=nodes.weight, bias=True)
    sd = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(own.mean(axis=1) - at @ nodes.weight) < 4 * sd / np.sqrt(own.shape[1]))
    # Four standard errors of a covariance of draws whose kurtosis is about that of a normal.
    assert np.all(
        np.abs(np.cov(own) - covariance) < 4 * 1.7 * np.outer(sd, sd) / np.sqrt(own.shape[1])
    )


def berkey():
    """Five trials of periodontal surgery: probing depth and attachment level [1]_ with their covariances.

    .. [1] Berkey CS et al. (1998). Statistics in Medicine 17:2537-2550, as metadat gives it.
    """
    table = pd.read_csv(METADAT / "dat.berkey1998r.csv")
    data = table.rename(columns={"author": "study", "yi": "effect"}).assign(se=table["vi"] ** 0.5)
    found = brw.Evidence.from_frame(
        data[["study", "outcome", "effect", "se"]], measure="mean_difference", unit="mm"
    )
    blocks = []
    for first in range(0, len(table), 2):
        covariance = table[["v1i", "v2i"]].to_numpy()[first : first + 2]
        blocks.append(Dependence(np.array([first, first + 1]), covariance, "printed"))
    return replace(found, dependence=tuple(blocks))


def periodontal(**settings):
    own = brw.terms.Multivariate(("PD", "AL"), prior.HalfNormal(0.5), **settings)
    wide = prior.Normal(0, 1000.0)
    return brw.Model(terms=(brw.Intercept(wide), brw.Categorical("outcome", wide), own))


def test_published_estimates_follow_from_the_published_variances():
    problem = pose(build(periodontal(rho=RHO), berkey()))

    def at(al, pd_, rho):
        values = {"tau_AL": al**0.5, "tau_PD": pd_**0.5, "rho_between": rho}
        return problem.given([np.array([values[name]]) for name in problem.names])

    # REML by metafor: AL -0.3392 (0.0879), PD 0.3534 (0.0588); tau2 0.0327 and 0.0117, rho 0.6088.
    given, level = at(0.0327, 0.0117, 0.6088), problem.design.quantities["mu_level"]
    mean = dict(zip(level.labels, level.combine @ given.mean[0], strict=True))
    sd = np.sqrt(np.diagonal(level.combine @ given.covariance[0] @ level.combine.T))
    sd = dict(zip(level.labels, sd, strict=True))
    for name, published, se in (("AL", -0.3392, 0.0879), ("PD", 0.3534, 0.0588)):
        assert mean[f"outcome[{name}]"] == pytest.approx(published, abs=1e-4)
        assert sd[f"outcome[{name}]"] == pytest.approx(se, abs=1e-4)
    # Flat coefficients integrated out, the density is the restricted likelihood: it is highest there.
    best = given.log_density[0]
    for step in (
        (1e-3, 0, 0),
        (-1e-3, 0, 0),
        (0, 5e-4, 0),
        (0, -5e-4, 0),
        (0, 0, 0.02),
        (0, 0, -0.02),
    ):
        other = at(0.0327 + step[0], 0.0117 + step[1], 0.6088 + step[2]).log_density[0]
        assert other < best + 1e-5


ANALYSIS = """
id = "both"
title = "Return to work and sick days"
question = "Does the programme help?"
seed = 1

[evidence]
dataset = "both"
measure = "log_hazard_ratio"
where = { outcome = ["a", "b"] }
correlated = { rho = 0.6, reason = "Trials of the same programme that report both." }

[[term]]
kind = "intercept"
prior = { kind = "normal", sd = 0.5 }

[[term]]
kind = "categorical"
column = "outcome"
prior = { kind = "normal", sd = 0.4 }

[[term]]
kind = "multivariate"
outcomes = ["a", "b"]
tau = { kind = "half_normal", scale = 0.3 }
known = [0.5]
common = true

[[estimand]]
name = "sick days, new setting"
of = "theta_new"
at = { outcome = "b" }
"""


def test_an_analysis_file_pools_several_outcomes_with_an_assumed_correlation():
    data = pd.concat([frame(), frame(seed=8).query("outcome == 'a'").assign(outcome="c")])
    found = brw.run(parse(ANALYSIS, "both.toml"), rows(data))
    assert found.evidence.size == len(frame())
    [said] = [each.message for each in found.findings if each.check == "assumed-correlation"]
    assert "a correlation of 0.6 (4 sets of estimates)" in said
    assert not [each for each in found.findings if each.check == "within-correlation"]
    own = term(None, known=(0.5,), common=True)
    at = brw.predict(model(own), rows(within=0.6), at={"outcome": "b"}).iloc[0]
    assert found.estimates["sd"].iloc[0] == pytest.approx(at["new_sd"], rel=1e-6)
    swept = sensitivity(found).tables["Correlation within studies"]
    assert swept.index.tolist() == ["0.2", "0.5", "0.8"]
    other = brw.fit(model(own), rows(within=0.8), engine=brw.Exact(draws=0))
    assert swept["mean"].iloc[2] == pytest.approx(brw.summarise(other).loc["mu", "mean"], abs=1e-8)


def test_errors_taken_for_independent_are_named():
    [said] = [e.message for e in check(model(term()), rows()) if e.check == "within-correlation"]
    assert "independent in 4 studies ('s0', " in said
    assert not [
        e for e in check(model(term()), rows(within=0.3)) if e.check == "within-correlation"
    ]


def test_what_stands_in_the_way_is_said():
    three = ("a", "b", "c")
    own = brw.terms.Multivariate(three, TAU, prior.ScaledBeta(2, 3, low=-0.5))
    with pytest.raises(EngineRefusal, match=r"at most 3 hyperparameters; this model has 4 \(tau_a"):
        brw.fit(model(own), rows(frame(outcomes=three)), engine=brw.Exact())
    with pytest.raises(EvidenceError, match="'c' of 'outcome' are none of outcomes"):
        brw.fit(model(term()), rows(frame(outcomes=three)))
    with pytest.raises(SpecError, match=r"rho is a correlation in \(-0.5, 1\) here"):
        brw.terms.Multivariate(three, TAU, RHO)
    with pytest.raises(SpecError, match=r"rho is a correlation in \(0, 1\) here"):
        term(times=(3.0, 6.0))
    with pytest.raises(SpecError, match="give either rho, a prior of the correlation between"):
        term(None)
    with pytest.raises(
        SpecError, match=r"known = \[0.9, -0.9, 0.9\] are correlations of no outcomes"
    ):
        brw.terms.Multivariate(three, TAU, known=(0.9, -0.9, 0.9))
    with pytest.raises(
        SpecError, match="known has 2 correlations; give one for every pair, or one for"
    ):
        brw.terms.Multivariate(three, TAU, known=(0.9, 0.9))
    with pytest.raises(SpecError, match="have SDs of one name, 'tau_a_b'"):
        brw.terms.Multivariate(("a b", "a-b"), TAU, RHO)
    with pytest.raises(SpecError, match="outcome is 'c'; "):
        brw.predict(model(term(None, known=(0.5,))), rows(), at={"outcome": "c"})
    with pytest.raises(SpecError, match=r"low must lie in \[-1, 0\]; found 0.2"):
        prior.ScaledBeta(2, 2, low=0.2)


def dense(data, between, sampling, tau):
    """Log density of estimates with every coefficient integrated out."""
    names = data["outcome"].unique().tolist()
    kind = np.array([names.index(value) for value in data["outcome"]])
    alike = data["study"].to_numpy()[:, None] == data["study"].to_numpy()
    total = sampling + tau**2 * between[np.ix_(kind, kind)] * alike
    levels = np.eye(len(names)) - 1 / len(names)
    columns = np.column_stack([np.ones(len(data)), levels[kind]])
    before = np.diag([0.5**2, *[0.4**2] * len(names)])
    marginal = total + columns @ before @ columns.T
    return stats.multivariate_normal(np.zeros(len(data)), marginal).logpdf(data["effect"])


@pytest.mark.parametrize(
    ("settings", "between"),
    [
        ({"rho": prior.ScaledBeta(2, 3, low=-0.5)}, lambda r: r + (1 - r) * np.eye(3)),
        (
            {"rho": prior.Beta(2, 2), "times": (1.0, 2.0, 4.0)},
            lambda r: r ** np.array([[0, 1, 3], [1, 0, 2], [3, 2, 0]]),
        ),
        (
            {"known": (0.2, 0.1, -0.3)},
            lambda _: np.array([[1, 0.2, 0.1], [0.2, 1, -0.3], [0.1, -0.3, 1]]),
        ),
    ],
)
def test_three_outcomes_have_the_density_of_a_dense_normal(settings, between):
    data = frame(outcomes=("a", "b", "c"))
    own = brw.terms.Multivariate(("a", "b", "c"), TAU, common=True, **settings)
    problem = pose(build(model(own), rows(data)))
    for tau, rho in ((0.3, 0.4), (0.05, 0.9), (2.0, 0.1), (0.2, -0.4)):
        if rho < 0 and "low" not in str(settings.get("rho")):
            continue
        values = {"tau": tau, "rho_between": rho}
        found = problem.given([np.array([values[name]]) for name in problem.names])
        expected = dense(data, between(rho), np.diag(data["se"] ** 2), tau)
        assert found.log_density[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("row", [0, 1, 4])
def test_outcomes_inside_families_are_foreseen_as_dense_normals_are(row):
    data = frame().assign(trial_family=["f", "f", "g", "f", "f", "h", "h", "g", "g", "f"])
    data["trial_family"] = data.groupby("study")["trial_family"].transform("first")
    family = brw.Exchangeable(TAU, by="trial_family", name="tau_family")
    made = model(term(None, known=(0.6,), common=True), family)
    evidence = rows(data, within=0.3)
    whole = build(made, evidence)
    keep = np.arange(len(data)) != row
    part = masked(whole, keep)
    problem = pose(part)
    values = {"tau": np.array([0.25]), "tau_family": np.array([0.2])}
    at = tuple(values[name] for name in problem.names)
    given, one = problem.given(at), np.ones(1)
    normals = Normals(at, one, given, part.precision, np.zeros(1, dtype=int), one)
    place = NodePlace(part, problem.names, normals)
    mean, variance = place.ahead(whole, keep, ~keep, whole.columns)
    study, outcome, families = (
        data[name].to_numpy() for name in ("study", "outcome", "trial_family")
    )
    alike, same = study[:, None] == study, outcome[:, None] == outcome
    effects = 0.25**2 * alike * np.where(same, 1.0, 0.6)
    effects += 0.2**2 * (families[:, None] == families)
    sign = np.where(outcome == "b", 1.0, -1.0)
    effects += 0.5**2 + 0.4**2 / 2 * np.outer(sign, sign)
    sampling = np.diag(data["se"].to_numpy() ** 2)
    for block in evidence.dependence:
        sampling[np.ix_(block.rows, block.rows)] = block.covariance
    total = (effects + sampling)[np.ix_(keep, keep)]
    y = data["effect"].to_numpy()[keep]
    log = stats.multivariate_normal(np.zeros(len(y)), total).logpdf(y)
    assert given.log_density[0] == pytest.approx(log, abs=1e-9)
    slope = np.linalg.solve(total, effects[keep, row])
    assert mean[0, 0] == pytest.approx(slope @ y, abs=1e-10)
    assert variance[0, 0] == pytest.approx(
        effects[row, row] - slope @ effects[keep, row], abs=1e-10
    )


def test_the_density_of_a_correlation_is_drawn_on_both_sides_of_zero():
    tree = brw.fit(periodontal(rho=RHO), berkey(), engine=brw.Exact(draws=0))
    curve = posterior_curve(tree, quantity_named(tree, "rho_between"))
    row = brw.summarise(tree).loc["rho_between"]
    assert curve.x[0] < row["lower"] < 0
    assert np.trapezoid(curve.density, curve.x) == pytest.approx(0.99, abs=2e-3)
    assert np.trapezoid(curve.density * curve.x, curve.x) == pytest.approx(row["mean"], abs=0.01)
