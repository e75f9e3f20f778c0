"""Small networks of counts against sums over lattices, without code of the package."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import halfnorm, norm

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.model.arm_effects import Arms
from bayesrtw.model.components import Components
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.model.single import BinomialSingle

Row = tuple[str, str, int, int]

#: Step and reach of lattices of effects, of which baselines have half the step, and prior SDs.
STEP, REACH, EFFECT, BASELINE, TAU = 0.25, 8.0, 1.5, 10.0, 1.0


def _log_arm(eta: np.ndarray, events: int, people: int, tau: float) -> np.ndarray:
    z, w = np.polynomial.hermite_e.hermegauss(41)
    x = eta[:, None] + tau / np.sqrt(2) * z
    log = -events * np.logaddexp(0, -x) - (people - events) * np.logaddexp(0, x)
    return np.asarray(logsumexp(log + np.log(w / w.sum()), axis=1))


def _lattice(rows: Sequence[Row], names: Sequence[str]) -> dict[tuple[str, str], tuple[float, ...]]:
    """Mean, SD, ends and median of 95 % intervals, and P(above 0) of every pair, by sums over lattices."""
    count = round(REACH / STEP)
    at = np.arange(-count, count + 1)
    base = np.arange(-round(15 * BASELINE / STEP), round(15 * BASELINE / STEP) + 1)
    most = base[-1] + 2 * count
    eta = np.arange(-most, most + 1) * STEP / 2
    own = names[1:]
    taus = np.linspace(0.0, 6.0 * TAU, 31)
    logs, parts = [], []
    for tau in taus:
        log = np.zeros((len(at),) * len(own))
        for axis in range(len(own)):
            prior = norm.logpdf(at * STEP, scale=EFFECT)
            log = log + prior.reshape([-1 if each == axis else 1 for each in range(len(own))])
        for study in dict.fromkeys(row[0] for row in rows):
            arms = [row[1:] for row in rows if row[0] == study]
            inside = [own.index(arm) for arm, *_ in arms if arm != names[0]]
            each = norm.logpdf(base * STEP / 2, scale=BASELINE)
            each = each.reshape(-1, *(1 for _ in inside))
            for arm, events, people in arms:
                value = _log_arm(eta, events, people, tau)
                if arm == names[0]:
                    each = each + value[base + most].reshape(each.shape[0], *(1 for _ in inside))
                    continue
                shape = [len(at) if own[axis] == arm else 1 for axis in inside]
                moved = value[base[:, None] + 2 * at + most]
                each = each + moved.reshape(len(base), *shape)
            whole = logsumexp(each, axis=0)
            order = np.argsort(inside)
            whole = np.transpose(whole, order)
            log = log + whole.reshape([len(at) if k in inside else 1 for k in range(len(own))])
        density = np.exp(log - log.max())
        logs.append(log.max() + np.log(density.sum()) + halfnorm.logpdf(tau, scale=TAU))
        parts.append(density / density.sum())
    weight = np.exp(np.array(logs) - max(logs)) * np.where(taus > 0, 1.0, 0.5)
    joint = np.einsum("t,t...->...", weight / weight.sum(), np.array(parts))
    found = {}
    for one in range(len(own)):
        for other in range(-1, one):
            rest = tuple(k for k in range(len(own)) if k not in (one, other))
            plane = joint.sum(axis=rest)
            if other < 0:
                x, p = at * STEP, plane
            else:
                # Rows are the other, columns this one.
                shifts = range(-2 * count, 2 * count + 1)
                x, p = np.array(shifts) * STEP, np.array([plane.trace(k) for k in shifts])
            mean = p @ x
            sd = np.sqrt(p @ (x - mean) ** 2)
            # Densities of such width are sums of sines between the points of a lattice.
            fine = np.linspace(mean - 9 * sd, mean + 9 * sd, 7201)
            dense = np.sinc((fine[:, None] - x) / STEP) @ p / STEP
            below = np.append(0.0, np.cumsum(0.5 * (dense[1:] + dense[:-1]) * (fine[1] - fine[0])))
            ends = np.interp([0.025, 0.5, 0.975], below, fine)
            found[own[one], names[1 + other]] = (mean, sd, *ends, 1.0 - np.interp(0.0, fine, below))
    return found


def _solved(rows: Sequence[Row]) -> brw.network.League:
    frame = pd.DataFrame(rows, columns=["study", "arm", "events", "n"])
    evidence = brw.Evidence.from_arms(frame, measure="log_odds_ratio", benefit="higher")
    terms = (
        Components(Normal(0, EFFECT), arm="arm", none=("A",)),
        Arms(HalfNormal(TAU), baseline=Normal(0, BASELINE)),
    )
    whole = solve(brw.Model(terms=terms, likelihood=BinomialSingle()), evidence)
    assert whole.posterior.error < 1e-4
    return brw.network.league(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "sds", "chance"),
    [
        # A triangle with a trial without events: its baseline has a tail of its prior. Given with an error
        # of 2e-11 it was off by 5e-4 SDs, since one rule of the baseline served both rules of effects.
        (
            (
                *(("1", "A", 4, 18), ("1", "B", 6, 15), ("2", "A", 3, 21), ("2", "C", 3, 10)),
                *(("3", "B", 14, 22), ("3", "C", 8, 17), ("4", "A", 0, 16), ("4", "B", 5, 23)),
                *(("5", "A", 2, 22), ("5", "C", 3, 16), ("6", "B", 0, 22), ("6", "C", 0, 12)),
            ),
            1e-5,
            1e-6,
        ),
        # A loop with a trial of three arms.
        (
            (
                *(("1", "A", 2, 24), ("1", "B", 0, 20), ("2", "A", 3, 17), ("2", "C", 4, 11)),
                *(("3", "A", 4, 13), ("3", "B", 7, 13), ("3", "C", 3, 12)),
            ),
            1e-5,
            1e-6,
        ),
    ],
)
def test_networks_of_few_events_are_sums_over_lattices(
    rows: Sequence[Row], sds: float, chance: float
) -> None:
    table = _solved(rows).table
    names = sorted({row[1] for row in rows})
    for pair, (mean, sd, *ends, above) in _lattice(rows, names).items():
        told = table.loc[pair]
        assert (told["mean"] - mean) / sd == pytest.approx(0.0, abs=sds), pair
        assert told["sd"] / sd == pytest.approx(1.0, abs=sds), pair
        apart = (told[["lower", "median", "upper"]].to_numpy() - ends) / sd
        assert apart == pytest.approx(np.zeros(3), abs=sds), pair
        assert told["better"] == pytest.approx(above, abs=chance), pair
