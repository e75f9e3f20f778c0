"""Observed variables of PyMC graphs: sums over levels that are missing, likelihoods that are integrated."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from numpy.typing import NDArray

from bayesrtw.errors import SpecError
from bayesrtw.model.curves import Curves
from bayesrtw.model.term import Allocation

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

#: Points of each unit's spline.
POINTS = 513
#: What is recorded of levels that are missing: how probable each is given a draw, and what it adds.
ALLOCATED = "_allocated"
#: Log probability of a level that a row does not have; gradients stay finite.
NEVER = -1e6


def see(
    kind: str,
    eta: "TensorVariable",
    allocations: Sequence[Allocation],
    logp: "Callable[..., TensorVariable]",
    observed: Any,
    *given: Any,
) -> None:
    """Add the observed variable to the PyMC model in context, summed over levels that are missing.

    `eta` (estimate,).
    """
    import pymc as pm  # noqa: PLC0415
    import pytensor.tensor as pt  # noqa: PLC0415

    if any(not each.of_effects for each in allocations):
        raise SpecError(f"Nuts cannot sample likelihood {kind!r} with a bias mixture; use Exact().")
    if not allocations:
        pm.CustomDist("effect", eta, *given, logp=logp, observed=observed, dtype="float64")
        return
    [parts] = allocations
    shifts, weights, count = list[Any](), list[Any](), len(observed.get_value())
    for level in range(int(parts.shift.type.shape[1] or 0)):
        none = pt.zeros(count)
        shifts.append(pt.set_subtensor(none[parts.rows], parts.shift[:, level]))
        weight = pt.log(parts.weight[:, level])
        weights.append(pt.set_subtensor((none + NEVER * (level > 0))[parts.rows], weight))
    levels = len(shifts)

    def each(value: Any, theta: Any, *rest: Any) -> Any:
        own = zip(rest[:levels], rest[levels : 2 * levels], strict=True)
        return pt.stack([w + logp(value, theta + s, *rest[2 * levels :]) for s, w in own])

    def summed(*arguments: Any) -> Any:
        return pt.logsumexp(each(*arguments), axis=0)

    rest = (*shifts, *weights, *given)
    pm.CustomDist("effect", eta, *rest, logp=summed, observed=observed, dtype="float64")
    log = each(observed, eta, *rest)[:, parts.rows].T
    chance = pt.exp(log - pt.logsumexp(log, axis=1, keepdims=True))
    pm.Deterministic(ALLOCATED, pt.stack([chance, parts.shift]))


def drawn_levels(allocated: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw what the level of each silent estimate adds, shape (..., row), from what `see` recorded."""
    chance, shift = np.moveaxis(allocated, -3, 0)
    upto = np.cumsum(chance, axis=-1)
    level = np.sum(upto[..., :-1] < rng.random((*upto.shape[:-1], 1)), axis=-1, keepdims=True)
    return np.take_along_axis(shift, level, axis=-1)[..., 0]


def log_density(sites: Sequence[Curves], theta: "TensorVariable") -> "TensorVariable":
    """Log density of every unit at its effect under each of several laws, shape (law, unit).

    Cubic splines, straight lines beyond them.
    """
    import pytensor.tensor as pt  # noqa: PLC0415

    lines = [each.log for own in sites for each in own.laid]
    first = np.array([line.low for line in lines])
    step = (np.array([line.high for line in lines]) - first) / (POINTS - 1)
    table = np.empty((4, len(lines), POINTS - 1))
    scale = np.array([each.log_scale for own in sites for each in own.laid])
    for place, line in enumerate(lines):
        x = first[place] + step[place] * np.arange(POINTS)
        table[:, place] = scipy.interpolate.CubicSpline(x, line(x)).c
    coefficients = pt.as_tensor(table)
    own = pt.tile(theta, len(sites)) - np.concatenate([each.by for each in sites])
    inside = pt.clip(own, first, first + step * (POINTS - 1))
    piece = pt.clip(pt.floor((inside - first) / step), 0, POINTS - 2).astype("int64")
    rows = np.arange(len(lines))
    c = [coefficients[degree, rows, piece] for degree in range(4)]
    away = inside - (first + step * piece)
    found = ((c[0] * away + c[1]) * away + c[2]) * away + c[3]
    slope = (3.0 * c[0] * away + 2.0 * c[1]) * away + c[2]
    whole = found + slope * (own - inside) + scale
    return whole.reshape((len(sites), len(lines) // len(sites)))
