"""Calibration of the engines by simulation, and proof that it would notice a wrong posterior.

With 2,000 replicates a coverage of 95 % that is really 93.5 % is three standard errors away. Bands hold
jointly with 95 % over all quantities of a test; seeds are fixed, so that a test passes or fails for good.
"""

import os
from dataclasses import replace

import missing_coverage
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from bayesrtw.engine.exact import Exact
from bayesrtw.engine.nuts import Nuts
from bayesrtw.errors import SpecError
from bayesrtw.evidence.covariance import Dependence
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import AdditiveBias, BiasHierarchy, DirectedBias, Studies
from bayesrtw.model.bias_mixture import BiasMixture, RiskClass, RiskGroup
from bayesrtw.model.heterogeneity import Common, Exchangeable
from bayesrtw.model.levels import MissingLevels
from bayesrtw.model.mixture_prior import StudentT
from bayesrtw.model.moderator import Categorical, Intercept
from bayesrtw.model.prior import Flat, HalfNormal, InverseGamma, Normal
from bayesrtw.model.simulate import with_effects
from bayesrtw.model.spec import Model
from bayesrtw.parallel import map_tasks, processes
from bayesrtw.question import calibrate as module
from bayesrtw.question.calibrate import CELLS, calibrate, judge

POOLED = Model(terms=(Intercept(Normal(0.0, 0.5)), Exchangeable(HalfNormal(0.3))))
LEVELS = Model(
    terms=(
        Intercept(Normal(0.0, 0.5)),
        Exchangeable(HalfNormal(0.5), by="study", name="tau_study"),
        Exchangeable(HalfNormal(0.25)),
    )
)


def evidence(dependent=False):
    frame = pd.DataFrame(
        {
            "study": ["a", "a", "b", "c", "d", "e"],
            "estimate": ["a1", "a2", "b", "c", "d", "e"],
            "kind": ["x", "y", "x", "y", "x", "y"],
            "effect": np.zeros(6),
            "se": [0.1, 0.2, 0.3, 0.15, 0.25, 0.4],
        }
    )
    found = Evidence.from_frame(frame, benefit="higher")
    if not dependent:
        return found
    blocks = (Dependence(np.array([0, 1]), np.array([[0.01, 0.008], [0.008, 0.04]]), "made up"),)
    return replace(found, dependence=blocks)


@pytest.mark.slow
@pytest.mark.parametrize("how", missing_coverage.HOW[:2])
def test_missing_levels_are_covered(how):
    """Truths from the priors, 40 % missing: a 95 % interval holds 95 % of them."""
    found = missing_coverage.table(300, seed=11, ways=("summed over levels",), how_of=(how,))
    assert abs(found["coverage_95"][0] - 0.95) < 3.0 * found["error_95"][0]


@pytest.mark.slow
def test_missing_levels_are_calibrated():
    """Levels are drawn from the shares of the reported ones, shifted as the model says."""
    level = ["x", "y", "?", "x", "?", "y", "x", "?"]
    frame = pd.DataFrame(
        {
            "study": list("abcdefgh"),
            "effect": 0.0,
            "se": [0.1, 0.2, 0.1, 0.15, 0.2, 0.3, 0.1, 0.2],
            "level": level,
        }
    )
    term = Categorical("level", Normal(0.0, 0.4), missing=MissingLevels(("?",), delta={"x": 1.0}))
    model = Model(terms=(*POOLED.terms, term))
    found = calibrate(model, Evidence.from_frame(frame, benefit="higher"), replicates=300, seed=3)
    verdict = judge([found])
    assert verdict["inside"].all()


def wide(size=14):
    rng = np.random.default_rng(7)
    names = [f"s{place}" for place in range(size)]
    se = rng.uniform(0.1, 0.4, size)
    return Evidence.from_frame(
        pd.DataFrame({"study": names, "effect": np.zeros(size), "se": se}), benefit="higher"
    )


def test_one_spread_is_calibrated_in_every_quantity():
    terms = (*POOLED.terms, Categorical("kind", Normal(0.0, 0.25)))
    found = [
        calibrate(POOLED, wide(), replicates=2000, seed=1, name="pooled"),
        calibrate(Model(terms=terms), evidence(), replicates=2000, seed=2, name="levels"),
        calibrate(
            Model(terms=(Intercept(Normal(0.0, 0.5)), Exchangeable(InverseGamma(1.5, 0.26)))),
            wide(6),
            replicates=2000,
            seed=3,
            name="published prior",
        ),
        calibrate(
            Model(terms=(Intercept(Normal(0.0, 0.5)), Common())), wide(6), replicates=2000, seed=4
        ),
    ]
    table = judge(found)
    assert table["inside"].all(), table[~table["inside"]]
    assert {"mu", "theta_new", "tau", "mu_level[kind[x]]", "theta[s0]"} <= set(table["quantity"])
    for share in (50, 80, 95):
        z = (table[f"coverage_{share}"] - share / 100) / table[f"error_{share}"]
        assert z.abs().max() < 4.0  # 60 quantities: beyond four errors once in 270 runs


def test_three_levels_with_known_covariance_are_calibrated():
    found = calibrate(LEVELS, evidence(dependent=True), replicates=100, seed=5)
    table = judge([found])
    assert list(found.pit)[:4] == ["mu", "theta_new", "tau_study", "tau"]
    assert table["inside"].all(), table[~table["inside"]]


BIASES = {
    "additive": (AdditiveBias(Studies(("y",), column="kind"), mean=-0.1, sd=0.2),),
    "hierarchy": (
        BiasHierarchy(Studies(("y",), column="kind"), Normal(0.0, 0.2), spread=HalfNormal(0.15)),
    ),
    "directed": (DirectedBias(Studies(("y",), column="kind"), size=HalfNormal(0.3)),),
    "one mean": (BiasHierarchy(Studies(("y",), column="kind"), Normal(0.0, 0.2)),),
    "t prior": (),
}


@pytest.mark.parametrize("name", BIASES)
def test_bias_terms_and_mixtures_are_calibrated(name):
    mu = StudentT(3, 0.0, 0.2) if name == "t prior" else Normal(0.0, 0.5)
    model = Model(terms=(Intercept(mu), *BIASES[name], Exchangeable(HalfNormal(0.25))))
    found = calibrate(model, evidence(), replicates=100, seed=13, name=name)
    table = judge([found])
    assert table["inside"].all(), table[~table["inside"]]


@pytest.mark.slow
def test_a_mixture_of_biased_and_unbiased_studies_is_calibrated():
    group = RiskGroup(
        "second", ("y",), Normal(0.3, 0.2), HalfNormal(0.2), (RiskClass("", 0.5),), size=4.0
    )
    model = Model(terms=(*POOLED.terms, BiasMixture((group,), column="kind")))
    found = calibrate(
        model, evidence(), engine=Exact(nodes=32, tolerance=1e-4), replicates=100, seed=14
    )
    assert {"mu", "theta_new", "tau"} < set(found.pit)
    table = judge([found])
    assert table["inside"].all(), table[~table["inside"]]


def test_batch_and_single_fits_place_the_truth_alike(monkeypatch):
    together = calibrate(POOLED, wide(5), replicates=20, seed=6)
    monkeypatch.setattr(module, "_batchable", lambda *_: False)
    alone = calibrate(POOLED, wide(5), engine=Exact(), replicates=20, seed=6)
    for name, pit in alone.pit.items():
        # Both are converged to 1e-8.
        assert_allclose(together.pit[name], pit, atol=1e-7)


def wrong(monkeypatch, change):
    """Solve another problem than the one that was drawn."""
    right = module.batch_of
    monkeypatch.setattr(module, "batch_of", lambda design: change(right(design)))


def test_standard_errors_that_are_too_small_are_noticed(monkeypatch):
    wrong(monkeypatch, lambda batch: replace(batch, se=0.8 * batch.se))
    table = judge([calibrate(POOLED, wide(), replicates=1000, seed=7)]).set_index("quantity")
    assert not table.loc["tau", "inside"]
    assert table.loc["tau", "excess"] > 0.01
    # What remains of the error is taken for heterogeneity, so that effects of studies hardly suffer.
    assert table.loc["tau", "coverage_50"] < 0.45


def test_heterogeneity_counted_twice_is_noticed(monkeypatch):
    def doubled(batch):
        prior = batch.log_prior
        # What the data say of tau = t is taken for what they say of sqrt(2) t.
        return replace(batch, log_prior=lambda tau: prior(np.sqrt(2.0) * tau) + 0.5 * np.log(2.0))

    wrong(monkeypatch, doubled)
    table = judge([calibrate(POOLED, wide(), replicates=1000, seed=8)]).set_index("quantity")
    assert not table.loc["tau", "inside"]


def test_a_variance_that_leaves_out_the_coefficients_is_noticed(monkeypatch):
    def careless(batch, tolerance):
        solved = settle(batch, tolerance)
        return replace(solved, covariance=0.6 * solved.covariance)

    settle = module.settle
    monkeypatch.setattr(module, "settle", careless)
    table = judge([calibrate(POOLED, wide(), replicates=1000, seed=9)]).set_index("quantity")
    assert not table.loc["mu", "inside"]
    assert table.loc["tau", "inside"]


def test_processes_give_the_same_ranks_and_progress_is_told():
    told = []
    here = calibrate(
        LEVELS, evidence(), replicates=25, seed=10, progress=lambda *each: told.append(each)
    )
    assert told == [(10, 25), (20, 25), (25, 25)]
    with processes(2) as pool:
        there = calibrate(LEVELS, evidence(), replicates=25, seed=10, executor=pool)
    for name, pit in here.pit.items():
        assert_array_equal(pit, there.pit[name])


def test_what_cannot_be_calibrated_is_refused():
    flat = Model(terms=(Intercept(Flat()), Exchangeable(HalfNormal(0.3))))
    with pytest.raises(SpecError, match="mu has a flat prior"):
        calibrate(flat, wide(), replicates=10)
    with pytest.raises(
        SpecError, match="ranks among 199 draws need at least 50 in each of 4 chains"
    ):
        calibrate(POOLED, wide(), engine=Nuts(draws=20), replicates=10)


@pytest.mark.slow
def test_sampled_posteriors_are_calibrated():
    found = [
        calibrate(POOLED, wide(6), engine=Nuts(), replicates=200, seed=11, name="pooled"),
        calibrate(LEVELS, evidence(dependent=True), engine=Nuts(), replicates=200, seed=12),
    ]
    table = judge(found)
    assert table["inside"].all(), table[~table["inside"]]
    assert all(each.cells == CELLS and each.size == 200 for each in found)


@pytest.mark.slow
def test_a_pool_of_processes_compiles_once_for_each():
    tasks = [(seed, evidence(dependent=True)) for seed in range(12)]
    with processes(2) as pool:
        done = list(map_tasks(_compilations, tasks, pool))
    assert {count for _, count in done} == {1}
    assert len({pid for pid, _ in done}) == 2


def _compilations(task):
    """Fit other data of one structure in a worker; how often it has compiled so far."""
    import nutpie  # noqa: PLC0415 - it takes seconds, and slow tests alone need it

    seed, rows = task
    if not hasattr(nutpie, "times"):
        nutpie.times, compile_model = 0, nutpie.compile_pymc_model

        def counted(*arguments):
            nutpie.times += 1
            return compile_model(*arguments)

        nutpie.compile_pymc_model = counted
    effect = np.random.default_rng(seed).normal(size=rows.size)
    engine = Nuts(chains=2, draws=50, tune=100, allow_unconverged=True)
    engine.fit(LEVELS, with_effects(rows, effect), seed=seed)
    return os.getpid(), nutpie.times
