"""Sums over states: missing levels of rows that are counted, and one shape of many curves, by lattices."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import returns_coverage
from scipy import stats
from scipy.special import gammaln, logsumexp

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.engine.graph import graph
from bayesrtw.engine.jointly import jointly
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.model.levels import MissingLevels
from bayesrtw.model.return_to_work import ReturnToWork
from bayesrtw.posterior.tree import shaped

NORMAL = brw.prior.Normal
TABLES = [
    ("A", "yes", 30, 40, 20, 40),
    ("B", "yes", 12, 20, 9, 22),
    ("C", "no", 18, 50, 19, 48),
    ("D", "no", 7, 30, 6, 28),
    ("E", "?", 25, 33, 15, 35),
    ("E", "?", 9, 30, 9, 29),
]
LEVEL = [1, 1, 0, 0]
SILENT = MissingLevels(("?",))
#: Effects, means and differences of levels (yes - no, divided by the root of two) of the lattices.
THETA = np.linspace(-5.0, 5.0, 1001)
MU, BETA = np.linspace(-1.9, 1.9, 96)[:, None], np.linspace(-1.6, 1.6, 81)


def rows():
    names = ["study", "workplace", "events_t", "n_t", "events_c", "n_c"]
    frame = pd.DataFrame(TABLES, columns=names).assign(at=180.0, contrast=list("aaaaab"))
    return brw.Evidence.from_returns(frame)


def model(*spread, likelihood=None):
    terms = (
        brw.Intercept(NORMAL(0.0, 0.5)),
        brw.Categorical("workplace", NORMAL(0.0, 0.4), missing=SILENT),
        *(spread or (brw.terms.Common(),)),
    )
    return brw.Model(terms=terms, likelihood=likelihood or ReturnToWork())


X, W = np.polynomial.hermite_e.hermegauss(21)
NODES = list(zip(X.tolist(), np.log(W / W.sum()).tolist(), strict=True))


def lattice(evidence, kept=(0, 1, 2, 3, 4, 5), tau=0.0, power=1.0, prior=0.5, shift=(0.0, 0.0)):
    """Log density on the lattice and by allocation of rows 4 and 5, (mu, beta, allocation).

    With `tau` both share one effect, as rows of one study; their levels may differ.
    """
    units = ReturnToWork().observe(evidence).units
    log = np.stack([unit.log(THETA) for unit in units])

    def at(row, level, by=0.0):
        if row not in kept:
            return np.zeros((len(MU), len(BETA)))
        mean = MU + (2 * level - 1) * BETA / math.sqrt(2.0) + by
        return power * np.interp(mean, THETA, log[row])

    def alone(row, level):
        if not tau:
            return at(row, level)
        each = [at(row, level, tau * z) + w for z, w in NODES]
        return logsumexp(each, axis=0)

    fixed = sum(alone(row, level) for row, level in enumerate(LEVEL))
    fixed = fixed + stats.norm.logpdf(MU, 0, prior) + stats.norm.logpdf(BETA, 0, 0.4)
    alpha, found = 1.0 + np.bincount([LEVEL[row] for row in kept if row < 4], minlength=2), []
    for own in itertools.product((0, 1), repeat=2):
        count = np.bincount(own, minlength=2)
        weight = np.sum(gammaln(alpha + count) - gammaln(alpha))
        weight += gammaln(alpha.sum()) - gammaln(alpha.sum() + 2.0)
        both = [
            at(4, own[0], tau * z + shift[0]) + at(5, own[1], tau * z + shift[1]) + w
            for z, w in NODES
        ]
        found.append(fixed + weight + logsumexp(both, axis=0))
    return np.stack(found, axis=-1)


def moments(log):
    """Log integral, mean and SD of mu, mean difference, and chance of a `yes` of both silent rows."""
    share = np.exp(log - logsumexp(log))
    over = share.sum(axis=(1, 2))
    mean = float(over @ MU[:, 0])
    sd = math.sqrt(float(over @ (MU[:, 0] - mean) ** 2))
    total = logsumexp(log) + math.log((MU[1, 0] - MU[0, 0]) * (BETA[1] - BETA[0]))
    beta = float(share.sum(axis=(0, 2)) @ BETA) / math.sqrt(2.0)
    each = share.sum(axis=(0, 1))
    return total, mean, sd, beta, (each[2] + each[3], each[1] + each[3])


def same(fit, log):
    total, mean, sd, beta, chance = moments(log)
    found = fit.posterior
    assert found.log_evidence == pytest.approx(total, abs=1e-3)
    assert found.pooled.moments() == pytest.approx((mean, sd), abs=1e-3 * sd)
    assert found.effects["beta[workplace[yes]]"].moments()[0] == pytest.approx(beta, abs=3e-4)
    assert fit.levels[4:, 1] == pytest.approx(chance, abs=1e-3)


def test_levels_that_counted_rows_do_not_report_are_summed_over() -> None:
    evidence = rows()
    fit = solve(model(), evidence)
    same(fit, lattice(evidence))
    assert fit.levels[:4].tolist() == [[0, 1], [0, 1], [1, 0], [1, 0]]
    # E(q | levels) on the lattice, and its share of the variance.
    log = lattice(evidence)
    share = np.exp(log - logsumexp(log))
    each = share.sum(axis=(0, 1))
    mean = np.einsum("mba,m->a", share, MU[:, 0]) / each
    _, whole, sd, *_ = moments(log)
    expected = each @ (mean - whole) ** 2 / sd**2
    assert fit.missing_information(["mu"]) == pytest.approx([expected], abs=1e-3)


def test_rows_of_one_study_share_its_effect_whatever_their_levels() -> None:
    evidence = rows()
    spread = brw.Exchangeable(brw.prior.HalfNormal(0.3), by="study")
    fit = solve(model(spread), evidence)
    taus = 0.02 + 0.04 * np.arange(30)
    logs = [lattice(evidence, tau=tau) + stats.halfnorm.logpdf(tau, scale=0.3) for tau in taus]
    log = logsumexp(logs, axis=0) + math.log(0.04)
    same(fit, log)


def test_neighbours_are_those_of_every_allocation() -> None:
    evidence = rows()
    fit = solve(model(), evidence)
    every = np.arange(6)
    # A row that says nothing more, and one that reports its level: it is no longer counted either.
    for gone in (4, 0):
        [near] = fit.without([every == gone])
        same(near, lattice(evidence, kept=[row for row in range(6) if row != gone]))
    [other] = fit.under([{"mu": NORMAL(0.0, 0.2)}])
    same(other, lattice(evidence, prior=0.2))
    same(fit.shifted((every == 5).astype(float), 0.3), lattice(evidence, shift=(0.0, -0.3)))
    same(fit.powered(data=0.95), lattice(evidence, power=0.95))
    assert fit.under([{"mu": NORMAL(0.0, 0.2)}])[0].prior_of("mu") == NORMAL(0.0, 0.2)


def test_single_rows_are_predicted_over_their_levels() -> None:
    evidence = rows()
    [near] = solve(model(), evidence).without([np.arange(6) == 4])
    [found] = near.effect_of(np.arange(6) == 4)
    log = lattice(evidence, kept=(0, 1, 2, 3, 5))
    share = np.exp(log - logsumexp(log))
    theta = MU[..., None] + BETA[:, None] / math.sqrt(2.0) * np.array([-1.0, -1.0, 1.0, 1.0])
    mean = float(np.sum(share * theta))
    assert found.moments()[0] == pytest.approx(mean, abs=1e-3)
    assert found.moments()[1] == pytest.approx(
        math.sqrt(np.sum(share * (theta - mean) ** 2)), abs=1e-3
    )
    [told] = near.expected(np.arange(6) == 4)
    assert told.moments()[0] == pytest.approx(mean, abs=0.05)


def test_shares_of_rows_are_what_the_mean_moves_by_and_draws_are_of_all_states() -> None:
    evidence = rows()
    fit = solve(model(), evidence)
    for row in (0, 4):
        along = (np.arange(6) == row).astype(float)
        ends = [fit.shifted(along, by).posterior.pooled.moments()[0] for by in (1e-3, -1e-3)]
        assert fit.shares[row] == pytest.approx((ends[0] - ends[1]) / 2e-3, abs=1e-4)
    assert fit.shares.sum() == pytest.approx(1.0)
    drawn = jointly(fit, np.array([[1.0, 0.0]]), 4000, 1)
    mean, sd = fit.posterior.pooled.moments()
    assert drawn.weight @ drawn.value[:, 0] == pytest.approx(mean, abs=5 * sd / math.sqrt(4000))
    tree = brw.fit(model(), evidence, engine=brw.Exact(draws=500))
    assert tree["quadrature"]["level_probability"].to_numpy() == pytest.approx(fit.levels)
    mu = tree["posterior"]["mu"].to_numpy()
    assert mu.shape == (4, 500)
    assert mu.mean() == pytest.approx(mean, abs=5 * sd / math.sqrt(2000))
    told = fit.each_normal(np.eye(2)).told
    assert told.shape == (6, 2)


def test_too_many_allocations_are_refused_with_what_to_do() -> None:
    many = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(12)],
            "workplace": ["yes", "no", *["?"] * 10],
            "events_t": 20, "n_t": 40, "events_c": 15, "n_c": 40, "at": 180.0,
        }
    )  # fmt: skip
    evidence = brw.Evidence.from_returns(many)
    with pytest.raises(EngineRefusal, match=r"2\^10 = 1.0e\+03 allocations.*at most 128.*nuts"):
        solve(model(), evidence)
    assert "at most 128" in str(brw.Exact().refuses(model(), evidence))
    # What samples sums over levels inside every row.
    assert "_allocated" in graph(model(), evidence).model.named_vars


# -- one shape of many curves


def told_curves():
    rng, found = np.random.default_rng(2), []
    for place in range(2):
        days = returns_coverage.times(0.3, 120.0, 0.55, 300, rng)
        row = {"study": f"s{place}", "n_c": 300, "n_t": 300}
        for end, day in (("", 60.0), ("_2", 365.0)):
            back = (days <= day).sum(axis=1)
            row |= {f"at{end}": day, f"events_c{end}": back[0], f"events_t{end}": back[1]}
        found.append(row)
    medians = {"median_t": 80.0, "median_t_low": 60.0, "median_t_high": 110.0, "median_c": 110.0}
    medians |= {"median_c_low": 80.0, "median_c_high": 150.0, "n_t": 60, "n_c": 60}
    found.append({"study": "m", **medians})
    return brw.Evidence.from_returns(pd.DataFrame(found))


def over_shapes(evidence, between, kept=(0, 1, 2), prior=(-0.22314355, 0.25)):
    """Log integral, mean and SD of mu, and of the common log shape, on a lattice."""
    shapes, mu = np.linspace(-1.25, 0.35, 41), np.linspace(-1.5, 2.0, 401)
    log = np.empty((len(shapes), len(mu)))
    for place, shape in enumerate(shapes.tolist()):
        units = ReturnToWork(between=between, known=shape).observe(evidence).units
        log[place] = sum(units[row].log(mu) for row in kept) + stats.norm.logpdf(mu, 0, 0.5)
        log[place] += stats.norm.logpdf(shape, *prior)
    share = np.exp(log - logsumexp(log))
    found = [logsumexp(log) + math.log((shapes[1] - shapes[0]) * (mu[1] - mu[0]))]
    for axis, value in ((0, mu), (1, shapes)):
        own = share.sum(axis=axis)
        mean = float(own @ value)
        found += [mean, math.sqrt(float(own @ (value - mean) ** 2))]
    return found


def of(fit):
    shape = fit.posterior.hyper["log_shape"].quantile((np.arange(4000) + 0.5) / 4000)
    return [fit.posterior.log_evidence, *fit.posterior.pooled.moments(), shape.mean(), shape.std()]


COMMON = brw.Model(
    terms=(brw.Intercept(NORMAL(0, 0.5)), brw.terms.Common()), likelihood=ReturnToWork(between=0.1)
)


@pytest.mark.parametrize("between", [0.1, 0.0])
def test_one_shape_of_many_curves_is_a_hyperparameter(between) -> None:
    evidence = told_curves()
    made = replace(COMMON, likelihood=ReturnToWork(between=between))
    assert list(made.hyper) == ["log_shape"]
    fit = solve(made, evidence)
    assert of(fit) == pytest.approx(over_shapes(evidence, between), abs=5e-4)
    assert fit.posterior.error < 1e-3
    # The shape of curves that were drawn with 0.55 is found, and the prior's 0.8 is left.
    assert math.exp(fit.posterior.hyper["log_shape"].quantile(np.array([0.5]))[0]) < 0.7


def test_neighbours_of_one_shape_are_weighed_or_laid_anew() -> None:
    evidence, every = told_curves(), np.arange(3)
    fit = solve(COMMON, evidence)
    for gone in (0, 2):
        [near] = fit.without([every == gone])
        kept = [row for row in range(3) if row != gone]
        assert of(near) == pytest.approx(over_shapes(evidence, 0.1, kept), abs=1e-3)
    for sd in (0.2, 0.05):
        [near] = fit.under([{"log_shape": NORMAL(0.0, sd)}])
        assert of(near) == pytest.approx(over_shapes(evidence, 0.1, prior=(0.0, sd)), abs=1e-3)
        assert near.prior_of("log_shape") == NORMAL(0.0, sd)
    assert brw.currencies.pooled_shape(COMMON, evidence, between=0.1).loc["shape", "median"] < 0.7


def test_draws_of_one_shape_are_no_few_values() -> None:
    tree = brw.fit(COMMON, told_curves(), engine=brw.Exact(draws=500))
    shape = tree["posterior"]["log_shape"].to_numpy()
    assert len(np.unique(shape)) == shape.size == shaped(shape.ravel(), 4, 500).size
    row = brw.summarise(tree).loc["log_shape"]
    assert shape.mean() == pytest.approx(row["mean"], abs=5 * row["sd"] / math.sqrt(2000))
    assert shape.std() == pytest.approx(row["sd"], rel=0.1)


def test_what_a_shape_cannot_be_is_named() -> None:
    with pytest.raises(SpecError, match="between is an SD"):
        ReturnToWork(between=-0.1)
    with pytest.raises(SpecError, match="known is a common log shape"):
        ReturnToWork(known=-0.2)


def test_rows_none_of_which_has_an_error_tip_at_shifts_of_their_own_widths() -> None:
    evidence = rows()
    assert not np.isfinite(evidence.data["se"].to_numpy().astype(float)).any()
    shift = brw.tipping(model(), evidence).shifts.loc[("all", 0.8), "shift"]
    moved = solve(model(), evidence).shifted(np.ones(6), shift)
    assert moved.posterior.pooled.beyond(0.0, above=True) == pytest.approx(0.8, abs=1e-3)
