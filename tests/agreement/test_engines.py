"""Exact and NUTS agree within 4 Monte-Carlo standard errors.

The engines share the specification and no numerics: on one side messages between groups and quadrature over
the hyperparameters, on the other elimination among estimates in a PyMC graph, sampled coefficients and
conditional draws of effects. The tolerance is four MCSE of the sampled mean (ArviZ's own
estimate), for every reported quantity of an analysis: with some 150 quantities and four figures
each, a false alarm is expected in some 25 runs, and the seeds are fixed. The MCSE of a tail quantile
is itself an estimate: with 20,000 draws one of 800 such figures missed (4.3), while gaps of its 48 neighbours
over five seeds of 80,000 draws, in MCSE, had a root mean square of 1.0 and no mean; hence 40,000.
"""

import arviz_stats as azs
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.analysis.catalog import analysis_ids
from bayesrtw.analysis.query import select
from bayesrtw.evidence.dependence import assumed_correlation

#: Fitted in every run of the suite; the others with ``-m slow``.
ALWAYS = ("sick-leave-days",)

#: Draws of each of four chains.
DRAWS = 10_000

CASES = [
    pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow) for name in analysis_ids()
]


@pytest.mark.parametrize("name", CASES)
def test_exact_and_nuts_agree(name):
    analysis = brw.open_analysis(name)
    evidence = select(analysis.evidence, brw.open_dataset(analysis.evidence.dataset)).evidence
    exact = brw.summarise(brw.fit(analysis.model, evidence, engine=brw.Exact()))
    tree = brw.fit(analysis.model, evidence, engine=brw.Nuts(draws=DRAWS), seed=analysis.seed)
    sampled = brw.summarise(tree)
    posterior = tree["posterior"].to_dataset()
    for column, method in (("mean", "mean"), ("sd", "sd"), ("lower", 0.025), ("upper", 0.975)):
        if isinstance(method, float):
            error = azs.mcse(posterior, method="quantile", prob=method)
        else:
            error = azs.mcse(posterior, method=method)
        for variable in posterior.data_vars:
            rows = exact["variable"] == variable
            gap = np.abs(exact.loc[rows, column] - sampled.loc[rows, column]).to_numpy()
            allowed = 4 * np.atleast_1d(error[variable].to_numpy())
            worst = float(np.max(gap / allowed))
            assert worst < 1, f"{name}: {column} of {variable} differs by {4 * worst:.1f} MCSE"


def test_leaving_one_out_by_weights_is_leaving_it_out():
    rng = np.random.default_rng(3)
    effect, se = rng.normal(0.2, 0.3, 16), rng.uniform(0.2, 0.4, 16)
    frame = pd.DataFrame({"study": list("ABCDEFGHIJKLMNOP"), "effect": effect, "se": se})
    prior = brw.prior
    terms = (brw.Intercept(prior.Normal(0, 0.5)), brw.Exchangeable(prior.HalfNormal(0.3)))
    tree = brw.fit(
        brw.Model(terms=terms), brw.Evidence.from_frame(frame), engine=brw.Nuts(), seed=2
    )
    assert tree["log_likelihood"]["effect"].dims == ("chain", "draw", "estimate")
    loo = azs.loo(tree, pointwise=True)
    # By a grid, over mu and tau, of the densities of the other estimates.
    mu, tau = np.meshgrid(np.linspace(-1.5, 1.5, 601), np.linspace(0.0, 1.5, 601))
    each = stats.norm.logpdf(effect, mu[..., None], np.sqrt(tau[..., None] ** 2 + se**2))
    log = stats.norm.logpdf(mu, 0, 0.5) + stats.halfnorm.logpdf(tau, scale=0.3)
    for row in range(16):
        weight = np.exp(log + np.delete(each, row, axis=-1).sum(axis=-1))
        wanted = np.log(np.sum(weight * np.exp(each[..., row])) / weight.sum())
        # Of 2,000 effective draws a density has a relative error of 0.02 or less here; four of these.
        assert abs(float(loo.elpd_i[row]) - wanted) < 0.08
    assert float(loo.pareto_k.max()) < 0.7


def dependent(clustering):
    rng = np.random.default_rng(11)
    count = 12
    frame = pd.DataFrame(
        {
            "study": [f"s{place // 2}" for place in range(count)],
            "effect": rng.normal(0.2, 0.3, count),
            "se": rng.uniform(0.1, 0.3, count),
            "size": [10.0, np.nan] * (count // 2),
        }
    )
    evidence = brw.Evidence.from_frame(frame, benefit="higher")
    prior = brw.prior
    random = (
        brw.Exchangeable(prior.HalfNormal(0.3), by="study", name="tau_study"),
        brw.Exchangeable(prior.HalfNormal(0.3)),
    )
    if clustering:
        likelihood = brw.likelihood.NormalErrors(
            clustering=brw.likelihood.Clustering("size", prior.Beta(1.5, 50))
        )
    else:
        evidence = assumed_correlation(evidence, by="study", rho=0.6)
        likelihood = brw.likelihood.NormalErrors()
    terms = (brw.Intercept(prior.Normal(0, 0.5)), *random)
    return brw.Model(terms=terms, likelihood=likelihood), evidence


@pytest.mark.slow
@pytest.mark.parametrize("clustering", [False, True])
def test_exact_and_nuts_agree_on_dependent_estimates(clustering):
    model, evidence = dependent(clustering)
    exact = brw.summarise(brw.fit(model, evidence, engine=brw.Exact()))
    tree = brw.fit(model, evidence, engine=brw.Nuts(draws=DRAWS, target_accept=0.99), seed=4)
    sampled = brw.summarise(tree)
    error = azs.mcse(tree["posterior"].to_dataset(), method="mean")
    for variable in tree["posterior"].data_vars:
        rows = exact["variable"] == variable
        gap = np.abs(exact.loc[rows, "mean"] - sampled.loc[rows, "mean"]).to_numpy()
        assert np.all(gap < 4 * np.atleast_1d(error[variable].to_numpy())), variable


@pytest.mark.slow
def test_new_data_of_the_same_shape_are_sampled_without_a_compile(monkeypatch):
    def evidence(seed):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame(
            {
                "study": [f"s{place}" for place in range(12)],
                "effect": rng.normal(0.3 * seed, 0.2, 12),
                "se": rng.uniform(0.1, 0.3, 12),
                "kind": ["a", "b", "c"] * 4,
                "dose": rng.normal(size=12),
            }
        )
        return brw.Evidence.from_frame(frame, benefit="higher")

    prior = brw.prior
    model = brw.Model(
        terms=(
            brw.Intercept(prior.Normal(0, 1)),
            brw.Categorical("kind", prior.Normal(0, 0.25)),
            brw.Linear("dose", prior.Normal(0, 0.25)),
            brw.Exchangeable(prior.HalfNormal(0.5)),
        )
    )
    brw.fit(model, evidence(1), engine=brw.Nuts(draws=10, tune=10, allow_unconverged=True))

    def refuse(*_, **__):
        message = "compiled again"
        raise AssertionError(message)

    monkeypatch.setattr("nutpie.compile_pymc_model", refuse)
    for seed in (2, 3):
        tree = brw.fit(model, evidence(seed), engine=brw.Nuts(draws=DRAWS), seed=seed)
        exact = brw.summarise(brw.fit(model, evidence(seed)))
        sampled = brw.summarise(tree)
        error = azs.mcse(tree["posterior"].to_dataset(), method="mean")
        for variable in tree["posterior"].data_vars:
            rows = exact["variable"] == variable
            gap = np.abs(exact.loc[rows, "mean"] - sampled.loc[rows, "mean"]).to_numpy()
            assert np.all(gap < 4 * np.atleast_1d(error[variable].to_numpy())), variable
