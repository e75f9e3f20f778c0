"""The algebra of `bayesrtw.engine.kernel` for one data set at many values of the hyperparameters.

The same messages go up the same groups, laid out so that values of the hyperparameters are the last axes:
sums over groups then run along them. Several hyperparameters may have an axis each: what one of them does
not change has an axis of length one there and costs nothing, so that messages of the innermost groups are
worked out once for each value of the innermost SD. A column that is constant within groups, such as the
intercept, has no deviations at all.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.kernel import Conditional, System, Variances, finish, gram_of

Array = NDArray[np.float64]

#: Powers of ten that a product may span before a logarithm is taken; a double spans 308.
DECADES = 280.0


def conditional_many(system: System, variances: Variances) -> Conditional:
    """Condition one data set's coefficients on many values of the hyperparameters.

    Parameters
    ----------
    system
        The data.
    variances
        What the hyperparameters give; leading axes may have length one where nothing depends on them.

    Returns
    -------
    Conditional
        What `bayesrtw.engine.kernel.conditional` gives.
    """
    return finish(system, *gram_many(system, variances))


def gram_many(system: System, variances: Variances) -> tuple[Array, Array]:
    """Give the Gram matrix of one data set at many values of the hyperparameters.

    Parameters
    ----------
    system
        The data.
    variances
        What the hyperparameters give; leading axes may have length one where nothing depends on them.

    Returns
    -------
    tuple of ndarray
        What `bayesrtw.engine.kernel.gram_of` gives; it is called where errors are correlated or the data
        themselves depend on hyperparameters.
    """
    if system.layout.blocks or system.effect.ndim > 1:
        return gram_of(system, variances)
    levels = system.layout.levels
    precision = _first(variances.sampling + variances.own)
    if levels:
        precision = precision[system.layout.order]
    log_det = _log_sum(precision)
    precision = 1.0 / precision
    width = system.columns.shape[-1] + 1
    if not levels:
        sums = _products(system) @ precision.reshape(len(precision), -1)
        return _matrix(sums.reshape(-1, *precision.shape[1:]), width), log_det
    axes = max(precision.ndim, *(np.ndim(variance) for variance in variances.groups)) - 1
    precision = precision.reshape(
        len(precision), *(1,) * (axes + 1 - precision.ndim), *precision.shape[1:]
    )
    log_det = log_det.reshape((1,) * (axes - log_det.ndim) + log_det.shape)
    sums = np.zeros((width * (width + 1) // 2, *(1,) * axes))
    values = [column.reshape(-1, *(1,) * axes) for column in _ordered(system)]
    for level, variance in zip(levels, variances.groups, strict=True):
        total = np.add.reduceat(precision, level.starts, axis=0)
        centres, deviations = [], []
        for value in values:
            centre, deviation = _around(value, precision, total, level.starts, level.parent)
            centres.append(centre)
            deviations.append(deviation)
        sums = sums + _cross(precision, deviations)
        grown = 1.0 + _first(variance) * total
        log_det = log_det + _log_sum(grown)
        values, precision = centres, total / grown
    return _matrix(sums + _cross(precision, [*values]), width), log_det


def _first(variance: Array) -> Array:
    """Put units first and values last, shape (..., unit) to (unit, ...), with an axis of values at least."""
    return np.moveaxis(np.atleast_2d(variance), -1, 0)


def _around(
    value: Array, precision: Array, total: Array, starts: NDArray[np.intp], parent: NDArray[np.intp]
) -> tuple[Array, Array | None]:
    """Give a column's group means and its deviations from them; None where there are none."""
    # From the groups' first units first, so that a constant column is seen to be one.
    anchor = value[starts]
    deviation = value - anchor[parent]
    if not np.any(deviation):
        return anchor, None
    shift = np.add.reduceat(precision * deviation, starts, axis=0) / total
    return anchor + shift, deviation - shift[parent]


def _cross(precision: Array, values: list[Array | None]) -> Array:
    """Sum precision times products of two columns, lower triangle by rows, shape (pair, value)."""
    nil = np.zeros((1,) * (precision.ndim - 1))
    rows = []
    for place, one in enumerate(values):
        weighted = None if one is None else precision * one
        for other in values[: place + 1]:
            if weighted is None or other is None:
                rows.append(nil)
            else:
                rows.append(np.einsum("u...,u...->...", weighted, other))
    return np.stack(np.broadcast_arrays(*rows))


def _matrix(sums: Array, width: int) -> Array:
    """Put sums of products into matrices, shape (..., width, width)."""
    i, j = np.tril_indices(width)
    gram = np.empty((*sums.shape[1:], width, width))
    gram[..., i, j] = gram[..., j, i] = np.moveaxis(sums, 0, -1)
    return gram


def _log_sum(values: Array) -> Array:
    """Sum of logarithms over the first axis, few logarithms for many numbers."""
    count = len(values)
    low, high = float(np.min(values)), float(np.max(values))
    if not (low > 0 and math.isfinite(high)):
        return np.asarray(np.sum(np.log(values), axis=0))
    reach = max(abs(math.log10(low)), abs(math.log10(high)), 1e-3)
    together = max(1, min(count, int(DECADES / reach)))
    whole = count - count % together
    packed = values[:whole].reshape(together, whole // together, *values.shape[1:])
    found = np.sum(np.log(np.multiply.reduce(packed, axis=0)), axis=0)
    if whole < count:
        found = found + np.log(np.multiply.reduce(values[whole:], axis=0))
    return np.asarray(found)


@lru_cache(maxsize=2)
def _products(system: System) -> Array:
    """Products of two columns of [X, y], lower triangle by rows, shape (pair, estimate)."""
    joined = np.concatenate([system.columns.T, system.effect[None, :]])
    i, j = np.tril_indices(len(joined))
    return np.asarray(joined[i] * joined[j])


@lru_cache(maxsize=2)
def _ordered(system: System) -> Array:
    """[X, y] in the order of the groups, shape (column + 1, estimate)."""
    joined = np.concatenate([system.columns.T, system.effect[None, :]])
    return np.asarray(joined[:, system.layout.order])
