"""Without rows a posterior is its prior: means, moderators, SDs and a new setting, each in closed form."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import halfnorm, norm

import bayesrtw as brw
from bayesrtw.engine import solve

SHARES = np.array([0.025, 0.25, 0.5, 0.9, 0.975])


@pytest.fixture(scope="module")
def nothing():
    frame = pd.DataFrame({
        "study": list("ABCD"), "effect": [0.3, -0.2, 0.1, 0.6], "se": [0.1, 0.2, 0.15, 0.3],
        "dose": [0.0, 1.0, 2.0, 3.0],
    })  # fmt: skip
    terms = (
        brw.Intercept(brw.prior.Normal(0.2, 0.5)),
        brw.Linear("dose", brw.prior.Normal(-0.1, 0.3)),
        brw.Exchangeable(brw.prior.HalfNormal(0.4)),
    )
    evidence = brw.Evidence.from_frame(frame, benefit="higher")
    [found] = solve(brw.Model(terms=terms), evidence).without([np.ones(4, dtype=bool)])
    return found.posterior


@pytest.mark.parametrize(
    ("name", "prior"), [("mu", norm(0.2, 0.5)), ("beta[dose]", norm(-0.1, 0.3))]
)
def test_coefficients_are_their_priors(nothing, name, prior):
    assert nothing.effects[name].quantile(SHARES) == pytest.approx(prior.ppf(SHARES), abs=1e-7)


def test_the_heterogeneity_is_its_prior(nothing):
    assert nothing.hyper["tau"].quantile(SHARES) == pytest.approx(
        halfnorm(scale=0.4).ppf(SHARES), abs=1e-6
    )


def test_a_new_setting_is_the_prior_predictive(nothing):
    for at in (-0.5, 0.2, 1.3):
        wanted, _ = quad(
            lambda tau, at=at: halfnorm(scale=0.4).pdf(tau) * norm(0.2, np.hypot(0.5, tau)).cdf(at),
            0, 6, epsabs=1e-11,
        )  # fmt: skip
        assert nothing.new.beyond(at, above=False) == pytest.approx(wanted, abs=1e-7)


def test_nothing_is_learned(nothing):
    assert nothing.log_evidence == pytest.approx(0.0, abs=1e-8)
