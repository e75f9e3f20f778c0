"""Many analyses at once are what each is alone: by a grid written here, and by the engine for one."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.engine.collection import settle_each
from bayesrtw.engine.integrate import integrate, pruned
from bayesrtw.engine.problem import pose
from bayesrtw.model.design import build
from bayesrtw.posterior import mixture


def design(count, seed, unit=1.0, tau=None, mu=None, **columns):
    rng = np.random.default_rng(seed)
    se = unit * rng.uniform(0.05, 0.5, count)
    frame = pd.DataFrame({"study": [f"S{row}" for row in range(count)], "se": se})
    frame["effect"] = rng.normal(0.3 * unit, np.hypot(0.2 * unit, se))
    for name, values in columns.items():
        frame[name] = values
    spread = brw.Exchangeable(tau or brw.prior.HalfNormal(0.25 * unit))
    terms = (brw.Intercept(mu or brw.prior.Normal(0, unit)), spread)
    return build(brw.Model(terms=terms), brw.Evidence.from_frame(frame))


@pytest.fixture(scope="module")
def designs():
    return [
        design(2, 1),
        design(40, 2, unit=365.0),
        design(3, 3, unit=1e-3),
        design(5, 4, tau=brw.prior.HalfCauchy(0.3)),
        design(5, 5, mu=brw.prior.Flat()),
        design(5, 6, tau=brw.prior.LogNormal(-2.0, 0.7)),
        *(design(6, seed) for seed in range(7, 12)),
    ]


def test_each_is_what_it_is_alone(designs):
    groups, alone = settle_each(designs, 1e-8)
    assert alone == []
    assert sorted(place for group in groups for place in group.places) == list(range(len(designs)))
    for group in groups:
        solved = group.solved
        for row, place in enumerate(group.places):
            problem = pose(designs[place])
            found = integrate(problem, 64, 1e-8)
            (tau,), weight = pruned(found.nodes)
            given = problem.given((tau,))
            theirs = mixture.moments(weight, given.mean, np.sqrt(given.covariance[:, 0]))
            mine = [part[:, [row]] for part in solved.mixture(np.ones(1))]
            mean, sd = theirs[0][0], theirs[1][0]
            ours = mixture.moments(*mine)
            assert abs(ours[0][0] - mean) < 1e-9 * sd
            assert ours[1][0] == pytest.approx(sd, rel=1e-9)
            assert solved.log_evidence[row] == pytest.approx(float(found.nodes.log_total), abs=1e-9)
            assert solved.weight[row] @ solved.tau[row] == pytest.approx(weight @ tau, rel=1e-9)


def test_one_in_days_is_what_a_fine_grid_says(designs):
    groups, _ = settle_each(designs, 1e-8)
    (group,) = [each for each in groups if 1 in each.places]
    row, own = group.places.index(1), designs[1]
    tau = np.linspace(0.0, 730.0, 2_001)
    mu = np.linspace(-100.0, 300.0, 201)
    log = stats.halfnorm.logpdf(tau, scale=0.25 * 365)[:, None]
    log = log + stats.norm.logpdf(mu, scale=365.0)
    for effect, se in zip(own.effect, own.se, strict=True):
        log += stats.norm.logpdf(effect, mu, np.hypot(tau, se)[:, None])
    peak = log.max()
    density = np.exp(log - peak)
    total = np.trapezoid(np.trapezoid(density, mu), tau)
    mean = np.trapezoid(np.trapezoid(density * mu, mu), tau) / total
    spread = np.trapezoid(np.trapezoid(density, mu) * tau, tau) / total
    solved = group.solved
    assert solved.log_evidence[row] == pytest.approx(np.log(total) + peak, abs=1e-6)
    assert solved.weight[row] @ solved.mean[row, :, 0] == pytest.approx(mean, abs=1e-5)
    assert solved.weight[row] @ solved.tau[row] == pytest.approx(spread, rel=1e-6)
    below = np.trapezoid(np.trapezoid(density, mu)[tau <= 73.0], tau[tau <= 73.0]) / total
    at = np.zeros(len(group.places))
    at[row] = 73.0
    assert solved.spread_cdf(at)[row] == pytest.approx(below, abs=1e-5)


def test_what_no_batch_serves_is_named(designs):
    frame = pd.DataFrame({"study": ["A", "A", "B"], "effect": [0.1, 0.2, 0.3], "se": [0.1] * 3})
    tau = brw.prior.HalfNormal(0.25)
    terms = (
        brw.Intercept(brw.prior.Normal(0, 1)),
        brw.Exchangeable(tau),
        brw.Exchangeable(tau, by="study", name="tau_study"),
    )
    nested = build(brw.Model(terms=terms), brw.Evidence.from_frame(frame))
    groups, alone = settle_each([nested, *designs[:2]], 1e-8)
    assert alone == [0]
    assert sorted(place for group in groups for place in group.places) == [1, 2]
    assert settle_each([], 1e-8) == ([], [])
