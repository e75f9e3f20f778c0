"""One data set at many values of the hyperparameters: the fast algebra against the plain one.

The trapezoidal rule in log tau is spectrally accurate for integrands that are analytic around the real
line and fall off at both ends; a step of 0.1 leaves exp(-2 pi (pi/2) / 0.1).
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.engine.cholesky import Factored
from bayesrtw.engine.integrate import integrate
from bayesrtw.engine.kernel import conditional, finish
from bayesrtw.engine.many import gram_many
from bayesrtw.engine.problem import pose
from bayesrtw.model.design import build
from bayesrtw.model.likelihood import Correlation, NormalErrors

prior = brw.prior


def evidence(count=24, scale=1.0):
    rng = np.random.default_rng(8)
    family, study = np.arange(count) // 6, np.arange(count) // 2
    se = scale * rng.uniform(0.05, 0.4, count)
    return brw.Evidence.from_frame(
        pd.DataFrame(
            {
                "study": [f"S{place}" for place in rng.permutation(count)],
                "site": [f"P{place}" for place in study],
                "trial_family": [f"F{place}" for place in family],
                "effect": rng.normal(0.1, 0.3 * scale, count),
                "se": se,
                "dose": rng.normal(size=count),
                "year": 2000.0 + study,
                "half": np.where(np.arange(count) < count // 2, "a", "b"),
            }
        )
    )


def model(*by, tau=None, moderators=()):
    spread = [
        brw.Exchangeable(tau or prior.HalfNormal(0.3), by=column, name=f"tau_{column or 'own'}")
        for column in by
    ]
    slopes = [brw.Linear(column, prior.Flat()) for column in moderators]
    return brw.Model(terms=(brw.Intercept(prior.Normal(0, 1)), *slopes, *spread))


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
@pytest.mark.parametrize("moderators", [(), ("dose",), ("dose", "year")])
@pytest.mark.parametrize(
    "by", [("",), ("site",), ("", "site"), ("site", "trial_family"), ("", "site", "trial_family")]
)
def test_messages_laid_out_by_value_say_the_same(by, moderators, scale):
    problem = pose(build(model(*by, moderators=moderators), evidence(scale=scale)))
    rng = np.random.default_rng(1)
    values = [scale * 10.0 ** rng.uniform(-4, 3, 40) for _ in by]
    values[0][0] = 0.0
    found = finish(problem.system, *gram_many(problem.system, problem.variances(values)))
    wanted = conditional(problem.system, problem.variances(values))
    for left, right in zip(found, wanted, strict=True):
        size = np.max(np.abs(right), axis=0)
        assert_allclose(left / size, right / size, atol=1e-11)


@pytest.mark.parametrize("at_once", [65_536, 400])
@pytest.mark.parametrize("grouped", ["exchangeable", "by_group", "correlated"])
def test_an_axis_for_each_sd_gives_every_combination(grouped, at_once, monkeypatch):
    monkeypatch.setattr("bayesrtw.engine.problem.AT_ONCE", at_once)
    # Outermost groups first in the model: the problem orders them from the estimates outwards.
    scales, rows = model("trial_family", "site", ""), evidence()
    if grouped == "exchangeable":
        wanted_names = ("tau_own", "tau_site", "tau_trial_family")
    elif grouped == "by_group":
        groups = tuple(brw.Group(name, (name,), "test") for name in ("a", "b"))
        scales = brw.Model(
            terms=(
                scales.terms[0],
                brw.ByGroup("half", groups, prior.HalfNormal(0.3)),
                scales.terms[1],
            )
        )
        wanted_names = ("tau_a", "tau_b", "tau_trial_family")
    else:
        unknown = NormalErrors(Correlation("site", prior.Beta(2.0, 2.0)))
        scales = brw.Model(
            terms=scales.terms[:1] + scales.terms[1:2] + scales.terms[3:], likelihood=unknown
        )
        wanted_names = ("tau_own", "rho", "tau_trial_family")
    problem = pose(build(scales, rows))
    assert problem.names == wanted_names
    points = [np.geomspace(0.01, 0.9, 3 + place) for place in range(3)]
    sparse = np.meshgrid(*points, indexing="ij", sparse=True)
    flat = [grid.reshape(-1) for grid in np.meshgrid(*points, indexing="ij")]
    found, wanted = problem.given(sparse), problem.given(flat)
    assert found.log_density.shape == (3, 4, 5)
    for left, right in zip(found, wanted, strict=True):
        assert_allclose(left.reshape(right.shape), right, rtol=1e-11, atol=1e-12)
    joint = problem.log_density(tuple(sparse)).reshape(-1)
    assert_allclose(joint, problem.log_density(tuple(flat)), rtol=1e-12)


def test_sds_under_two_heavy_tails_are_those_of_a_dense_grid():
    by = ("site", "trial_family")
    rows, scales = evidence(12), model(*by, tau=prior.HalfCauchy(0.25))
    found = brw.summarise(brw.fit(scales, rows, engine=brw.Exact(draws=0)))
    problem = pose(build(scales, rows))
    u = np.arange(-260, 280) / 10
    first, second = np.meshgrid(u, u, indexing="ij")
    log = problem.log_density((np.exp(first).ravel(), np.exp(second).ravel())).reshape(first.shape)
    weight = np.exp(log + first + second - np.max(log))
    weight /= weight.sum()
    for axis, column in ((1, by[0]), (0, by[1])):
        share, tau = weight.sum(axis=axis), np.exp(u)
        mean = share @ tau
        sd = np.sqrt(share @ (tau - mean) ** 2)
        row = found.loc[f"tau_{column}"]
        if np.isfinite(row["sd"]):
            assert_allclose(row[["mean", "sd"]].astype(float), [mean, sd], rtol=1e-8)
        assert_allclose(row["mean"], mean, rtol=1e-8)


def test_the_nodes_that_are_laid_are_not_worked_out_again():
    problem = pose(build(model("site", "trial_family"), evidence()))
    seen = []

    class Counted:
        design, names, axes, priors = problem.design, problem.names, problem.axes, problem.priors

        def given(self, values):
            seen.append(values)
            return problem.given(values)

    found = integrate(Counted(), 32, 1e-8)
    sizes = [np.prod(np.broadcast_shapes(*map(np.shape, values))) for values in seen]
    finest = len(found.finest.log_weight)
    assert sizes.count(finest) == 1
    assert_allclose(np.exp(found.nodes.log_weight).sum(), 1.0, rtol=1e-12)


def _with_five_columns():
    rng = np.random.default_rng(4)
    rows = evidence()
    data = rows.data.assign({f"x{place}": ("estimate", rng.normal(size=24)) for place in range(4)})
    terms = (
        brw.Intercept(prior.Flat()),
        *(brw.Linear(f"x{place}", prior.Normal(0.1, 0.7)) for place in range(4)),
        *model("", "trial_family").terms[1:],
    )
    return pose(build(brw.Model(terms=terms), replace(rows, data=data)))


@pytest.mark.parametrize("at_once", [65_536, 60])
def test_factors_say_what_dense_algebra_says(at_once, monkeypatch):
    # V is formed and inverted; condition numbers stay below 1e5.
    monkeypatch.setattr("bayesrtw.engine.problem.AT_ONCE", at_once)
    monkeypatch.setattr("bayesrtw.engine.cholesky.AT_ONCE", at_once)
    problem = _with_five_columns()
    design = problem.design
    taus = np.meshgrid([0.05, 0.3], [0.1, 0.2, 0.8], indexing="ij", sparse=True)
    found = problem.given(taus)
    assert isinstance(found, Factored)
    family = np.arange(24) // 6
    same = family[:, None] == family
    for place in np.ndindex(2, 3):
        own, shared = taus[0][place[0], 0], taus[1][0, place[1]]
        v = np.diag(design.se**2 + own**2) + shared**2 * same
        x, weight = design.columns, np.linalg.inv(v)
        precision = x.T @ weight @ x + np.diag(design.precision)
        covariance = np.linalg.inv(precision)
        right = x.T @ weight @ design.effect + design.precision * design.mean
        mean = covariance @ right
        proper = design.precision > 0
        square = design.effect @ weight @ design.effect
        square += design.precision @ design.mean**2 - mean @ right
        log = -0.5 * (square + np.linalg.slogdet(v)[1] + np.linalg.slogdet(precision)[1])
        log += 0.5 * np.sum(np.log(design.precision[proper]))
        log -= 0.5 * (24 - np.sum(~proper)) * np.log(2 * np.pi)
        assert_allclose(found.log_density[place], log, rtol=1e-10)
        assert_allclose(found.mean[place], mean, rtol=1e-9)
        assert_allclose(found.covariance[place], covariance, rtol=1e-9, atol=1e-12)
        assert_allclose(found.variance[place], np.diag(covariance), rtol=1e-9)


def test_what_rounding_makes_indefinite_is_eliminated_with_pivots():
    # Two columns that are the same but for 1e-9 under flat priors: no factor, and still a posterior.
    rows = evidence()
    dose = rows.data["dose"].to_numpy()
    data = rows.data.assign(again=("estimate", dose * (1 + 1e-9 * np.arange(24))))
    slopes = [brw.Linear(name, prior.Flat()) for name in ("dose", "again")]
    terms = (brw.Intercept(prior.Flat()), *slopes, brw.Exchangeable(prior.HalfNormal(0.3)))
    problem = pose(build(brw.Model(terms=terms), replace(rows, data=data)))
    found = problem.given((np.array([0.1, 0.5]),))
    assert np.all(np.isfinite(found.log_density))
    assert_allclose(found.variance, np.diagonal(found.covariance, axis1=-2, axis2=-1))
