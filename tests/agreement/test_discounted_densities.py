"""What a sampler sees of rows that keep a share of their information, against densities written here."""

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
from numpy.testing import assert_allclose
from scipy.stats import norm

import bayesrtw as brw
from bayesrtw.model.bias import discounted

EFFECT = np.array([0.72, 0.41, 0.05, 0.65, 0.10])
SE = np.array([0.35, 0.15, 0.08, 0.30, 0.20])
PEOPLE = np.array([40.0, 150.0, 500.0, 60.0, 120.0])
SHARE = np.array([1.0, 0.5, 1.0, 0.25, 0.5])
THETA = np.array([0.3, 0.2, 0.1, 0.5, -0.1])


def rows(**columns):
    frame = pd.DataFrame(
        {
            "study": list("ABCDE"),
            "effect": EFFECT,
            "se": SE,
            "n_t": PEOPLE,
            "n_c": PEOPLE,
            **columns,
        }
    )
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


def seen(likelihood, evidence):
    """Log densities in the graph at given effects."""
    with pm.Model() as model:
        likelihood.pymc(pt.as_tensor(THETA), discounted(evidence, SHARE))
    value = model.observed_RVs[0]
    return pm.logp(value, model.rvs_to_values[value]).eval(mode="FAST_COMPILE")


def test_copas_widens_errors_and_keeps_what_was_seen():
    slope = (norm.ppf(0.99) - norm.ppf(0.3)) / (1.0 / SE.min() - 1.0 / SE.max())
    u = norm.ppf(0.3) + slope * (1.0 / SE - 1.0 / SE.max())
    wide = SE / np.sqrt(SHARE)
    e = (EFFECT - THETA) / wide
    wanted = norm.logpdf(EFFECT, THETA, wide) - norm.logcdf(u)
    wanted += norm.logcdf((u + 0.8 * e) / 0.6)
    assert_allclose(seen(brw.likelihood.Copas(small=0.3, rho=0.8), rows()), wanted, rtol=1e-7)


def test_errors_that_nobody_reports_are_told_by_those_that_were_reported():
    """Widened errors of other rows told them, and a silent row kept all of its information."""
    se = np.where(np.arange(5) == 1, np.nan, SE)
    told = brw.likelihood.UnknownErrors(mean=0.1, sd=0.3)
    found = seen(told, rows(se=se))
    wide = SE / np.sqrt(SHARE)
    wanted = norm.logpdf(EFFECT, THETA, wide)
    # information n / 4.
    x = np.linspace(-9.0, 9.0, 4001)
    own = np.exp(0.1 + 0.3 * x) * np.sqrt(4.0 / (2.0 * PEOPLE[1])) / np.sqrt(SHARE[1])
    wanted[1] = np.log(np.trapezoid(norm.pdf(x) * norm.pdf(EFFECT[1], THETA[1], own), x))
    assert_allclose(found, wanted, rtol=1e-6)


def test_hazard_ratios_keep_their_share_once():
    """A row that reports a hazard ratio was discounted twice."""
    wide = SE / np.sqrt(SHARE)
    wanted = norm.logpdf(EFFECT, THETA, wide)
    found = seen(brw.likelihood.ReturnToWork(), rows())
    at_peak = norm.logpdf(0.0, 0.0, wide)
    assert_allclose(found, wanted - at_peak, atol=1e-6)
