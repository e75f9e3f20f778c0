"""Batches against the same references as single fits, and against designs solved one by one.

`golden.test_exact` holds 177 fits of other programs; here each goes through the batched kernel,
whose algebra and nodes are its own. 1e-8 in units of the posterior SD is the promise of its gate.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.engine.arrays import masked
from bayesrtw.engine.batch import batch_of, prior_panel, settle
from bayesrtw.engine.cholesky import inverse
from bayesrtw.engine.integrate import integrate
from bayesrtw.engine.problem import pose
from bayesrtw.model.design import build
from bayesrtw.posterior import mixture
from bayesrtw.question.sensitivity import prior_sensitivity
from golden.test_exact import EXACT, fitted, log_evidence

PROMISE = 1e-8
prior = brw.prior


@pytest.mark.parametrize("name", EXACT)
def test_a_batch_reproduces_the_reference(name):
    case = EXACT[name]
    solved = settle(batch_of(build(case.model, case.evidence)), PROMISE)
    means = (case.reference["mu"],) if "mu" in case.reference else case.reference["beta"].values()
    for place, wanted in enumerate(means):
        combine = np.eye(solved.mean.shape[-1])[place]
        mean, sd = mixture.moments(*solved.mixture(combine))
        assert_allclose(
            [mean[0], sd[0]], [wanted["mean"], wanted["sd"]], atol=PROMISE * wanted["sd"]
        )
    tau = solved.weight @ solved.tau[0]
    assert abs(tau[0] - case.reference["tau"]["mean"]) < PROMISE * case.reference["tau"]["sd"]
    assert_allclose(solved.log_evidence[0], log_evidence(fitted(name)), atol=PROMISE)


def rows(count, seed=3):
    rng = np.random.default_rng(seed)
    se = rng.uniform(0.1, 0.4, count)
    frame = pd.DataFrame({"study": [f"S{i}" for i in range(count)], "se": se})
    frame["effect"] = rng.normal(0.1, np.hypot(0.2, se))
    frame["dose"], frame["share"] = rng.normal(size=count), rng.uniform(size=count)
    return brw.Evidence.from_frame(frame)


PANEL = {
    "tiny": prior.HalfNormal(0.001),
    "half-normal": prior.HalfNormal(0.5),
    "half-Cauchy": prior.HalfCauchy(0.5),
    "wide half-Cauchy": prior.HalfCauchy(50.0),
    "inverse gamma": prior.InverseGamma(1.0, 0.15),
    "sharp inverse gamma": prior.InverseGamma(400.0, 40.0),
    "log-normal": prior.LogNormal(-1.0, 0.9),
    "uniform": prior.Uniform(0.3),
    "wide uniform": prior.Uniform(30.0),
}


@pytest.mark.parametrize("count", [2, 3, 14, 300])
def test_a_panel_of_priors_is_each_prior_alone(count):
    evidence = rows(count)

    def model(tau):
        return brw.Model(terms=(brw.Intercept(prior.Normal(0, 1)), brw.Exchangeable(tau)))

    found = prior_sensitivity(model(prior.HalfNormal(1)), evidence, PANEL)
    for name, tau in PANEL.items():
        tree = brw.fit(model(tau), evidence, engine=brw.Exact(draws=0))
        alone, row = brw.summarise(tree), found.loc[name]
        for figure in ("mean", "sd", "median", "lower", "upper", "probability"):
            wanted = alone.loc["mu", figure]
            assert_allclose(row[figure], wanted, atol=PROMISE * alone.loc["mu", "sd"], err_msg=name)
        assert_allclose(row["tau"], alone.loc["tau", "mean"], rtol=3 * PROMISE, err_msg=name)
        assert_allclose(
            row["log_evidence"], float(tree["quadrature"]["log_evidence"]), atol=PROMISE
        )


@pytest.mark.parametrize("width", [0, 1, 2, 3])
def test_masks_and_columns_of_any_number_are_single_problems(width):
    terms = (
        brw.Intercept(prior.Normal(0, 1)),
        brw.Linear("dose", prior.Flat()),
        brw.Linear("share", prior.Normal(0, 0.3)),
    )
    design = build(
        brw.Model(terms=(*terms[:width], brw.Exchangeable(prior.HalfNormal(0.5)))), rows(12)
    )
    keep = np.random.default_rng(1).random((7, 12)) < 0.8
    solved = settle(replace(batch_of(design), mask=keep), PROMISE)
    for place, mask in enumerate(keep):
        problem = pose(masked(design, mask))
        nodes = integrate(problem, 64, PROMISE).nodes
        assert_allclose(solved.log_evidence[place], nodes.log_total, atol=PROMISE)
        mean = np.exp(nodes.log_weight) @ problem.given(nodes.values).mean
        assert_allclose(solved.weight[place] @ solved.mean[place], mean, atol=PROMISE)


def test_a_batch_that_differs_in_priors_and_data_is_cut_where_it_is_large():
    design = build(
        brw.Model(
            terms=(brw.Intercept(prior.Normal(0, 1)), brw.Exchangeable(prior.HalfNormal(0.5)))
        ),
        rows(14),
    )
    priors = [prior.HalfNormal(0.1 + 0.002 * place) for place in range(250)]
    effect = np.random.default_rng(2).normal(0, 0.3, (250, 14))
    log_prior = prior_panel(priors)
    whole = settle(replace(batch_of(design), effect=effect, log_prior=log_prior), PROMISE)
    for place in (0, 120, 249):
        alone = replace(batch_of(design), effect=effect[place], log_prior=priors[place].logpdf)
        assert_allclose(
            whole.log_evidence[place], settle(alone, PROMISE).log_evidence[0], atol=PROMISE
        )


@pytest.mark.parametrize("width", [2, 3, 5])
def test_small_matrices_are_inverted_at_any_scale(width):
    # Relative to the inverse's own size; a correlation of 1 - 1e-8 costs as many digits.
    rng = np.random.default_rng(width)
    root = rng.normal(size=(20, width, width)) + 2 * np.eye(width)
    scale = 10.0 ** rng.uniform(-60, 60, (20, width))
    plain = root @ np.swapaxes(root, -1, -2)
    found, log_det = inverse(scale[:, :, None] * plain * scale[:, None, :])
    wanted = np.linalg.inv(plain) / (scale[:, :, None] * scale[:, None, :])
    assert_allclose(found, wanted, rtol=1e-9)
    assert_allclose(log_det, np.linalg.slogdet(plain)[1] + 2 * np.log(scale).sum(axis=1), atol=1e-9)
