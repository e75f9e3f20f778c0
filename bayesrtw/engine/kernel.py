"""Closed-form algebra of a Gaussian model given its hyperparameters; every axis may be batched.

For effects y ~ N(X b, V) with b ~ N(m0, diag(1/p0)): P = diag(p0) + X'V^-1 X, b | y is
N(P^-1 (p0 m0 + X'V^-1 y), P^-1), and the marginal density of y follows from completing the square.

V is sampling covariance plus nested random effects. It is never formed: random effects are passed
upwards as messages (precision, weighted mean) from units to the groups that hold them, so that cost
and memory are linear in the number of estimates, and passed down again for the effect behind each
estimate. Only sampling errors that are correlated in known blocks need a small Cholesky each.

Precisions only ever shrink on the way up and deviations are taken from group means, so that no
large numbers are subtracted: a group's contribution is exact for tau from 0 to 1e150.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.cholesky import inverse

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Units times groups up to which a matrix of memberships adds up groups faster than running sums: beyond
#: it BLAS starts threads, which take 15 times as long here where nobody has pinned them to one.
DENSE = 1_000
#: Columns from which on products of all of them are matrices of one call.
FEW = 6

LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """Groups of units of the level below, in the order of the units."""

    starts: Index  #: First unit of each group, shape (group,).
    parent: Index  #: Group of each unit of the level below, shape (unit,).

    def sums(self, values: Array) -> Array:
        """Add up units within groups, shape (..., unit) to (..., group)."""
        units, groups = len(self.parent), len(self.starts)
        if units * groups > DENSE:
            return np.asarray(np.add.reduceat(values, self.starts, axis=-1))
        member = np.zeros((units, groups))
        member[np.arange(units), self.parent] = 1.0
        return np.asarray(values @ member)


@dataclass(frozen=True, slots=True, eq=False)
class GroupLayout:
    """Which estimates stand alone, which in blocks, and how they are grouped."""

    singles: Index  #: Estimates with independent sampling errors, shape (single,).
    #: The others: for each size of block an array of shape (block, member).
    blocks: tuple[Index, ...]
    #: Units (singles, then blocks) in the order that makes groups contiguous, shape (unit,).
    order: Index
    levels: tuple[Level, ...]  #: From the innermost groups to the outermost.


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """The data of a Gaussian model."""

    effect: Array  #: y, shape (..., estimate).
    columns: Array  #: X, shape (..., estimate, column).
    #: mean, precision: prior of b, shape (..., column); precision 0 is flat.
    mean: Array
    precision: Array
    layout: GroupLayout  #: Structure of V.


class Variances(NamedTuple):
    """What the hyperparameters give."""

    sampling: Array  #: Sampling variance of each estimate, shape (..., estimate).
    #: Variance of each estimate's own random effect, shape (..., estimate) or broadcast to it.
    own: Array
    #: Variance of each group's effect, one array of shape (..., group) for each level.
    groups: tuple[Array, ...] = ()
    #: Sampling covariance of estimates in blocks, shape (..., block, member, member), one array for each
    #: entry of the layout's blocks.
    blocks: tuple[Array, ...] = ()
    effects: tuple[Array, ...] = ()  #: Covariance of their own random effects, as `blocks`.

    @property
    def paired(self) -> list[tuple[Array, Array]]:
        """Covariances of sampling errors and of own effects in the blocks."""
        return list(zip(self.blocks, self.effects, strict=True))


class Conditional(NamedTuple):
    """Posterior of the coefficients given the hyperparameters."""

    #: log p(y | hyperparameters), shape (...,); flat coefficients are integrated over density 1.
    log_density: Array
    mean: Array  #: E(b), shape (..., column).
    covariance: Array  #: Shape (..., column, column).

    @property
    def variance(self) -> Array:
        """Diagonals of the covariances, shape (..., column)."""
        return np.diagonal(self.covariance, axis1=-2, axis2=-1)

    def at(self, keep: NDArray[np.bool_]) -> "Conditional":
        """Take some of all values in one row, shape (value,)."""
        width = self.mean.shape[-1]
        return Conditional(
            self.log_density.reshape(-1)[keep],
            self.mean.reshape(-1, width)[keep],
            self.covariance.reshape(-1, width, width)[keep],
        )


class Conditioned(Protocol):
    """What every posterior of the coefficients given hyperparameters says; see `Conditional`."""

    @property
    def log_density(self) -> Array:
        """Shape (...,)."""

    @property
    def mean(self) -> Array:
        """Shape (..., column)."""

    @property
    def variance(self) -> Array:
        """Diagonals of the covariances, shape (..., column)."""

    @property
    def covariance(self) -> Array:
        """Shape (..., column, column)."""

    def at(self, keep: NDArray[np.bool_]) -> Self:
        """Take some of all values in one row, shape (value,)."""


class _Message(NamedTuple):
    """What a level's units say upwards: precision (..., unit) and mean (column + 1, ..., unit)."""

    precision: Array
    mean: Array


def conditional(system: System, variances: Variances) -> Conditional:
    """Condition the coefficients on the data and integrate them out."""
    return finish(system, *gram_of(system, variances))


def gram_of(system: System, variances: Variances) -> tuple[Array, Array]:
    """Give the Gram matrix of [X, y] under V^-1, shape (..., column + 1, column + 1), and log det V."""
    layout = system.layout
    joined = _joined(system, variances)
    gram, log_det, message = _leaves(layout, joined, variances)
    for level, variance in zip(layout.levels, variances.groups, strict=True):
        total = level.sums(message.precision)
        centre = level.sums(message.precision * message.mean) / total
        deviation = message.mean - np.take(centre, level.parent, axis=-1)
        gram = gram + _cross(message.precision, deviation)
        grown = 1.0 + variance * total
        log_det = log_det + np.sum(np.log(grown), axis=-1)
        message = _Message(total / grown, centre)
    if layout.levels:
        gram = gram + _cross(message.precision, message.mean)
    return gram, log_det


def finish(system: System, gram: Array, log_det: Array) -> Conditional:
    """Condition on the data, given their Gram matrix.

    `gram` (..., column + 1, column + 1); `log_det` (...,).
    """
    count, width = system.effect.shape[-1], system.columns.shape[-1]
    base = -0.5 * (count * LOG_2PI + log_det)
    square = gram[..., width, width]
    if width == 0:
        return Conditional(base - 0.5 * square, gram[..., 0, :0], gram[..., :0, :0])
    prior = system.precision
    h = prior * system.mean + gram[..., :width, width]
    if width == 1:
        p = prior[..., 0] + gram[..., 0, 0]
        covariance = (1.0 / p)[..., None, None]
        b = h / p[..., None]
        log_p = np.log(p)
    else:
        p = gram[..., :width, :width] + prior[..., None] * np.eye(width)
        covariance, log_p = inverse(p)
        b = (covariance @ h[..., None])[..., 0]
    # The data are centred at a pilot fit by whoever poses the problem, so this difference is of the
    # size of the residuals, not of the effects.
    quadratic = square + np.sum(prior * system.mean**2, axis=-1) - np.sum(b * h, axis=-1)
    proper = prior > 0
    constant = 0.5 * np.sum(np.log(np.where(proper, prior, 2.0 * math.pi)), axis=-1)
    return Conditional(base - 0.5 * (quadratic + log_p) + constant, b, covariance)


def _heard(system: System, variances: Variances) -> list[_Message]:
    """Pass messages up: each level's, from the units on."""
    layout = system.layout
    message = _leaves(layout, _joined(system, variances), variances)[2]
    heard = [message]
    for level, variance in zip(layout.levels, variances.groups, strict=True):
        total = level.sums(message.precision)
        centre = level.sums(message.precision * message.mean) / total
        heard.append(_Message(total, centre))
        message = _Message(total / (1.0 + variance * total), centre)
    return heard


def _joined(system: System, variances: Variances) -> Array:
    """Put [X, y] column by column, shape (column + 1, ..., estimate), with axes for the variances'."""
    columns = np.moveaxis(system.columns, -1, 0)
    shape = np.broadcast_shapes(columns.shape[1:], system.effect.shape)
    if columns.ndim - 1 < len(shape):
        columns = columns.reshape(
            len(columns), *(1,) * (len(shape) + 1 - columns.ndim), *columns.shape[1:]
        )
    joined = np.concatenate(
        [
            np.broadcast_to(columns, (len(columns), *shape)),
            np.broadcast_to(system.effect, (1, *shape)),
        ]
    )
    given = (variances.sampling, variances.own, *variances.groups)
    inside = (*variances.blocks, *variances.effects)
    axes = max([array.ndim for array in given] + [array.ndim - 2 for array in inside])
    return joined.reshape(len(joined), *(1,) * (axes - len(shape)), *shape)


def _cross(weight: Array, values: Array) -> Array:
    """Sum of weight * value value' over the units: (column, ..., unit) to (..., column, column)."""
    width = len(values)
    weighted = weight * values
    if width > FEW:
        return np.moveaxis(weighted, 0, -2) @ np.moveaxis(values, 0, -1)
    out = np.empty((*weighted.shape[1:-1], width, width))
    for i in range(width):
        for j in range(i + 1):
            out[..., i, j] = np.einsum("...u,...u->...", weighted[i], values[j])
            out[..., j, i] = out[..., i, j]
    return out


def _leaves(
    layout: GroupLayout, joined: Array, variances: Variances
) -> tuple[Array, Array, _Message]:
    """Say what single estimates and blocks say.

    Without levels above, the Gram matrix is complete and the message is not passed on.
    """
    rows = layout.singles
    total = variances.sampling + variances.own
    alone = len(rows) == joined.shape[-1]
    variance = total if alone else total[..., rows]
    values = joined if alone else joined[..., rows]
    weight = 1.0 / variance
    log_det = np.sum(np.log(variance), axis=-1)
    if not layout.levels:
        gram = _gram(weight, values)
        for members, both in zip(layout.blocks, variances.paired, strict=True):
            precise, more = _block_inverse(both)
            gram = gram + _block_gram(precise, joined[..., members])
            log_det = log_det + more
        return gram, log_det, _Message(weight, values)
    width = len(joined)
    gram = np.zeros((width, width))
    precisions, means = [weight], [values]
    for members, both in zip(layout.blocks, variances.paired, strict=True):
        precise, more = _block_inverse(both)
        inside = np.moveaxis(joined[..., members], 0, -1)
        row = np.sum(precise, axis=-2)
        precision = np.sum(row, axis=-1)
        mean = (row[..., None, :] @ inside)[..., 0, :] / precision[..., None]
        deviation = inside - mean[..., None, :]
        gram = gram + np.sum(np.swapaxes(deviation, -1, -2) @ (precise @ deviation), axis=-3)
        log_det = log_det + more
        precisions.append(precision)
        means.append(np.moveaxis(mean, -1, 0))
    order = layout.order
    lead = np.broadcast_shapes(
        *(piece.shape[:-1] for piece in precisions), *(piece.shape[1:-1] for piece in means)
    )
    precisions = [np.broadcast_to(piece, (*lead, piece.shape[-1])) for piece in precisions]
    means = [np.broadcast_to(piece, (width, *lead, piece.shape[-1])) for piece in means]
    message = _Message(
        np.concatenate(precisions, axis=-1)[..., order], np.concatenate(means, axis=-1)[..., order]
    )
    return gram, log_det, message


def _gram(weight: Array, values: Array) -> Array:
    """Gram matrix of columns under diagonal weights; one matrix product where columns are shared."""
    width, size = len(values), values.shape[-1]
    if values.size == width * size:
        flat = values.reshape(width, size)
        products = (flat[:, None, :] * flat[None, :, :]).reshape(width * width, size)
        return (weight @ products.T).reshape(*weight.shape[:-1], width, width)
    return _cross(weight, values)


def _block_inverse(both: tuple[Array, Array]) -> tuple[Array, Array]:
    """Inverse of each block's covariance with own effects added, and the sum of log determinants."""
    found, log_det = inverse(both[0] + both[1])
    return found, np.sum(log_det, axis=-1)


def _block_gram(precise: Array, values: Array) -> Array:
    """Gram matrix of columns in blocks, of shape (column, ..., block, member), under their precisions."""
    width, (count, size) = len(values), values.shape[-2:]
    if values.size == width * count * size:
        flat = values.reshape(width, count, size)
        products = np.einsum("ibm,jbn->bmnij", flat, flat).reshape(count * size * size, -1)
        own = precise.reshape(*precise.shape[:-3], -1)
        return np.asarray(own @ products).reshape(*precise.shape[:-3], width, width)
    inside = np.moveaxis(values, 0, -1)
    return np.asarray(np.sum(np.swapaxes(inside, -1, -2) @ (precise @ inside), axis=-3))


def _own(variances: Variances, rows: Index) -> Array:
    """Variances of the own effects of some estimates."""
    shape = np.broadcast_shapes(variances.own.shape, variances.sampling.shape)
    return np.broadcast_to(variances.own, shape)[..., rows]


class Smoothed(NamedTuple):
    """Random effects given the coefficients."""

    #: Coefficients on [X, y]: the sum of an estimate's random effects has conditional mean ``mean[..., -1] -
    #: mean[..., :-1] @ b``; shape (..., estimate, column + 1).
    mean: Array
    variance: Array  #: Its conditional variance, shape (..., estimate).


class Groups(NamedTuple):
    """Random effects of the groups of one level, those of the levels above included."""

    mean: Array  #: Coefficients on [X, y], shape (column + 1, ..., group), as in `Smoothed`.
    variance: Array  #: Shape (..., group).


def smooth_groups(system: System, variances: Variances) -> list[Groups]:
    """Pass messages up and down as far as the groups: one entry a level, from the innermost."""
    layout = system.layout
    if not layout.levels:
        return []
    heard = _heard(system, variances)
    lead = np.broadcast_shapes(
        heard[-1].precision.shape[:-1],
        heard[-1].mean.shape[1:-1],
        variances.groups[-1].shape[:-1],
    )
    above = Groups(
        np.zeros((system.columns.shape[-1] + 1, *lead, 1)),
        np.zeros((*lead, 1)),
    )
    found: list[Groups] = []
    parent = np.zeros(len(layout.levels[-1].starts), dtype=np.intp)
    for place in range(len(layout.levels) - 1, -1, -1):
        message, variance = heard[place + 1], variances.groups[place]
        kept = variance * message.precision / (1.0 + variance * message.precision)
        above = Groups(*_downwards(above, parent, kept, message.mean, variance))
        parent = layout.levels[place].parent
        found.insert(0, above)
    return found


def smooth(system: System, variances: Variances) -> Smoothed:
    """Pass messages up and down: the random effects behind each estimate, given b."""
    layout = system.layout
    joined = _joined(system, variances)
    given = _above(system, variances, joined)
    lead = given.variance.shape[:-1]
    mean = np.zeros((len(joined), *lead, joined.shape[-1]))
    spread = np.zeros((*lead, joined.shape[-1]))
    rows = layout.singles
    own, sampling = _own(variances, rows), variances.sampling[..., rows]
    kept = own / (own + sampling)
    count = len(rows)
    start = given[0][..., :count]
    mean[..., rows] = start + kept * (joined[..., rows] - start)
    spread[..., rows] = (1 - kept) ** 2 * given[1][..., :count] + kept * sampling
    for members, both in zip(layout.blocks, variances.paired, strict=True):
        stop = count + len(members)
        block = _block_effects(
            both, joined[..., members], (given[0][..., count:stop], given[1][..., count:stop])
        )
        mean[..., members], spread[..., members] = block
        count = stop
    return Smoothed(np.moveaxis(mean, 0, -1), spread)


def _above(system: System, variances: Variances, joined: Array) -> Groups:
    """Give the effect of the group that holds each unit, singles first; zeros where there are no groups."""
    layout, groups = system.layout, smooth_groups(system, variances)
    units = len(layout.singles) + sum(len(members) for members in layout.blocks)
    if not groups:
        shapes = [variances.own.shape[:-1], variances.sampling.shape[:-1], joined.shape[1:-1]]
        lead = np.broadcast_shapes(*shapes, *(block.shape[:-3] for block in variances.blocks))
        return Groups(np.zeros((len(joined), *lead, units)), np.zeros((*lead, units)))
    parent = layout.levels[0].parent[np.argsort(layout.order)]
    return Groups(groups[0].mean[..., parent], groups[0].variance[..., parent])


def log_densities(system: System, variances: Variances, b: Array) -> Array:
    """Log density of each estimate given the other estimates and b, random effects integrated out.

    From the inverse Q of the estimates' covariance and their residuals r, each has the conditional precision
    Q_ii and the conditional mean y_i - (Q r)_i / Q_ii. A unit's own block of Q is A^-1 - A^-1 11' A^-1 v,
    with A its covariance given the group that holds it and v the variance of that group's effect given all.

    `b` (..., column); gives (..., estimate).
    """
    joined = _joined(system, variances)
    given = _above(system, variances, joined)
    signed = np.concatenate([-b, np.ones((*b.shape[:-1], 1))], axis=-1)
    residual = np.einsum("...c,c...e->...e", signed, joined)
    centre = np.einsum("...c,c...e->...e", signed, given.mean)
    count = len(system.layout.singles)
    precision, weighted = np.empty(residual.shape), np.empty(residual.shape)
    rows = system.layout.singles
    alone = 1.0 / (_own(variances, rows) + variances.sampling[..., rows])
    precision[..., rows] = alone * (1.0 - alone * given.variance[..., :count])
    weighted[..., rows] = alone * (residual[..., rows] - centre[..., :count])
    for members, both in zip(system.layout.blocks, variances.paired, strict=True):
        unit = slice(count, count + len(members))
        precise, _ = _block_inverse(both)
        shared = np.sum(precise, axis=-1)
        own = np.diagonal(precise, axis1=-2, axis2=-1)
        precision[..., members] = own - shared**2 * given.variance[..., unit, None]
        left = residual[..., members] - centre[..., unit, None]
        weighted[..., members] = (precise @ left[..., None])[..., 0]
        count = unit.stop
    return 0.5 * (np.log(precision) - weighted**2 / precision - LOG_2PI)


def _downwards(
    above: tuple[Array, Array], parent: Index, kept: Array, centre: Array, variance: Array
) -> tuple[Array, Array]:
    """One step down: from the groups' effects to those of the units that they hold."""
    mean, spread = above[0][..., parent], above[1][..., parent]
    down = mean + kept * (centre - mean)
    return down, (1 - kept) ** 2 * spread + variance * (1 - kept)


def _block_effects(
    both: tuple[Array, Array], values: Array, given: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Effects behind the estimates of blocks, whose values have shape (column, ..., block, member)."""
    sampling, effects = both
    kept = effects @ _block_inverse(both)[0]
    start = given[0][..., None]
    mean = start + (kept @ (values - start)[..., None])[..., 0]
    left = 1.0 - np.sum(kept, axis=-1)
    # T - T (S + T)^-1 T = T (S + T)^-1 S: nothing is subtracted.
    inner = np.sum(kept * sampling, axis=-1)
    return mean, left**2 * given[1][..., None] + inner


def solve_columns(system: System, variances: Variances, smoothed: Smoothed) -> Array:
    """V^-1 X, from the smoothed random effects: S^-1 (X - effects of X); gives (..., estimate, column)."""
    residual = system.columns - smoothed.mean[..., :-1]
    solved = residual / variances.sampling[..., None]
    for members, covariance in zip(system.layout.blocks, variances.blocks, strict=True):
        solved[..., members, :] = np.linalg.inv(covariance) @ residual[..., members, :]
    return solved
