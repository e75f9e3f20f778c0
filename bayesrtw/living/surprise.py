"""How surprising new results are under what was known before them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import kolmogorov, ndtri

from bayesrtw.dims import ESTIMATE
from bayesrtw.engine import solve
from bayesrtw.errors import EngineRefusal
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import Model
from bayesrtw.model.term import given
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.pieces import Outcomes, Pieces

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

    What a result would report: the effect behind it, known from the other rows, the moderators and the groups
    that it shares with them, with its bias, discount and design effect and its own sampling error. Each new
    result by itself knows nothing of the others. `tree` gives a fit of the old rows where the model has no
    neighbours; a sampled new setting then serves where the model says nothing of biases.
    """
    rows = np.flatnonzero(new)
    if not len(rows) or new.all():
        return []
    effect, se = (evidence.data[name].to_numpy().astype(float) for name in ("effect", "se"))
    try:
        [before] = solve(model, evidence).without([new])
    except EngineRefusal:
        expected: Sequence[Kernels | Pieces | Outcomes] = _sampled(model, evidence, se[rows], tree)
    else:
        expected = [] if before is None else before.expected(new)
    labels = evidence.data[ESTIMATE].to_numpy()
    studies = evidence.data["study"].to_numpy()
    return [
        {
            "row": str(labels[row]),
            "study": str(studies[row]),
            "effect": float(effect[row]),
            "se": float(se[row]),
            **tail(float(effect[row]), own),
        }
        for row, own in zip(rows, expected, strict=bool(expected))
    ]


def _sampled(
    model: Model,
    evidence: Evidence,
    se: NDArray[np.float64],
    tree: Callable[[], xr.DataTree] | None,
) -> list[Kernels]:
    """Predict from draws of a new setting; nothing where biases or clusters stand between it and a report."""
    bare = model.likelihood.clustering is None and model.selection is None
    biased = any(term.facts.trust or given(term, evidence).noise for term in model.terms)
    if tree is None or not bare or biased:
        return []
    posterior = tree()["posterior"]
    if model.new not in posterior:
        return []
    drawn = posterior[model.new].to_numpy().reshape(-1)
    share = np.full(len(drawn), 1.0 / len(drawn))
    return [Kernels(share, drawn, np.full(len(drawn), own)) for own in se]


def tail(value: float, own: Kernels | Pieces | Outcomes) -> dict[str, float]:
    """Hold a value against its predictive distribution; both tails are summed by themselves."""
    below, above = float(own.below(value)), float(own.above(value))
    centre, spread = own.centre, own.spread
    smaller, score = min(below, above), float(own.log_density(value))
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
