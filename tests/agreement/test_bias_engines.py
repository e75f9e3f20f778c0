"""Bias terms and missing levels: exact and NUTS agree within 4 Monte-Carlo standard errors.

The graph samples what biases have in common, probabilities of bias and shares of levels; the quadrature has
integrated them out. Seeds are fixed; the tolerance is argued in test_engines.py.
"""

import arviz_stats as azs
import numpy as np
import pandas as pd
import pytest

import bayesrtw as brw
from bayesrtw.model.bias import AdditiveBias, BiasHierarchy, DirectedBias, Discount, Studies
from bayesrtw.model.bias_mixture import default_mixture
from bayesrtw.model.levels import MissingLevels
from bayesrtw.model.mixture_prior import StudentT

pytestmark = pytest.mark.slow

COHORTS = Studies(values=("cohort",))
prior = brw.prior

CASES = {
    "discount": (Discount(COHORTS, share=0.25),),
    "additive": (AdditiveBias(COHORTS, mean=-0.1, sd=0.2),),
    "hierarchy": (BiasHierarchy(COHORTS, prior.Normal(0, 0.2), spread=prior.HalfNormal(0.15)),),
    "directed": (DirectedBias(Studies(("rct",)), size=prior.HalfNormal(0.1)),),
    "with a moderator": (
        brw.Categorical("kind", prior.Normal(0, 0.25)),
        BiasHierarchy(COHORTS, prior.Normal(0, 0.2)),
    ),
    "mixture": (default_mixture(),),
    "t prior": (),
    "missing levels": (
        brw.Categorical("level", prior.Normal(0, 0.5), missing=MissingLevels(("",))),
    ),
    "missing levels in strata, shifted": (
        brw.Exchangeable(prior.HalfNormal(0.3), by="kind", name="tau_kind"),
        brw.Categorical(
            "level",
            prior.Normal(0, 0.5),
            missing=MissingLevels(("",), ("design",), delta={"x": 0.8}),
        ),
    ),
    "missing levels of an interaction": (
        brw.Interaction(
            "level",
            "design",
            values=("cohort",),
            name="cohorts",
            main=prior.Normal(0, 0.5),
            missing=MissingLevels(("",)),
        ),
    ),
}


def evidence():
    rng = np.random.default_rng(7)
    count = 10
    frame = pd.DataFrame(
        {
            "study": [f"s{place}" for place in range(count)],
            "effect": rng.normal(0.2, 0.3, count),
            "se": rng.uniform(0.1, 0.3, count),
            "design": ["rct"] * 6 + ["cohort"] * 4,
            "kind": ["a", "b"] * 5,
            "level": ["x", "y", "", "x", "y", "", "x", "", "y", "x"],
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


@pytest.mark.parametrize("name", CASES)
def test_exact_and_nuts_agree(name):
    mu = StudentT(3, 0, 0.2) if name == "t prior" else prior.Normal(0, 0.5)
    model = brw.Model(
        terms=(brw.Intercept(mu), *CASES[name], brw.Exchangeable(prior.HalfNormal(0.25)))
    )
    exact = brw.summarise(brw.fit(model, evidence(), engine=brw.Exact(draws=0)))
    tree = brw.fit(model, evidence(), engine=brw.Nuts(draws=5000, target_accept=0.99), seed=5)
    sampled = brw.summarise(tree)
    posterior = tree["posterior"].to_dataset()
    for column, method in (("mean", "mean"), ("sd", "sd"), ("lower", 0.025), ("upper", 0.975)):
        if isinstance(method, float):
            error = azs.mcse(posterior, method="quantile", prob=method)
        else:
            error = azs.mcse(posterior, method=method)
        for variable in [name for name in posterior.data_vars if name in set(exact["variable"])]:
            rows = exact.index[exact["variable"] == variable]
            gap = np.abs(exact.loc[rows, column] - sampled.loc[rows, column]).to_numpy()
            allowed = 4 * np.atleast_1d(error[variable].to_numpy())
            worst = float(np.max(gap / allowed))
            assert worst < 1, f"{name}: {column} of {variable} differs by {4 * worst:.1f} MCSE"
