"""Model-averaged Bayes factors that others have printed, from the rows that they print.

The felt-power replications: Gronau et al. (2017), doi:10.1080/23743603.2017.1326760; rows and Bayes factors
of metaBMA 0.6.9 (data ``power_pose``, tests of that name), which integrates too.
Dentine hypersensitivity: Poulsen et al. (2006), rows in RoBMA 3.6 (``Poulsen2006``); Bartos et al. (2021),
doi:10.1002/sim.9170, with the priors for oral health, printed with two decimals.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import t as student

import bayesrtw as brw
from bayesrtw.engine import solve

prior = brw.prior

POWER = (
    [
        0.250764017925,
        0.227517972804,
        0.318606850192,
        0.283208185750,
        0.146394854929,
        0.150977327120,
    ],
    [
        0.207139918036,
        0.193104616308,
        0.142322788100,
        0.142135559911,
        0.141610658617,
        0.122116593014,
    ],
)
UNFAMILIAR = (
    [
        0.047243215771,
        0.177768680937,
        0.354127545328,
        0.233159775180,
        0.166763772619,
        0.024600639346,
    ],
    [
        0.244400186455,
        0.211442603843,
        0.161587681439,
        0.149219636432,
        0.150611831365,
        0.170275627620,
    ],
)
DENTINE = (
    [0.9073050, 0.7207589, 1.3305829, 1.7688872, 1.3286828],
    [0.2720456, 0.1977769, 0.2721648, 0.2656483, 0.3582617],
)
DEFAULT, INFORMED = (1, 0.0, 2**-0.5), (3, 0.34999, 0.1021)


def four(data, mu, tau):
    """Models with and without a mean effect and heterogeneity, and their rows."""
    effect, se = data
    frame = pd.DataFrame({"study": [f"S{i}" for i in range(len(se))], "effect": effect, "se": se})
    means, spreads = {0: (), 1: (brw.Intercept(mu),)}, {0: brw.Common(), 1: brw.Exchangeable(tau)}
    models = {
        f"{mean}{spread}": brw.Model(terms=(*means[mean], spreads[spread]))
        for mean in means
        for spread in spreads
    }
    return models, brw.Evidence.from_frame(frame, benefit="higher")


@pytest.mark.parametrize(
    ("data", "mu", "printed"),
    [
        (POWER, DEFAULT, (89.570, 9.374, 33.136)),
        (POWER, INFORMED, (191.751, 20.689, 71.373)),
        (UNFAMILIAR, DEFAULT, (4.449, 1.640, 3.139)),
        (UNFAMILIAR, INFORMED, (6.846, 2.603, 4.868)),
    ],
)
def test_felt_power(data, mu, printed):
    df, mean, scale = mu
    models, evidence = four(data, prior.StudentT(df, mean, scale), prior.InverseGamma(1.0, 0.15))
    fits = {name: solve(model, evidence).posterior for name, model in models.items()}
    size = {name: fit.log_evidence for name, fit in fits.items()}
    for name in ("10", "11"):
        # Theirs is cut off at zero: the evidence is that share of ours over the share of the prior.
        above = fits[name].pooled.beyond(0.0, above=True) / student.sf(0.0, df, mean, scale)
        size[name] += np.log(above)
    each = {name: np.exp(value) for name, value in size.items()}
    found = (
        each["10"] / each["00"],
        each["11"] / each["01"],
        (each["10"] + each["11"]) / (each["00"] + each["01"]),
    )
    assert_allclose(found, printed, atol=6e-4)


def test_dentine_hypersensitivity():
    models, evidence = four(DENTINE, prior.StudentT(5, 0.0, 0.51), prior.InverseGamma(1.79, 0.28))
    found = brw.compare(models, evidence).inclusion["bayes_factor"]
    assert_allclose(found[["mu", "tau"]], (218.53, 3.52), atol=6e-3)
