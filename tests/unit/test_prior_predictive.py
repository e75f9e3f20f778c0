"""Prior predictive intervals against mixtures over tau that are summed here, with nothing of the package.

The prior predictive of an estimate is a mixture of normals over tau (half-normal) and over the parts of
the prior of mu: N(m, s^2 + tau^2 + se^2). Its quantiles are roots of a sum of `ndtr`; t priors are summed by
Gauss-Legendre over its scale mixture. Both agree with 4 million draws to their error.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import brentq
from scipy.special import ndtr

import bayesrtw as brw
from bayesrtw.model.mixture_prior import NormalMixture, StudentT

Y = np.array([0.1, 0.2, -0.05, 0.5, 0.6])
SE = np.array([0.1, 0.15, 0.2, 0.1, 0.12])
TAU = 0.05


def quantiles(weight, mean, sd):
    """The 2.5 and 97.5 % quantiles of a mixture of normals with tau, of SE 0.1, added."""
    x, w = np.polynomial.legendre.leggauss(200)
    tau = 0.5 * 9 * TAU * (x + 1)
    share = w * stats.halfnorm.pdf(tau, scale=TAU)
    share = np.outer(share / share.sum(), weight)
    spread = np.sqrt(tau[:, None] ** 2 + sd**2 + SE[0] ** 2)
    return [
        brentq(lambda q, p=p: np.sum(share * ndtr((q - mean) / spread)) - p, -50, 50, xtol=1e-12)
        for p in (0.025, 0.975)
    ]


def t_parts(df, scale):
    """Student's t as normals: 1 / variance is gamma; quantile midpoints in 400 panels of log precision."""
    x, w = np.polynomial.legendre.leggauss(400)
    u = np.log(stats.gamma.ppf([1e-16, 1 - 1e-15], df / 2, scale=2 / df))
    log = u[0] + 0.5 * (u[1] - u[0]) * (x + 1)
    weight = w * stats.gamma.pdf(np.exp(log), df / 2, scale=2 / df) * np.exp(log)
    return weight / weight.sum(), np.zeros(400), scale * np.exp(-0.5 * log)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize(
    ("prior", "parts"),
    [
        pytest.param(
            brw.prior.Normal(0, 0.5), (np.ones(1), np.zeros(1), np.array([0.5])), id="normal"
        ),
        *(
            pytest.param(
                prior,
                parts,
                id=name,
            )
            for name, prior, parts in (
                (
                    "mixture",
                    NormalMixture((0.5, 0.5), (0.3, 0.0), (0.001, 0.05)),
                    (np.array([0.5, 0.5]), np.array([0.3, 0.0]), np.array([0.001, 0.05])),
                ),
                ("t", StudentT(4, 0, 0.13), t_parts(4, 0.13)),
                ("narrow t", StudentT(2, 0, 0.02), t_parts(2, 0.02)),
            )
        ),
    ],
)
def test_the_prior_predictive_is_that_of_the_priors(prior, parts, count):
    frame = pd.DataFrame({"study": list("ABCDE"), "effect": Y, "se": SE}).iloc[:count]
    rows = brw.Evidence.from_frame(frame, measure="log_hazard_ratio")
    model = brw.Model(terms=(brw.Intercept(prior), brw.Exchangeable(brw.prior.HalfNormal(TAU))))
    found = brw.predictive_check(model, rows).iloc[0]
    wanted = quantiles(*parts)
    assert [found["prior_lower"], found["prior_upper"]] == pytest.approx(wanted, abs=1e-6)
