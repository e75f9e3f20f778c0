"""Studies whose numbers are each of one arm, summed over levels of both."""

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.model.return_to_work import ReturnToWork


def test_medians_have_one_evidence_whichever_way_they_are_summed_and_a_power_of_it():
    """A hazard ratio that changes at once takes another rule; half of a study is its log density halved."""
    rows = [
        {"study": "A", "hazard_ratio": 1.9, "ci_low": 1.2, "ci_high": 2.8, "design": "rct"},
        {"study": "B", "median_t": 88, "median_c": 208, "n_t": 66, "n_c": 68, "design": "cohort"},
    ]
    evidence = brw.Evidence.from_returns(pd.DataFrame(rows))
    terms = (brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Common())
    plain, other = (
        solve(brw.Model(terms=terms, likelihood=made), evidence).posterior
        for made in (ReturnToWork(), ReturnToWork(change=90.0, later=1e-9))
    )
    assert_allclose(plain.log_evidence, other.log_evidence, atol=2e-6)
    half = (*terms, brw.bias.Discount(brw.bias.Studies(("cohort",), "design"), 0.5))
    found = solve(brw.Model(terms=half, likelihood=ReturnToWork()), evidence).posterior.pooled
    theta = np.linspace(-2.0, 3.0, 4001)
    log = -0.5 * (theta / 0.5) ** 2
    for unit, share in zip(ReturnToWork().observe(evidence).units, (1.0, 0.5), strict=True):
        log += share * unit.log(theta)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    mean = weight @ theta
    assert_allclose(found.centre, mean, atol=1e-6)
    assert_allclose(found.spread, np.sqrt(weight @ (theta - mean) ** 2), rtol=1e-5)
