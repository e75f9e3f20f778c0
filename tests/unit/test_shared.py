"""Nodes that neighbours share against brute force: tanh-sinh rules on dense covariance matrices.

The reference forms V = diag(se^2) + tau^2 I + tau_family^2 ZZ' at every point of a fine grid of the two
SDs, takes y'V^-1 y and log det V by Cholesky, and sums; nothing of the package is in it. Its own error is
seen by halving its step, and is asked to be below a hundredth of what is allowed here: 1e-8, the tolerance at
which nodes are accepted.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.engine.arrays import masked
from bayesrtw.engine.problem import Problem, pose
from bayesrtw.engine.rest import Rest, all_rows
from bayesrtw.engine.shared import common
from bayesrtw.model.design import Design, build
from bayesrtw.posterior.nodes import Nodes

Array = NDArray[np.float64]

EFFECT = np.array([0.42, 0.05, 0.11, -0.21, 0.33, 0.18])
SE = np.array([0.15, 0.12, 0.30, 0.25, 0.09, 0.2])
FAMILY = np.array(["a", "b", "b", "c", "d", "a"])
WITHIN, BETWEEN, MEAN = 0.25, 0.5, 0.5


def small() -> tuple[brw.Model, brw.Evidence]:
    frame = pd.DataFrame(
        {"study": list("ABCDEF"), "effect": EFFECT, "se": SE, "trial_family": FAMILY}
    )
    terms = (
        brw.Intercept(brw.prior.Normal(0, MEAN)),
        brw.Exchangeable(brw.prior.HalfNormal(BETWEEN), by="trial_family", name="tau_family"),
        brw.Exchangeable(brw.prior.HalfNormal(WITHIN)),
    )
    return brw.Model(terms=terms), brw.Evidence.from_frame(
        frame, measure="log_hazard_ratio", benefit="lower"
    )


def summed(effect: Array, keep: NDArray[np.bool_], points: int = 240) -> tuple[float, float, float]:
    """Log evidence, mean and SD of the pooled effect, by a product of tanh-sinh rules."""
    y, se, family = effect[keep], SE[keep], FAMILY[keep]
    alike = (family[:, None] == family).astype(float)

    def axis(scale: float) -> tuple[Array, Array]:
        # Tanh-sinh: the density does not vanish at tau = 0, where the range ends.
        t = np.linspace(-3.4, 3.4, points)
        share = 0.5 * (1 + np.tanh(0.5 * math.pi * np.sinh(t)))
        width = 0.25 * math.pi * np.cosh(t) / np.cosh(0.5 * math.pi * np.sinh(t)) ** 2
        tau = 9 * scale * share
        prior = math.sqrt(2 / math.pi) / scale * np.exp(-0.5 * (tau / scale) ** 2)
        return tau, 9 * scale * width * (t[1] - t[0]) * prior

    (tau, w), (outer, v) = axis(WITHIN), axis(BETWEEN)
    total = np.zeros(3)
    for a, weight in zip(tau, w, strict=True):
        covariance = np.diag(se**2 + a**2) + outer[:, None, None] ** 2 * alike
        factor = np.linalg.inv(np.linalg.cholesky(covariance + MEAN**2))
        right = factor @ y
        log = -np.sum(np.log(np.diagonal(factor, axis1=1, axis2=2) ** -1.0), axis=1)
        log = log - 0.5 * np.sum(right**2, axis=1) - 0.5 * len(y) * math.log(2 * math.pi)
        inverse = np.linalg.inv(covariance)
        precision = inverse.sum(axis=(1, 2)) + MEAN**-2
        mean = (inverse @ y).sum(axis=1) / precision
        density = weight * v * np.exp(log)
        total += [density.sum(), density @ mean, density @ (1 / precision + mean**2)]
    mean_of_all = total[1] / total[0]
    return math.log(total[0]), mean_of_all, math.sqrt(total[2] / total[0] - mean_of_all**2)


def figures(problem: Problem, found: Nodes) -> tuple[float, float, float]:
    weight, given = np.exp(found.log_weight), problem.given(found.values)
    mean, variance = given.mean[:, 0], given.covariance[:, 0, 0]
    centre = float(weight @ mean)
    return (
        float(found.log_total),
        centre,
        math.sqrt(float(weight @ (variance + (mean - centre) ** 2))),
    )


def whole() -> tuple[Design, NDArray[np.bool_]]:
    design = build(*small())
    return design, ~np.eye(design.effect.size, dtype=bool)


def test_every_study_left_out_on_shared_nodes_is_brute_force() -> None:
    design, masks = whole()
    base = common(pose(design), 1e-8)
    assert base is not None
    finer = summed(EFFECT, masks[0], 480)
    assert np.allclose(summed(EFFECT, masks[0]), finer, rtol=0, atol=1e-10)
    for mask in [np.ones(6, dtype=bool), *masks]:
        problem = pose(masked(design, mask))
        found = base.weigh(problem).nodes
        assert found is not None
        expected = summed(EFFECT, mask)
        np.testing.assert_allclose(figures(problem, found), expected, rtol=0, atol=1e-8)


def test_pools_of_rows_share_nodes_and_are_brute_force() -> None:
    _, masks = whole()
    near = solve(*small()).without([~mask for mask in masks])
    for mask, one in zip(masks, near, strict=True):
        assert one is not None
        found = one.posterior
        expected = summed(EFFECT, mask)
        own = found.log_evidence, found.pooled.centre, found.pooled.spread
        np.testing.assert_allclose(own, expected, rtol=0, atol=1e-8)


def test_what_is_left_is_all_rows_less_those_that_are_gone() -> None:
    design, _ = whole()
    rows = all_rows(design)
    values = np.geomspace(1e-3, 2.0, 5)[:, None], np.geomspace(1e-3, 3.0, 7)
    for family in ("a", "b", "c", "ab"):
        kept = np.array([name not in family for name in FAMILY])
        rest, anew = rows.without(masked(design, kept), kept), pose(masked(design, kept))
        assert isinstance(rest, Rest)
        at = dict(zip(("tau", "tau_family"), values, strict=True))
        found = rest.given([at[name] for name in rest.names])
        wanted = anew.given([at[name] for name in anew.names])
        for left, right in zip(found, wanted, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-13)
    # One estimate of a family is no sum of its own; a study that knows nearly all leaves no digits.
    alone = np.array([True, False, True, True, True, True])
    assert not isinstance(rows.without(masked(design, alone), alone), Rest)
    known = replace(design, se=np.where(FAMILY == "c", 1e-4, design.se))
    kept = FAMILY != "c"
    assert not isinstance(all_rows(known).without(masked(known, kept), kept), Rest)


def test_shifted_effects_and_another_prior_are_neighbours_too() -> None:
    design, _ = whole()
    base = common(pose(design), 1e-8)
    assert base is not None
    moved = EFFECT + np.where(FAMILY == "b", 0.15, 0.0)
    problem = pose(replace(design, effect=design.effect + (moved - EFFECT)))
    found = base.weigh(problem).nodes
    assert found is not None
    expected = summed(moved, np.ones(6, dtype=bool))
    np.testing.assert_allclose(figures(problem, found), expected, rtol=0, atol=1e-8)
    narrow = replace(design, hyper={**design.hyper, "tau": brw.prior.HalfNormal(0.2)})
    apart = common(pose(narrow), 1e-10)
    near = base.weigh(pose(narrow)).nodes
    assert apart is not None
    assert near is not None
    own = apart.weigh(pose(narrow)).nodes
    assert own is not None
    np.testing.assert_allclose(
        figures(pose(narrow), near), figures(pose(narrow), own), rtol=0, atol=1e-8
    )


@pytest.mark.parametrize(
    "far",
    [
        # A study a hundred standard errors away: tau lives far beyond the nodes.
        {"effect": EFFECT + np.array([0, 0, 0, 0, 30.0, 0])},
        # Effects known a thousand times as well: tau is known to a part of the distance of nodes.
        {"se": SE / 3000, "effect": 1e-4 * EFFECT},
    ],
)
def test_a_posterior_that_lives_elsewhere_is_refused(far: dict[str, Array]) -> None:
    design, _ = whole()
    base = common(pose(design), 1e-8)
    assert base is not None
    assert base.weigh(pose(replace(design, **far))) is None  # type: ignore[arg-type]


def test_there_is_nothing_to_share_without_hyperparameters() -> None:
    _, evidence = small()
    model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 1)), brw.Common()))
    assert common(pose(build(model, evidence)), 1e-8) is None


def test_bare_weights_are_known_where_a_density_is_nothing() -> None:
    # A log-t prior ends at 1e-125, and nodes for it reach further.
    prior = brw.prior.LogStudentT(5, -1.72, 1.295)
    frame = pd.DataFrame({"study": ["A"], "effect": [0.2], "se": [0.3]})
    model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 1)), brw.Exchangeable(prior)))
    alone = common(pose(build(model, brw.Evidence.from_frame(frame))), 1e-6)
    assert alone is not None
    laid = alone.sets[-1]
    assert np.isfinite(laid.log_rule).all()
    (tau,) = laid.nodes.values  # noqa: PD011 (no frame)
    # Its whole mass, as well as so few nodes over 300 units of log tau tell it.
    assert np.exp(laid.log_rule + prior.logpdf(tau)).sum() == pytest.approx(1, abs=0.01)
    design, _ = whole()
    problem = pose(design)
    two = common(problem, 1e-8)
    assert two is not None
    for laid in two.sets:
        log = laid.log_rule + problem.log_density(laid.nodes.on_axes()).reshape(-1)
        assert log - laid.nodes.log_total == pytest.approx(laid.nodes.log_weight, abs=1e-12)
