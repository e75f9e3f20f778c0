"""Standard errors down to 1e-12 of the scale, against a trapezoid in log(tau) written here.

The trapezoid has 20,000 points and is right to 1e-10; near an error of 1e-12 the data themselves carry
some five digits of variance, so that 1e-8 is asked of the engine. At 1e-13 it refuses in one sentence.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import halfnorm

import bayesrtw as brw

EFFECTS = np.array([0.1, 0.0])


def fitted(least, prior_sd=0.5):
    frame = pd.DataFrame({"study": ["A", "B"], "effect": EFFECTS, "se": [0.1, least]})
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    terms = (
        brw.Intercept(brw.prior.Normal(0, prior_sd)),
        brw.Exchangeable(brw.prior.HalfNormal(0.25)),
    )
    return brw.summarise(brw.fit(brw.Model(terms=terms), evidence))


def brute(least, prior_sd=0.5):
    """Mean and SD of mu and mean of tau, mu integrated by hand given tau."""
    place = np.linspace(np.log(1e-16), np.log(6.0), 20_001)
    tau = np.exp(place)
    weights = 1 / (tau[:, None] ** 2 + np.array([0.1, least]) ** 2)
    precision = prior_sd**-2 + weights.sum(1)
    mean = weights @ EFFECTS / precision
    rest = weights @ EFFECTS**2 - precision * mean**2
    log = 0.5 * np.log(weights).sum(1) - 0.5 * np.log(precision) - 0.5 * rest
    log += halfnorm.logpdf(tau, scale=0.25) + place
    density = np.exp(log - log.max())
    density /= np.trapezoid(density, place)
    first = np.trapezoid(density * mean, place)
    second = np.trapezoid(density * (1 / precision + mean**2), place)
    return first, np.sqrt(second - first**2), np.trapezoid(density * tau, place)


@pytest.mark.parametrize("prior_sd", [0.5, 0.2, 0.05])
@pytest.mark.parametrize("least", [1e-8, 1e-12])
def test_an_estimate_that_is_all_but_known_is_pooled_rightly(least, prior_sd):
    table = fitted(least, prior_sd)
    found = [table.loc["mu", "mean"], table.loc["mu", "sd"], table.loc["tau", "mean"]]
    assert_allclose(found, brute(least, prior_sd), rtol=1e-8)
