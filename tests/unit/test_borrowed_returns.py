"""Studies of any likelihood as a robust MAP prior of others: both stages on lattices."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.model.bias import Studies
from bayesrtw.model.borrow import RobustMap
from bayesrtw.model.return_to_work import ReturnToWork

ROWS = pd.DataFrame([
    {"study": "C1", "design": "cohort", "hazard_ratio": 0.9, "ci_low": 0.7, "ci_high": 1.2},
    {"study": "C2", "design": "cohort", "events_t": 20, "n_t": 60, "events_c": 9, "n_c": 50, "at": 182},
    {"study": "C3", "design": "cohort", "events_t": 50, "n_t": 60, "events_c": 48, "n_c": 50, "at": 365},
    {"study": "T1", "design": "rct", "hazard_ratio": 1.4, "ci_low": 1.0, "ci_high": 2.0},
    {"study": "T2", "design": "rct", "median_t": 60, "median_c": 90, "n_t": 40, "n_c": 40},
])  # fmt: skip
WEIGHT, MEAN, TAU = 0.3, (0.0, 0.5), 0.25
#: Effects, means and SDs of the lattice.
THETA, MU = np.linspace(-5.0, 5.0, 1001), np.linspace(-2.5, 2.5, 251)
SD = np.linspace(0.0, 1.5, 61)[1:] - 0.0125


def pooled(units, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Densities of the mean and of the effect in a new setting, and so from a prior at `MU`."""
    likelihood = np.exp([each.log(THETA) - each.log(THETA).max() for each in units])
    joint = np.empty((len(SD), len(MU)))
    new = np.zeros(len(THETA))
    for place, sd in enumerate(SD):
        kernel = stats.norm.pdf(THETA, MU[:, None], sd)
        kernel /= kernel.sum(axis=1, keepdims=True)
        joint[place] = (
            prior * stats.halfnorm.pdf(sd, scale=TAU) * np.prod(kernel @ likelihood.T, axis=1)
        )
        new += joint[place] @ kernel
    return joint.sum(axis=0) / joint.sum(), new / new.sum()


def test_returns_of_cohorts_are_a_robust_prior_of_those_of_trials() -> None:
    evidence, likelihood = brw.Evidence.from_returns(ROWS), ReturnToWork()
    wide, spread = brw.prior.Normal(*MEAN), brw.prior.HalfNormal(TAU)
    term = RobustMap(Studies(("cohort",)), prior=wide, tau=spread, robust=wide, weight=WEIGHT)
    model = brw.Model(terms=(term, brw.Exchangeable(spread)), likelihood=likelihood)
    units = likelihood.observe(evidence).units
    vague = stats.norm.pdf(MU, *MEAN)
    predicted = np.interp(MU, THETA, pooled(units[:3], vague)[1]) / (THETA[1] - THETA[0])
    found, _ = pooled(units[3:], (1.0 - WEIGHT) * predicted + WEIGHT * vague)
    mean = float(found @ MU)
    sd = float(np.sqrt(found @ (MU - mean) ** 2))
    exact = solve(model, evidence).posterior.pooled
    assert exact.centre == pytest.approx(mean, abs=1e-4)
    assert exact.spread == pytest.approx(sd, abs=1e-4)
    tree = brw.fit(model, evidence, engine=brw.Exact(draws=0))
    vaguely = WEIGHT * vague / ((1.0 - WEIGHT) * predicted + WEIGHT * vague)
    parts = tree["quadrature"].dataset["prior_part"].to_numpy()
    assert parts.sum() == pytest.approx(1.0, abs=1e-9)
    assert parts[-1] == pytest.approx(float(found @ vaguely), abs=1e-4)
    row = brw.summarise(tree).loc["mu"]
    assert row["mean"] == pytest.approx(exact.centre, abs=1e-7)
    assert row["lower"] == pytest.approx(float(exact.quantile(0.025)), abs=1e-6)
