"""Two spreads with heavy tails: posteriors a hundred times as long as they are wide, by a brute force."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

import bayesrtw as brw
from bayesrtw.model.reference_prior import InverseSquareRoot

EFFECT = np.array([0.3, -0.1, 0.2, 0.6, 0.0])
SE = np.array([0.2, 0.1, 0.3, 0.2, 0.2])


@pytest.fixture(scope="module")
def fitted():
    """One estimate a study: only the sum of the two variances is told, so that both spreads are alike."""
    frame = pd.DataFrame({"study": list("ABCDE"), "effect": EFFECT, "se": SE})
    frame["estimate"] = [f"{name}1" for name in frame["study"]]
    model = brw.Model(
        terms=(
            brw.Intercept(brw.prior.Flat()),
            brw.Exchangeable(InverseSquareRoot(), by="study", name="tau_study"),
            brw.Exchangeable(InverseSquareRoot(), name="tau"),
        )
    )
    return brw.fit(model, brw.Evidence.from_frame(frame, measure="mean_difference"))


@pytest.fixture(scope="module")
def far(fitted):
    return brw.summarise(fitted, ci_prob=0.999)


def log_mass(below):
    """Log of the posterior mass where the second spread is below a value: trapezoids by panels of a rule."""
    first = np.linspace(np.log(1e-18), np.log(1e7), 601)
    ends = np.linspace(np.log(1e-18), np.log(below), 81)
    x, w = np.polynomial.legendre.leggauss(6)
    half = 0.5 * np.diff(ends)[:, None]
    second, weight = (ends[:-1, None] + half * (x + 1)).ravel(), (half * w).ravel()
    found = []
    for u in first:
        variance = np.exp(2 * u) + np.exp(2 * second)[:, None] + SE**2
        share = 1.0 / variance
        total = share.sum(axis=1)
        mean = (share * EFFECT).sum(axis=1) / total
        log = -0.5 * np.log(variance).sum(axis=1) - 0.5 * np.log(total)
        log -= 0.5 * (share * (EFFECT - mean[:, None]) ** 2).sum(axis=1)
        # The prior of each is its value to the power -1/2, and the measure is that of its log.
        found.append(logsumexp(log + 0.5 * second + np.log(weight)) + 0.5 * u)
    return logsumexp(found)


@pytest.mark.parametrize("column", ["lower", "median", "upper"])
def test_both_have_the_same_quantiles(far, column):
    assert far.loc["tau", column] == pytest.approx(far.loc["tau_study", column], rel=1e-5)


def test_quantiles_of_the_second_by_a_lattice(fitted):
    whole = log_mass(1e7)
    found = brw.summarise(fitted).loc["tau"]
    for place, column in ((0.025, "lower"), (0.975, "upper")):
        below = np.exp(log_mass(found[column]) - whole)
        tail = min(place, 1 - place)
        assert below == pytest.approx(place, abs=1e-4 * tail)
