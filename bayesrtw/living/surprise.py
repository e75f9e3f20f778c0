"""How surprising new results are under what was known before them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import kolmogorov, ndtr, ndtri

from bayesrtw.dims import ESTIMATE
from bayesrtw.engine.exact import Exact
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import Model

#: A new result gets a standard error this many times the largest, so that it tells the fit nothing:
#: its weight is 1e-12 of the least precise result's.
BLIND = 1e6

#: Results from which drift is looked for; below, the test has no power worth a flag.
LEAST_PIT = 8

#: Probability below which the run of new results is called drift.
DRIFT = 0.01


def surprise(
    model: Model,
    evidence: Evidence,
    new: NDArray[np.bool_],
    tree: Callable[[], xr.DataTree] | None = None,
) -> list[dict[str, Any]]:
    """Hold new results against their predictive distribution given the other rows.

    The predictive distribution of a result is a mixture of normals over the nodes: the effect behind
    it, known from the other rows, the moderators and the groups that it shares with them, plus its own
    sampling error. It is found by fitting all rows with the new ones made uninformative, each new
    result by itself knowing nothing of the others.
    """
    rows = np.flatnonzero(new)
    if not len(rows) or new.all():
        return []
    effect, se = (evidence.data[name].to_numpy().astype(float) for name in ("effect", "se"))
    engine = Exact(draws=0)
    blind = _blinded(evidence, new, se)
    if engine.refuses(model, blind) is None:
        source = engine.fit(model, blind, seed=0)["quadrature"].to_dataset()
        weight = source["weight"].to_numpy()
        means, sds = source["theta_mean"].to_numpy(), source["theta_sd"].to_numpy()
        mixtures = [(weight, means[:, row], np.hypot(sds[:, row], se[row])) for row in rows]
    elif tree is not None and "theta_new" in (drawn_tree := tree())["posterior"]:
        drawn = drawn_tree["posterior"]["theta_new"].to_numpy().reshape(-1)
        share = np.full(len(drawn), 1.0 / len(drawn))
        mixtures = [(share, drawn, np.full(len(drawn), se[row])) for row in rows]
    else:
        return []
    labels = evidence.data[ESTIMATE].to_numpy()
    studies = evidence.data["study"].to_numpy()
    return [
        {
            "row": str(labels[row]),
            "study": str(studies[row]),
            "effect": float(effect[row]),
            "se": float(se[row]),
            **tail(float(effect[row]), *parts),
        }
        for row, parts in zip(rows, mixtures, strict=True)
    ]


def tail(
    value: float, weight: NDArray[np.float64], mean: NDArray[np.float64], sd: NDArray[np.float64]
) -> dict[str, float]:
    """Hold a value against a mixture of normals."""
    z = (value - mean) / sd
    below, above = float(weight @ ndtr(z)), float(weight @ ndtr(-z))
    centre = float(weight @ mean)
    spread = math.sqrt(float(weight @ (sd**2 + (mean - centre) ** 2)))
    log = np.log(weight[weight > 0]) - 0.5 * z[weight > 0] ** 2 - np.log(sd[weight > 0])
    peak = float(np.max(log))
    score = peak + math.log(float(np.sum(np.exp(log - peak)))) - 0.5 * math.log(2.0 * math.pi)
    smaller = min(below, above)
    return {
        "expected": centre,
        "sd": spread,
        "z": float(ndtri(min(max(below, 1e-300), 1.0 - 1e-16)))
        if below < 0.5
        else -float(ndtri(max(above, 1e-300))),
        "pit": below,
        "tail": min(1.0, 2.0 * smaller),
        "log_score": score,
    }


def _blinded(evidence: Evidence, new: NDArray[np.bool_], se: NDArray[np.float64]) -> Evidence:
    """Make the new rows uninformative; correlations of sampling errors with them are cut."""
    blind = np.where(new, BLIND * float(np.max(se)), se)
    dependence = tuple(block for block in evidence.dependence if not np.any(new[block.rows]))
    cut = []
    for block in evidence.dependence:
        stays = ~new[block.rows]
        if np.any(new[block.rows]) and stays.sum() > 1:
            cut.append(
                replace(
                    block,
                    rows=block.rows[stays],
                    covariance=block.covariance[np.ix_(stays, stays)],
                )
            )
    data = evidence.data.assign(se=(ESTIMATE, blind))
    return replace(evidence, data=data, dependence=(*dependence, *cut))


def drift(pits: Sequence[float]) -> dict[str, Any] | None:
    """Test whether new results keep falling where they were predicted."""
    count = len(pits)
    if count < LEAST_PIT:
        return None
    ordered = np.sort(np.asarray(pits, dtype=np.float64))
    steps = np.arange(1, count + 1) / count
    distance = float(max(np.max(steps - ordered), np.max(ordered - steps + 1.0 / count)))
    root = math.sqrt(count)
    chance = float(kolmogorov(distance * (root + 0.12 + 0.11 / root)))
    return {"results": count, "distance": distance, "p": chance, "drift": chance < DRIFT}
