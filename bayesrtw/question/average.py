"""The posterior of a hyperparameter averaged over models, as one Legendre series."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.posterior.axis import Axis, restored
from bayesrtw.posterior.marginal import Distribution
from bayesrtw.posterior.nodes import rule
from bayesrtw.posterior.summarise import hyper_distribution

Array = NDArray[np.float64]

#: Nodes of the common rule, for each node of the finest of the models.
FINER = 4

#: Most nodes of it.
MOST = 4096

#: Where ranges differ, the common one begins at this quantile: below it nothing is left to see.
LOWEST = 1e-13


def averaged_spread(sources: list[xr.Dataset], shares: Array, name: str) -> tuple[Array, Array]:
    """Average the posterior of a hyperparameter that every model has: `shares` (model,)."""
    each = [hyper_distribution(source, name) for source in sources]
    shifts = [float(source[f"{name}_range"].to_numpy()[2]) for source in sources]
    shift = min(shifts)
    axis: Axis = restored(shift)
    if len(set(shifts)) == 1:
        low, high = min(own.low for own in each), max(own.high for own in each)
    else:
        least = min(float(own.quantile(np.array(LOWEST))) for own in each)
        most = max(float(own.axis.value(np.array(own.high))) for own in each)
        low, high = (float(axis.coordinate(np.array(end))) for end in (max(least, 1e-300), most))
    count = min(MOST, FINER * max(source.sizes[f"{name}_point"] for source in sources))
    x, w = rule(count)
    u = low + 0.5 * (high - low) * (x + 1.0)
    value = axis.value(u)
    density = np.zeros(count)
    for own, chance in zip(each, shares, strict=True):
        density += chance * _density(own, value) * np.exp(axis.log_jacobian(u))
    weight = np.maximum(density, 0.0) * w
    return weight / weight.sum(), np.array([low, high, shift])


def _density(own: Distribution, value: Array) -> Array:
    """Density of the hyperparameter itself; zero beyond a model's range."""
    u = own.axis.coordinate(value)
    z = 2.0 * (u - own.low) / (own.high - own.low) - 1.0
    inside = np.abs(z) <= 1.0
    found = np.polynomial.legendre.legval(np.where(inside, z, 0.0), own.density)
    stretch = 2.0 / (own.high - own.low)
    return np.where(inside, found * stretch * np.exp(-own.axis.log_jacobian(u)), 0.0)
