"""Many rows, each left out: sums over all rows less the few, against an integral written out here.

The integral takes tau on a trapezoidal grid of 20,001 points in log(tau + 1e-4) and knows nothing of nodes,
of shared sums or of the package's algebra; twice the points move nothing by more than 1e-15.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import halfcauchy, halfnorm

import bayesrtw as brw
from bayesrtw.engine.batch import batch_of, settle
from bayesrtw.engine.sums import MANY, few_missing
from bayesrtw.model.design import build

COUNT = 150
PRIORS = {
    "half-normal": (brw.prior.HalfNormal(0.5), halfnorm(scale=0.5)),
    "half-Cauchy": (brw.prior.HalfCauchy(0.3), halfcauchy(scale=0.3)),
}


def rows():
    """An outlier that decides tau, a row that is a thousand times as precise, and 148 others."""
    rng = np.random.default_rng(5)
    se = rng.uniform(0.1, 0.3, COUNT)
    effect = rng.normal(0.1, np.hypot(0.02, se))
    effect[3], se[4] = 4.0, 0.005
    return pd.DataFrame({"study": [f"s{i}" for i in range(COUNT)], "effect": effect, "se": se})


def batch(tau, **changes):
    evidence = brw.Evidence.from_frame(rows(), benefit="higher")
    model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 1.0)), brw.Exchangeable(tau)))
    return replace(batch_of(build(model, evidence)), **changes)


def integrated(effect, se, density):
    """Log evidence, mean and SD of mu, and mean of tau."""
    u = np.linspace(np.log(1e-4), np.log(30.0), 20_001)
    tau = np.exp(u) - 1e-4
    variance = se**2 + tau[:, None] ** 2
    precision = (1 / variance).sum(1) + 1.0
    mean = (effect / variance).sum(1) / precision
    log = -0.5 * (np.log(2 * np.pi * variance) + effect**2 / variance).sum(1)
    log += 0.5 * (mean**2 * precision - np.log(precision)) + density.logpdf(tau) + u
    share = np.exp(log - log.max())
    total = np.trapezoid(share, u)
    share = share / share.sum()
    centre = share @ mean
    spread = np.sqrt(share @ (1 / precision + (mean - centre) ** 2))
    return log.max() + np.log(total), centre, spread, share @ tau


@pytest.mark.parametrize("name", PRIORS)
def test_each_row_left_out_is_the_integral_without_it(name):
    tau, density = PRIORS[name]
    many = batch(tau, mask=~np.eye(COUNT, dtype=bool))
    assert few_missing(many)
    found = settle(many, 1e-8)
    frame = rows()
    for place in (0, 3, 4, 77):
        kept = frame.drop(index=place)
        wanted = integrated(kept["effect"].to_numpy(), kept["se"].to_numpy(), density)
        weight, mean = found.weight[place], found.mean[place, :, 0]
        centre = weight @ mean
        spread = np.sqrt(weight @ (found.covariance[place, :, 0, 0] + (mean - centre) ** 2))
        got = found.log_evidence[place], centre, spread, weight @ found.tau[place]
        assert got == pytest.approx(wanted, abs=1e-8)


def test_problems_that_lack_nothing_or_several_rows_are_served_too():
    mask = np.ones((MANY, COUNT), dtype=bool)
    mask[1, :5] = False
    mask[2, ::3] = False
    tau, density = PRIORS["half-normal"]
    found = settle(batch(tau, mask=mask), 1e-8)
    frame = rows()
    for place in range(4):
        kept = frame[mask[place]]
        wanted = integrated(kept["effect"].to_numpy(), kept["se"].to_numpy(), density)
        assert found.log_evidence[place] == pytest.approx(wanted[0], abs=1e-8)
        assert found.weight[place] @ found.mean[place, :, 0] == pytest.approx(wanted[1], abs=1e-8)


def test_what_subtraction_would_not_leave_its_digits_is_summed_anew():
    tau, _ = PRIORS["half-normal"]
    each = ~np.eye(COUNT, dtype=bool)
    se = rows()["se"].to_numpy().copy()
    se[4] = 1e-6
    assert not few_missing(batch(tau, mask=each, se=se))
    effect = rows()["effect"].to_numpy().copy()
    effect[3] = 1e4
    assert not few_missing(batch(tau, mask=each, effect=effect))
    assert not few_missing(batch(tau, mask=np.eye(COUNT, dtype=bool)))
    assert not few_missing(batch(tau, mask=each[: MANY - 1]))
    assert not few_missing(batch(tau, mask=each, power=np.asarray(0.5)))
