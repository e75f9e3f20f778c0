"""Finite mixtures of normals: moments, distribution functions and quantiles, many at once."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]

#: Components with less weight than this do not move a quantile at double precision.
NEGLIGIBLE = 1e-14
#: Newton steps with bisection as a safeguard; 60 halvings alone reach 1e-17 of the bracket.
STEPS = 60


def moments(weight: Array, mean: Array, sd: Array) -> tuple[Array, Array]:
    """Mean and SD of mixtures that share their weights.

    Parameters
    ----------
    weight
        Shape (node,), sums to one.
    mean, sd
        Of the components, shape (node, quantity).

    Returns
    -------
    tuple of ndarray, shape (quantity,)
        Mean and SD.
    """
    centre = weight @ mean
    return centre, np.sqrt(weight @ (sd**2 + (mean - centre) ** 2))


def cdf(x: Array, weight: Array, mean: Array, sd: Array) -> Array:
    """Distribution function of mixtures that share their weights.

    Parameters
    ----------
    x
        Shape (quantity,).
    weight
        Shape (node,).
    mean, sd
        Of the components, shape (node, quantity); a component with sd 0 is a point.

    Returns
    -------
    ndarray, shape (quantity,)
        P(quantity <= x).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(sd > 0, (x - mean) / sd, np.where(x >= mean, math.inf, -math.inf))
    return np.asarray(weight @ ndtr(z))


def quantile(q: float, weight: Array, mean: Array, sd: Array) -> Array:
    """Quantile of mixtures that share their weights.

    Parameters
    ----------
    q
        Probability in (0, 1).
    weight
        Shape (node,).
    mean, sd
        Of the components, shape (node, quantity).

    Returns
    -------
    ndarray, shape (quantity,)
        Accurate to about 1e-13 of the mixture's SD.
    """
    keep = weight > NEGLIGIBLE
    weight, mean, sd = weight[keep] / weight[keep].sum(), mean[keep], sd[keep]
    centre, spread = moments(weight, mean, sd)
    low = np.min(mean - 12.0 * sd, axis=0)
    high = np.max(mean + 12.0 * sd, axis=0)
    x = np.clip(centre, low, high)
    for _ in range(STEPS):
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (x - mean) / sd
            density = weight @ (np.exp(-0.5 * z**2) / (sd * math.sqrt(2 * math.pi)))
            error = weight @ ndtr(z) - q
            step = x - error / density
        low, high = np.where(error < 0, x, low), np.where(error >= 0, x, high)
        inside = (step > low) & (step < high)
        new = np.where(inside, step, 0.5 * (low + high))
        if np.all(np.abs(new - x) <= 1e-14 * (spread + np.abs(x))):
            return np.asarray(new)
        x = new
    return np.asarray(x)
