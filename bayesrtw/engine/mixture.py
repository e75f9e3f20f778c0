"""Finite mixtures of normals: moments, distribution functions and quantiles, many at once.

The first axis runs over the components (nodes), the second over quantities or problems. Weights are
shared by all of them, shape (node,), or each its own, shape (node, quantity).
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from bayesrtw.errors import ConvergenceError

Array = NDArray[np.float64]

#: Components with less weight than this do not move a quantile at double precision.
NEGLIGIBLE = 1e-14
#: Most steps; halving alone needs about 110 from 1e17 times the scale of a quantile.
STEPS = 200
#: Density of the standard normal at 0.
ROOT = 1.0 / math.sqrt(2.0 * math.pi)
#: Error in probability at which a quantile is done.
PRECISION = 2e-15


def _sum(weight: Array, values: Array) -> Array:
    """Sum over components, with shared or own weights."""
    return np.asarray(weight @ values if weight.ndim == 1 else np.sum(weight * values, axis=0))


def moments(weight: Array, mean: Array, sd: Array) -> tuple[Array, Array]:
    """Mean and SD of mixtures.

    Parameters
    ----------
    weight
        Shape (node,) or (node, quantity), sums to one over nodes.
    mean, sd
        Of the components, shape (node, quantity).

    Returns
    -------
    tuple of ndarray, shape (quantity,)
        Mean and SD.
    """
    centre = _sum(weight, mean)
    return centre, np.sqrt(_sum(weight, sd**2 + (mean - centre) ** 2))


def cdf(x: Array, weight: Array, mean: Array, sd: Array) -> Array:
    """Distribution function of mixtures.

    Parameters
    ----------
    x
        Shape (quantity,).
    weight
        Shape (node,) or (node, quantity).
    mean, sd
        Of the components, shape (node, quantity); a component with sd 0 is a point.

    Returns
    -------
    ndarray, shape (quantity,)
        P(quantity <= x).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(sd > 0, (x - mean) / sd, np.where(x >= mean, math.inf, -math.inf))
    return _sum(weight, ndtr(z))


def log_density(x: Array, weight: Array, mean: Array, sd: Array) -> Array:
    """Log density of mixtures.

    Parameters
    ----------
    x
        Shape (quantity,).
    weight
        Shape (node,) or (node, quantity).
    mean, sd
        Of the components, shape (node, quantity); components with sd 0 have no density and are left
        out.

    Returns
    -------
    ndarray, shape (quantity,)
        -inf where nothing is left.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (x - mean) / sd
        each = np.where(sd > 0, -0.5 * z**2 - np.log(sd), -math.inf)
        peak = np.max(each, axis=0)
        base = np.where(np.isfinite(peak), peak, 0.0)
        found = np.log(_sum(weight, np.exp(each - base)))
    return np.asarray(found + base - 0.5 * math.log(2.0 * math.pi))


def quantile(q: float | Array, weight: Array, mean: Array, sd: Array) -> Array:
    """Quantile of mixtures: Newton steps, halving wherever they do not close in fast enough.

    Parameters
    ----------
    q
        Probability in (0, 1), one for all or one for each, shape (quantity,).
    weight
        Shape (node,) or (node, quantity).
    mean, sd
        Of the components, shape (node, quantity).

    Returns
    -------
    ndarray, shape (quantity,)
        Its probability is `q` to about 1e-14.
    """
    if weight.ndim == 1:
        keep = weight > NEGLIGIBLE
        weight, mean, sd = weight[keep] / weight[keep].sum(), mean[keep], sd[keep]
    points = sd <= 0
    some = bool(np.any(points))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = 1.0 / np.where(points, math.inf, sd) if some else 1.0 / sd
        low, high, unit, centre = _bounds(weight, mean, sd)
        middle, spread = moments(weight, mean, sd)
        start = middle + spread * ndtri(q)
        x = np.clip(np.where(np.isfinite(start), start, middle), low, high)
        before = high - low
        for _ in range(STEPS):
            z = (x - mean) * scale
            if some:
                z = np.where(points, np.where(x >= mean, math.inf, -math.inf), z)
            error = _sum(weight, ndtr(z)) - q
            density = _sum(weight, np.exp(-0.5 * z * z) * scale) * ROOT
            low, high = np.where(error < 0, x, low), np.where(error >= 0, x, high)
            newton = x - error / density
            fast = (newton > low) & (newton < high) & (np.abs(2.0 * error) < before * density)
            new = np.where(fast, newton, x)
            if not np.all(fast):
                # Halving goes by the orders of magnitude around a centre, so that no spread is too
                # wide for it.
                ends = np.arcsinh((low - centre) / unit), np.arcsinh((high - centre) / unit)
                halved = centre + unit * np.sinh(0.5 * (ends[0] + ends[1]))
                new = np.where(fast, newton, np.clip(halved, low, high))
            done = (np.abs(error) <= PRECISION) | (high - low <= 4e-16 * np.abs(x))
            if np.all(done):
                return np.asarray(x)
            before = np.where(done, before, np.abs(new - x))
            x = np.where(done, x, new)
    if not np.all(done | np.all(points, axis=0) | (high - low <= 1e-12 * (np.abs(x) + unit))):
        raise ConvergenceError("a quantile of a mixture of normals could not be found.")
    return np.asarray(x)


def _bounds(weight: Array, mean: Array, sd: Array) -> tuple[Array, Array, Array, Array]:
    """Find ends that hold every quantile, the smallest spread, and the heaviest component's mean."""
    carried = weight > NEGLIGIBLE
    if np.all(carried) and np.all(sd > 0):
        low, high = np.min(mean - 12.0 * sd, axis=0), np.max(mean + 12.0 * sd, axis=0)
        unit = np.min(sd, axis=0)
    else:
        carried = carried[:, None] if weight.ndim == 1 else carried
        low = np.min(np.where(carried, mean - 12.0 * sd, math.inf), axis=0)
        high = np.max(np.where(carried, mean + 12.0 * sd, -math.inf), axis=0)
        unit = np.min(np.where(carried & (sd > 0), sd, math.inf), axis=0)
        unit = np.where(np.isfinite(unit), unit, 1.0)
    if weight.ndim == 1:
        return low, high, unit, mean[int(np.argmax(weight))]
    heaviest = np.argmax(weight, axis=0)
    return low, high, unit, np.take_along_axis(mean, heaviest[None, :], 0)[0]
