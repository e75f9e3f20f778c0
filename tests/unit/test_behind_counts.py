"""Effects behind single arms of counts, where there are many coefficients, against lattices."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import CubicSpline
from scipy.stats import binom, halfnorm

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.model.arm_effects import Arms
from bayesrtw.model.components import Components
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.single import BinomialSingle

#: Arms with their events and people: two components, each against nothing.
STUDIES = [
    (("none", 26, 130), ("a", 61, 143)),
    (("none", 9, 166), ("b", 41, 160)),
]
BASELINE = 1.5
NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
TAUS = 0.5 * (NODES + 1.0)
THETA = np.linspace(-6.0, 3.0, 601)


class Lattice(NamedTuple):
    """Posterior of the SD on `TAUS`, and of the effect of each arm given each on `THETA`."""

    weight: np.ndarray
    arms: np.ndarray


@pytest.fixture(scope="module")
def lattice() -> Lattice:
    """Sum over baselines, components and effects of arms: studies go together through the SD alone."""
    apart = THETA[:, None] - THETA
    pairs = np.stack(np.broadcast_arrays(THETA[:, None], THETA), axis=-1)
    log = halfnorm.logpdf(TAUS, scale=0.2) + np.log(WEIGHTS)
    arms = np.empty((len(TAUS), 2 * len(STUDIES), len(THETA)))
    for node, tau in enumerate(TAUS):
        own = np.exp(-((apart / tau) ** 2))
        own /= own.sum(axis=1, keepdims=True)
        for place, each in enumerate(STUDIES):
            seen = [binom.pmf(r, n, 1.0 / (1.0 + np.exp(-THETA))) for _, r, n in each]
            first, second = (own @ one for one in seen)
            spread = BASELINE**2 + np.diag([float(arm != "none") for arm, *_ in each])
            ahead = np.exp(-0.5 * np.sum(pairs @ np.linalg.inv(spread) * pairs, axis=-1))
            joint = ahead * first[:, None] * second
            log[node] += np.log(joint.sum())
            means = joint.sum(axis=1) / first, joint.sum(axis=0) / second
            for side in (0, 1):
                found = seen[side] * (means[side] @ own)
                arms[node, 2 * place + side] = found / found.sum()
    weight = np.exp(log - log.max())
    return Lattice(weight / weight.sum(), arms)


def test_effects_behind_arms_of_counts_are_those_of_a_lattice(lattice: Lattice) -> None:
    rows = [(f"s{place}", *arm) for place, both in enumerate(STUDIES) for arm in both]
    frame = pd.DataFrame(rows, columns=["study", "arm", "events", "n"])
    terms = (
        Components(Normal(0, 1.0), arm="arm", none=("none",)),
        Arms(HalfNormal(0.2), baseline=Normal(0, BASELINE)),
    )
    model = brw.Model(terms=terms, likelihood=BinomialSingle())
    fit = solve(model, brw.Evidence.from_arms(frame))
    assert fit.fine.seen.b.shape[2] == 2
    found = fit.effect_of(np.ones(len(rows), dtype=bool))
    step = THETA[1] - THETA[0]
    for place, each in enumerate(found):
        density = lattice.weight @ lattice.arms[:, place]
        mean = density @ THETA
        sd = np.sqrt(density @ (THETA - mean) ** 2)
        assert each.moments() == pytest.approx((mean, sd), abs=2e-4 * sd)
        below = CubicSpline(THETA + 0.5 * step, np.cumsum(density))
        levels = np.array([0.025, 0.1, 0.5, 0.9, 0.975])
        assert below(each.quantile(levels)) == pytest.approx(levels, abs=1e-4)


@pytest.mark.slow
def test_a_counted_network_without_a_study_or_an_arm_is_a_fit_of_the_rest() -> None:
    rows = [
        *(("s1", "none", 30, 130), ("s1", "a", 61, 143), ("s1", "b", 50, 140)),
        *(("s2", "none", 39, 166), ("s2", "b", 61, 160)),
        *(("s3", "a", 55, 120), ("s3", "c", 70, 125)),
        *(("s4", "none", 25, 110), ("s4", "c", 52, 118)),
        *(("s5", "b", 44, 100), ("s5", "c", 40, 96)),
    ]
    evidence = brw.Evidence.from_arms(
        pd.DataFrame(rows, columns=["study", "arm", "events", "n"]), benefit="higher"
    )
    terms = (
        Components(Normal(0, 1.0), arm="arm", none=("none",)),
        Arms(HalfNormal(0.3), baseline=Normal(0, BASELINE)),
    )
    model = brw.Model(terms=terms, likelihood=BinomialSingle())
    whole = solve(model, evidence)
    study, arm = (evidence.data[name].to_numpy().astype(str) for name in ("study", "arm"))
    # Groups that go, a group that loses one of its rows, and both.
    masks = [study == "s2", (study == "s1") & (arm == "b"), (study == "s5") | (arm == "a")]
    for mask, near in zip(masks, whole.without(masks), strict=True):
        assert near is not None
        rest = solve(model, evidence.rows(~mask))
        for name in ("b", "c"):
            key = f"beta[component[{name}]]"
            found, fresh = (each.posterior.effects[key].moments() for each in (near, rest))
            assert found == pytest.approx(fresh, abs=1e-5)
