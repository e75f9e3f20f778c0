"""Random effects of metafor on the BCG trials, where likelihood and Bayes are the same formula.

``metafor_random_bcg.json`` holds nine fits. Given tau, the estimate is the inverse-variance mean with
weights 1 / (se^2 + tau^2) in both systems, so each is held against a common effect fitted to standard
errors that contain metafor's tau: estimate, error, interval (``test = z``) and prediction interval, which
are printed to 15 digits (1e-13 relative is allowed, 1e-12 where differences of them are).

REML is what remains of the likelihood when a flat mean is integrated out: the marginal likelihood of our
engine under a flat prior. Its maximum in tau^2 must be metafor's REML estimate, found there by Fisher
scoring to a threshold of 1e-12: at it the slope, from a central difference whose own error is below 1e-8,
is zero. (The maximum-likelihood tau^2 is lower and must have a positive slope.)
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

import bayesrtw as brw

HERE = Path(__file__).parent
STORED = json.loads((HERE / "metafor_random_bcg.json").read_text(encoding="utf-8"))
DATA = json.loads((HERE / "metafor_common_bcg.json").read_text(encoding="utf-8"))["data"]
FITS = {f"{fit['method']}-{fit['test']}": fit for fit in STORED["fits"]}
MODEL = brw.Model(terms=(brw.Intercept(brw.prior.Flat()), brw.Common()))


def given(tau2):
    """Fit one mean to standard errors that hold the heterogeneity."""
    frame = pd.DataFrame(
        {
            "study": DATA["studies"],
            "effect": DATA["effect"],
            "se": np.hypot(DATA["se"], np.sqrt(tau2)),
        }
    )
    return brw.fit(MODEL, brw.Evidence.from_frame(frame), engine=brw.Exact(draws=0))


def test_there_are_three_estimators_with_three_tests():
    assert len(FITS) == 9


@pytest.mark.parametrize("name", FITS)
def test_the_estimate_given_tau_is_metafors(name):
    fit = FITS[name]
    found = brw.summarise(given(fit["tau2"])).loc["mu"]
    assert_allclose(found["mean"], fit["beta"], rtol=1e-13)
    if fit["test"] != "z":
        # Knapp and Hartung widen the error by what is left over; ours is the error of the formula.
        weight = 1 / (np.square(DATA["se"]) + fit["tau2"])
        left = np.sum(weight * (np.asarray(DATA["effect"]) - fit["beta"]) ** 2)
        scale = left / (len(weight) - 1)
        if fit["test"] == "adhoc":
            scale = max(1.0, scale)
        assert_allclose(found["sd"] * np.sqrt(scale), fit["se"], rtol=1e-12)
        return
    assert_allclose(found["sd"], fit["se"], rtol=1e-13)
    assert_allclose(
        found[["lower", "upper"]].astype(float), [fit["ci_lb"], fit["ci_ub"]], rtol=1e-12
    )
    wide = np.sqrt(found["sd"] ** 2 + fit["tau2"])
    ends = norm.ppf([0.025, 0.975], found["mean"], wide)
    assert_allclose(ends, [fit["pi_lb"], fit["pi_ub"]], rtol=1e-12)


def slope(tau2):
    step = 1e-3 * tau2
    high, low = (float(given(tau2 + move)["quadrature"]["log_evidence"]) for move in (step, -step))
    return (high - low) / (2 * step)


def test_the_marginal_likelihood_is_highest_where_reml_says():
    reml, likely = FITS["REML-z"]["tau2"], FITS["ML-z"]["tau2"]
    width = 0.1  # of tau2: a slope away from the maximum, to compare with
    assert slope(reml * (1 - width)) > 0 > slope(reml * (1 + width))
    assert slope(likely) > 0
    assert abs(slope(reml)) < 1e-5 * slope(reml * (1 - width))
