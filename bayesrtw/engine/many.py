"""The algebra of `bayesrtw.engine.kernel` for one data set at many values of the hyperparameters.

The same messages go up the same groups, laid out so that values of the hyperparameters are the last axes:
sums over groups then run along them. Several hyperparameters may have an axis each: what one of them does
not change has an axis of length one there and costs nothing, so that messages of the innermost groups are
worked out once for each value of the innermost SD. A column that is constant within groups, such as the
intercept, has no deviations at all.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.kernel import Index, System, Variances, gram_of

Array = NDArray[np.float64]

#: Powers of ten that a product may span before a logarithm is taken; a double spans 308.
DECADES = 280.0


def gram_many(system: System, variances: Variances) -> tuple[Array, Array]:
    """Give the Gram matrix of one data set at many values of the hyperparameters."""
    if _apart(system):
        return gram_of(system, variances)
    sums, log_det = _sums(system, variances)
    return matrix_of(sums, system.columns.shape[-1] + 1), log_det


def sums_many(system: System, variances: Variances) -> tuple[Array, Array]:
    """Give the same as lower triangles by rows, shape (pair, ...)."""
    if not _apart(system):
        return _sums(system, variances)
    gram, log_det = gram_of(system, variances)
    i, j = np.tril_indices(gram.shape[-1])
    return np.ascontiguousarray(np.moveaxis(gram[..., i, j], -1, 0)), log_det


def _apart(system: System) -> bool:
    """Whether errors are correlated, or the data depend on hyperparameters."""
    return bool(system.layout.blocks) or system.effect.ndim > 1


def _sums(system: System, variances: Variances) -> tuple[Array, Array]:
    """Sum products of two columns of [X, y], lower triangle by rows, shape (pair, ...); and log det V."""
    levels = system.layout.levels
    precision = _first(variances.sampling + variances.own)
    if levels:
        precision = precision[system.layout.order]
    log_det = _log_sum(precision)
    precision = 1.0 / precision
    plan = _plan(system)
    if not levels:
        return _weighed(plan.products, precision), log_det
    axes = max(precision.ndim, *(np.ndim(variance) for variance in variances.groups)) - 1
    precision = precision.reshape(
        len(precision), *(1,) * (axes + 1 - precision.ndim), *precision.shape[1:]
    )
    log_det = log_det.reshape((1,) * (axes - log_det.ndim) + log_det.shape)
    sums = np.zeros((1,) * (axes + 1))
    values: list[Array] = []
    for level, step, variance in zip(levels, plan.steps, variances.groups, strict=True):
        total = np.add.reduceat(precision, level.starts, axis=0)
        if len(step.units):
            held = [column.reshape(-1, *(1,) * axes) for column in step.values]
            values = [
                _mixed(own, step.mobile, moving)
                for own, moving in zip(held, values or held, strict=True)
            ]
            own, centres, deviations = precision[step.units], [], []
            for value in values:
                centre, deviation = _around(
                    value, own, total[step.groups], step.starts, step.parent
                )
                centres.append(centre)
                deviations.append(deviation)
            sums = sums + _cross(own, deviations)
            values = centres
        grown = 1.0 + _first(variance) * total
        log_det = log_det + _log_sum(grown)
        precision = total / grown
    sums = sums + _weighed(plan.products, precision[plan.still])
    if len(plan.moved):
        sums = sums + _cross(precision[plan.moved], [*values])
    return sums, log_det


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """The groups of a level whose means hyperparameters move: those of units that differ or move themselves.

    `units` are theirs, by position in the level below, with `starts` and `parent` among them; `values` what
    the columns hold in those that do not move, shape (column + 1, unit), and `mobile` which ones do.
    """

    groups: Index
    units: Index
    starts: Index
    parent: Index
    values: Array
    mobile: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """How messages go up: of a group whose units are alike, as one that is alone, the mean never moves.

    `products` are those of two columns in the outermost units that stand `still`, shape (pair, unit).
    """

    steps: tuple[_Step, ...]
    products: Array
    still: Index
    moved: Index


@lru_cache(maxsize=8)
def _plan(system: System) -> _Plan:
    """Say which means hyperparameters move."""
    joined = np.concatenate([system.columns.T, system.effect[None, :]])
    joined = joined[:, system.layout.order]
    mobile = np.zeros(joined.shape[1], dtype=bool)
    steps = []
    for level in system.layout.levels:
        anchor = joined[:, level.starts]
        unlike = np.any(joined != anchor[:, level.parent], axis=0) | mobile
        moving = np.zeros(len(level.starts), dtype=bool)
        moving[level.parent[unlike]] = True
        units = np.flatnonzero(moving[level.parent])
        starts, parent = np.unique(level.parent[units], return_index=True, return_inverse=True)[1:]
        steps.append(
            _Step(np.flatnonzero(moving), units, starts, parent, joined[:, units], mobile[units])
        )
        joined, mobile = anchor, moving
    i, j = np.tril_indices(len(joined))
    still = np.flatnonzero(~mobile)
    rest = joined[:, still]
    return _Plan(tuple(steps), rest[i] * rest[j], still, np.flatnonzero(mobile))


def _mixed(still: Array, mobile: NDArray[np.bool_], moving: Array) -> Array:
    """Put the means of units that move among the values of those that do not."""
    if not mobile.any():
        return still
    found = np.empty((len(still), *moving.shape[1:]))
    found[~mobile], found[mobile] = still[~mobile], moving
    return found


def _weighed(products: Array, precision: Array) -> Array:
    """Sum products under precisions of shape (unit, ...), to (pair, ...)."""
    flat = precision.reshape(len(precision), math.prod(precision.shape[1:]))
    return np.asarray((products @ flat).reshape(len(products), *precision.shape[1:]))


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
    own = {place: value for place, value in enumerate(values) if value is not None}
    known = list(own)
    width, axes = len(values), precision.ndim - 1
    if not known:
        return np.zeros((width * (width + 1) // 2, *(1,) * axes))
    every = np.stack(np.broadcast_arrays(*own.values()))
    shape = np.broadcast_shapes(precision.shape[1:], every.shape[2:])
    found = np.zeros((width * (width + 1) // 2, *shape))
    for count, place in enumerate(known):
        rows = place * (place + 1) // 2 + np.array(known[: count + 1])
        weighted = precision * every[count]
        found[rows] = np.einsum("u...,ku...->k...", weighted, every[: count + 1])
    return found


def matrix_of(sums: Array, width: int) -> Array:
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
