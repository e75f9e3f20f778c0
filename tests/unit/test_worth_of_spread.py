"""What it is worth to know one of several SDs, against a grid over both of them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.decision.cost_stakes import Amount, Option, Stakes
from bayesrtw.decision.voi import SD, SPREAD, value_of_knowing
from bayesrtw.engine import solve

FRAME = pd.DataFrame(
    {
        "study": list("aabbccd"),
        "estimate": [f"e{place}" for place in range(7)],
        "effect": [-3.0, -9.0, 6.0, 2.0, -16.0, -14.0, -1.0],
        "se": [2.0, 3.0, 4.0, 3.0, 5.0, 4.0, 2.0],
    }
)
BETWEEN, WITHIN, MU = 6.0, 3.0, 10.0
MODEL = brw.Model(
    terms=(
        brw.Intercept(brw.prior.Normal(0, MU)),
        brw.Exchangeable(brw.prior.HalfNormal(BETWEEN), by="study", name="tau_study"),
        brw.Exchangeable(brw.prior.HalfNormal(WITHIN)),
    )
)


def rows():
    return brw.Evidence.from_frame(FRAME, measure="mean_difference", benefit="lower", unit="days")


def stakes(cost):
    return Stakes(
        currency="EUR",
        source="a test",
        day=Amount(mean=100.0),
        option=(Option(name="programme", cost=Amount(mean=cost)),),
    )


def grid():
    """Give probabilities of both SDs, (study, within), and the mean days regained at each."""
    first, second = (np.arange(400) + 0.5) * 0.1, (np.arange(200) + 0.5) * 0.08
    y, se = FRAME["effect"].to_numpy(), FRAME["se"].to_numpy()
    same = FRAME["study"].to_numpy()[:, None] == FRAME["study"].to_numpy()
    log, mean = np.empty((400, 200)), np.empty((400, 200))
    for place, between in enumerate(first):
        own = (se**2 + second[:, None] ** 2)[..., None] * np.eye(7) + between**2 * same
        inverse = np.linalg.inv(own)
        precision = inverse.sum(axis=(1, 2)) + MU**-2
        middle = inverse.sum(axis=1) @ y / precision
        mean[place] = -middle
        whole = np.einsum("i,wij,j->w", y, inverse, y) - middle**2 * precision
        log[place] = -0.5 * (np.linalg.slogdet(own)[1] + np.log(precision) + whole)
        log[place] += stats.norm.logpdf(between, 0, BETWEEN) + stats.norm.logpdf(second, 0, WITHIN)
    share = np.exp(log - log.max())
    return share / share.sum(), mean


def test_one_sd_is_worth_what_a_grid_over_both_says():
    """Both together are summed over the nodes of the fit, which take a kink to about 1 %."""
    share, mean = grid()
    cost = 100 * float((share * mean).sum())  # both options are worth the same
    found = value_of_knowing(solve(MODEL, rows()), stakes=stakes(cost))["person"]
    for name, axis in (("tau_study", 1), ("tau", 0)):
        each = share.sum(axis=axis)
        net = 100 * (share * mean).sum(axis=axis) / each - cost
        assert found[SD.format(name)] == pytest.approx(
            each @ np.maximum(net, 0), rel=0.01, abs=0.05
        )
    both = float((share * np.maximum(100 * mean - cost, 0)).sum())
    assert found[SPREAD] == pytest.approx(both, rel=0.015)
    assert found[SD.format("tau_study")] > 1.0


def test_the_only_sd_has_one_line():
    one = brw.Model(terms=(MODEL.terms[0], MODEL.terms[2]))
    assert SD.format("tau") not in value_of_knowing(one, rows(), stakes=stakes(500.0)).index
