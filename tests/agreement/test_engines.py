"""Exact and NUTS agree within 4 Monte-Carlo standard errors.

The engines share the specification and no numerics: quadrature over tau on one side, a PyMC graph of
the unmarginalised model on the other. The tolerance is four MCSE of the sampled mean (ArviZ's own
estimate), for every reported quantity of an analysis: with some 150 quantities and four figures
each, a false alarm is expected in some 25 runs, and the seeds are fixed. The MCSE of a tail quantile
is itself an estimate: with 8,000 draws it was too small by enough to miss once (4.1), with 60,000 the
same figure lay at 3.0; hence 20,000.
"""

import arviz_stats as azs
import numpy as np
import pytest

import bayesrtw as brw
from bayesrtw.analysis.catalog import analysis_ids
from bayesrtw.analysis.query import select

#: Fitted in every run of the suite; the others with ``-m slow``.
ALWAYS = ("sick-leave-days", "time-to-rtw-moderators")

#: Draws of each of four chains.
DRAWS = 5000

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
