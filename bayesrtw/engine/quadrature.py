"""Integration over one standard deviation on [0, inf): look first, then lay the nodes.

With tau = exp(u) - shift the posterior of u is smooth; the mode and the range in which it exceeds
1e-16 of its maximum are located, and Gauss-Legendre nodes are laid on that range, so the same code
serves two studies and a hundred thousand. Leading axes of every array are independent problems.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Points of the table that a quantile starts from, most Newton steps after it, and the error in
#: probability at which they stop.
TABLE = 513
STEPS = 12
PRECISION = 1e-14

#: Legendre coefficients below this share of the largest one are rounding and are dropped.
ROUNDING = 1e-16

#: The range of integration ends where the density has fallen by this much (log scale): 1e-16.
DROP = 37.0
#: First step of the search away from the mode, in u; steps double from here.
FIRST_STEP = 1e-4
#: Doublings of that step: 1e-4 * 2^22 = 419 units of u, a factor 1e182 in tau.
DOUBLINGS = 23
#: Points of the first look, from 1e-5 to 1e5 times the typical standard error.
COARSE = 49
#: Points of one zoom onto the mode, and number of zooms.
ZOOM = 13
ZOOMS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Quadrature nodes of one or many posteriors of tau.

    Attributes
    ----------
    tau
        Shape (..., node).
    log_weight
        Log of the node's share of the posterior, normalised to sum to one, shape (..., node).
    log_total
        Log of the integral of the density over tau, shape (...,).
    low, high
        Ends of the range in u = log(tau + shift), shape (...,).
    shift
        The shift.
    """

    tau: Array
    log_weight: Array
    log_total: Array
    low: Array
    high: Array
    shift: float


#: Unnormalised log density of tau, shape (..., point) to the same shape.
LogDensity = Callable[[Array], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """Where the posteriors of u = log(tau + shift) live: ends of shape (...,)."""

    low: Array
    high: Array
    shift: float


def locate(log_density: LogDensity, *, scale: float, shift: float, moment: int = 0) -> Range:
    """Find where a posterior of tau is not negligible.

    Parameters
    ----------
    log_density
        Unnormalised log density of tau.
    scale
        A typical standard error; the first look spans ten decades around it.
    shift
        Shift of the map, >= 0; 0 where the prior vanishes or diverges at tau = 0.
    moment
        Highest moment of tau that the range must hold to the same precision.

    Returns
    -------
    Range
        Ends where the density, times tau^moment above the mode, is 1e-16 of its maximum, or at
        tau = 0.

    Raises
    ------
    ArithmeticError
        If the density does not fall off: the posterior is improper.
    """
    floor = math.log(shift) if shift > 0 else -math.inf

    def f(u: Array) -> Array:
        tau = np.maximum(np.exp(u) - shift, 0.0) if shift > 0 else np.exp(u)
        with np.errstate(invalid="ignore", over="ignore"):
            value = log_density(tau) + u
        return np.where(np.isnan(value), -np.inf, value)

    coarse = np.log(scale * np.logspace(-5, 5, COARSE) + shift)
    if shift > 0:
        coarse = np.concatenate([[floor], coarse])
    look = f(coarse[None, :] if f(coarse[:1]).ndim > 1 else coarse)
    top = np.argmax(look, axis=-1)
    left = coarse[np.maximum(top - 1, 0)]
    right = coarse[np.minimum(top + 1, len(coarse) - 1)]
    for _ in range(ZOOMS):
        grid = np.linspace(left, right, ZOOM, axis=-1)
        best = np.argmax(f(grid), axis=-1)[..., None]
        left = np.take_along_axis(grid, np.maximum(best - 1, 0), -1)[..., 0]
        right = np.take_along_axis(grid, np.minimum(best + 1, ZOOM - 1), -1)[..., 0]
    mode = (
        np.where(left <= floor, floor, 0.5 * (left + right)) if shift > 0 else 0.5 * (left + right)
    )
    peak = f(mode[..., None])
    steps: Array = FIRST_STEP * 2.0 ** np.arange(DOUBLINGS, dtype=np.float64)
    high = _end(lambda u: f(u) + moment * np.maximum(u - mode[..., None], 0.0), mode, peak, steps)
    low = _end(f, mode, peak, -steps, floor)
    # A second hump that the search from the mode has missed shows in the first look.
    alive = look > peak - DROP
    low = np.minimum(low, np.min(np.where(alive, coarse, np.inf), axis=-1))
    high = np.maximum(high, np.max(np.where(alive, coarse, -np.inf), axis=-1))
    return Range(low, high, shift)


def _end(f: LogDensity, mode: Array, peak: Array, steps: Array, floor: float = -math.inf) -> Array:
    """Walk from the mode until the density has fallen by DROP, then close in on the place."""
    u = np.maximum(mode[..., None] + steps, floor)
    fallen = (f(u) < peak - DROP) | (u <= floor)
    if not np.all(np.any(fallen, axis=-1)):
        raise ArithmeticError("the posterior of tau does not fall off")
    first = np.argmax(fallen, axis=-1)[..., None]
    outer = np.take_along_axis(u, first, -1)
    inner = np.where(
        first > 0, np.take_along_axis(u, np.maximum(first - 1, 0), -1), mode[..., None]
    )
    grid = inner + (outer - inner) * np.linspace(0.0, 1.0, 9)
    fallen = (f(grid) < peak - DROP) | (grid <= floor)
    first = np.argmax(fallen, axis=-1)[..., None]
    return np.asarray(np.take_along_axis(grid, first, -1)[..., 0])


@cache
def rule(count: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on [-1, 1].

    Parameters
    ----------
    count
        Number of nodes.

    Returns
    -------
    tuple of ndarray, shape (count,)
        Nodes and weights; shared, do not write into them.
    """
    x, w = legendre.leggauss(count)
    x.setflags(write=False)
    w.setflags(write=False)
    return x, w


def nodes(log_density: LogDensity, where: Range, count: int) -> Nodes:
    """Lay nodes on a located range and weigh them.

    Parameters
    ----------
    log_density
        Unnormalised log density of tau.
    where
        The range.
    count
        Nodes for each problem.

    Returns
    -------
    Nodes
        With normalised weights.
    """
    x, w = rule(count)
    half = 0.5 * (where.high - where.low)[..., None]
    u = where.low[..., None] + half * (x + 1.0)
    tau = np.maximum(np.exp(u) - where.shift, 0.0) if where.shift > 0 else np.exp(u)
    log = log_density(tau) + u + np.log(w) + np.log(half)
    peak = np.max(log, axis=-1, keepdims=True)
    total = np.log(np.sum(np.exp(log - peak), axis=-1)) + peak[..., 0]
    return Nodes(tau, log - total[..., None], total, where.low, where.high, where.shift)


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """The continuous posterior of one tau, as a Legendre series of its density in u.

    Attributes
    ----------
    low, high, shift
        The range in u = log(tau + shift).
    density
        Legendre coefficients of the density on x in [-1, 1].
    cumulative
        Legendre coefficients of its integral from -1.
    """

    low: float
    high: float
    shift: float
    density: Array
    cumulative: Array

    def cdf(self, tau: Array) -> Array:
        """P(tau <= t).

        Parameters
        ----------
        tau
            Any shape; >= 0.

        Returns
        -------
        ndarray
            Same shape, in [0, 1].
        """
        with np.errstate(divide="ignore"):
            u = np.log(np.asarray(tau, dtype=np.float64) + self.shift)
        x = np.clip(2.0 * (u - self.low) / (self.high - self.low) - 1.0, -1.0, 1.0)
        return np.asarray(np.clip(legendre.legval(x, self.cumulative), 0.0, 1.0))

    def quantile(self, q: Array) -> Array:
        """Invert the distribution function.

        Parameters
        ----------
        q
            Probabilities in (0, 1), any shape.

        Returns
        -------
        ndarray
            Same shape, on the scale of tau.
        """
        wanted = np.asarray(q, dtype=np.float64)
        table = -np.cos(np.linspace(0.0, math.pi, TABLE))
        levels = np.maximum.accumulate(legendre.legval(table, self.cumulative))
        place = np.clip(np.searchsorted(levels, wanted), 1, TABLE - 1)
        lower, upper = table[place - 1], table[place]
        x = np.clip(np.interp(wanted, levels, table), lower, upper)
        for _ in range(STEPS):
            slope = legendre.legval(x, self.density)
            error = legendre.legval(x, self.cumulative) - wanted
            lower, upper = np.where(error < 0, x, lower), np.where(error > 0, x, upper)
            with np.errstate(divide="ignore", invalid="ignore"):
                step = x - error / slope
            x = np.where((step >= lower) & (step <= upper), step, 0.5 * (lower + upper))
            if np.max(np.abs(error)) < PRECISION:
                break
        u = self.low + 0.5 * (self.high - self.low) * (x + 1.0)
        return np.asarray(np.maximum(np.exp(u) - self.shift, 0.0))


def distribution(found: Nodes) -> Distribution:
    """Interpolate the posterior of one tau between its nodes.

    Parameters
    ----------
    found
        Nodes of a single problem.

    Returns
    -------
    Distribution
        Spectrally accurate where the nodes resolve the density.
    """
    count = found.tau.shape[-1]
    x, _ = rule(count)
    # weight_j = density(x_j) * w_j, so the projection on P_k needs no further weights.
    basis = legendre.legvander(x, count - 1)
    coefficients = (np.arange(count) + 0.5) * (np.exp(found.log_weight) @ basis)
    large = np.flatnonzero(np.abs(coefficients) > ROUNDING * np.max(np.abs(coefficients)))
    coefficients = coefficients[: large[-1] + 1]
    return Distribution(
        low=float(found.low),
        high=float(found.high),
        shift=found.shift,
        density=coefficients,
        cumulative=np.asarray(legendre.legint(coefficients, lbnd=-1), dtype=np.float64),
    )
