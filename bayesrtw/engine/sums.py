"""What a batch of posteriors adds up over its estimates, given tau.

Leaving a few rows of many out one after another is a sum over all rows, less the few: its cost is that of
one problem and not of as many as there are rows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.cholesky import inverse

Array = NDArray[np.float64]

#: Log prior density of tau: shape (problem, node) to the same shape.
LogPrior = Callable[[Array], Array]

LOG_2PI = math.log(2.0 * math.pi)

#: Powers of ten that a product may span before a logarithm is taken; a double spans 308.
DECADES = 280.0

#: Problems from which on sums are taken over all rows, less those that each problem lacks; and the least
#: share of the information, and the most log likelihood in residuals, that subtraction leaves its digits.
MANY, LEFT, RESIDUAL = 64, 1e-3, 1e7


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Independent problems of one shape."""

    #: effect, se: shape (problem, estimate) or (estimate,); analysis scale.
    effect: Array
    se: Array
    columns: Array  #: X, shape (problem, estimate, column) or (estimate, column).
    #: mean, precision: prior of the coefficients, shape (problem, column) or (column,); precision 0 is flat.
    mean: Array
    precision: Array
    #: Log prior density of tau: shape (problem, node) to the same shape; None is tau = 0.
    log_prior: LogPrior | None
    bounded: bool  #: Whether that density is finite at tau = 0.
    #: Which estimates a problem has, shape (problem, estimate) or (estimate,).
    mask: NDArray[np.bool_]
    power: Array  #: Power of the likelihood, shape (problem,) or (); 1 is the posterior.
    #: Highest moment of tau that the nodes must hold, shape (problem,) or ().
    moment: NDArray[np.intp]
    upper: float  #: Where the prior of tau ends, of all problems; inf if it does not.

    @property
    def size(self) -> int:
        """How many problems there are."""
        lead = np.broadcast_shapes(
            self.effect.shape[:-1],
            self.se.shape[:-1],
            self.columns.shape[:-2],
            self.mean.shape[:-1],
            self.precision.shape[:-1],
            self.mask.shape[:-1],
            np.shape(self.power),
            np.shape(self.moment),
        )
        return int(lead[0]) if lead else 1


class Sums:
    """Everything of a part of a batch that does not depend on tau.

    Arrays have the node as their last axis and the estimate before it, so that sums over estimates
    are products of matrices and everything else runs along nodes.
    """

    def __init__(self, batch: Batch) -> None:
        self.problems = batch.size
        # Standard errors and masks that all problems share keep a problem axis of length one.
        included = np.atleast_2d(batch.mask)
        with np.errstate(divide="ignore"):
            self.ratio = np.where(included, np.atleast_2d(batch.se) ** -2.0, 0.0)
        used = np.broadcast_to(included, self.ratio.shape)
        self.log_det = -np.sum(np.log(np.where(used, self.ratio, 1.0)), axis=-1)[:, None]
        self.number = used.sum(axis=-1)
        self.most = float(np.max(self.ratio, initial=0.0))
        shape = (self.problems, self.ratio.shape[-1])
        self.width = batch.columns.shape[-1]
        columns = np.broadcast_to(batch.columns, (*shape, self.width))
        effect = np.broadcast_to(batch.effect, shape)
        weight = np.broadcast_to(self.ratio, shape) + np.finfo(float).tiny
        self.pilot = _pilot(columns, effect, weight, batch)
        residual = effect - (columns @ self.pilot[..., None])[..., 0]
        joined = np.concatenate([np.moveaxis(columns, -1, 1), residual[:, None, :]], axis=1)
        i, j = np.tril_indices(self.width + 1)
        self.pairs = (i, j)
        self.products = joined[:, i] * joined[:, j]
        self.powered = bool(np.any(batch.power != 1.0))
        self.power = np.broadcast_to(batch.power, (self.problems,))[:, None]
        precision = np.broadcast_to(batch.precision, (self.problems, self.width))
        self.precision = precision
        proper = precision > 0
        self.mean = np.where(proper, np.broadcast_to(batch.mean, precision.shape) - self.pilot, 0.0)
        safe = np.where(proper, precision, 2.0 * math.pi)
        constant = 0.5 * np.sum(np.log(safe) - precision * self.mean**2, axis=-1)
        base = -0.5 * self.power[:, 0] * (self.number * LOG_2PI + self.log_det[:, 0])
        self.constant = (constant + base)[:, None]

    def given(self, tau: Array) -> tuple[Array, Array, Array]:
        """Log density of the data, mean and covariance of the coefficients given tau.

        `tau` (problem, node); gives (problem, node).
        """
        sums, half_log = self.added(tau)
        if self.width == 1:
            return self._single(sums, half_log)
        i, j = self.pairs
        width, nodes = self.width, sums.shape[-1]
        gram = np.empty((self.problems, nodes, width + 1, width + 1))
        gram[..., i, j] = gram[..., j, i] = np.moveaxis(sums, 1, -1)
        log = self.constant - half_log - 0.5 * gram[..., width, width]
        if width == 0:
            return log, gram[..., 0, :0], gram[..., :0, :0]
        prior = self.precision[:, None, :]
        h = prior * self.mean[:, None, :] + gram[..., :width, width]
        covariance, log_p = inverse(gram[..., :width, :width] + prior[..., None] * np.eye(width))
        b = (covariance @ h[..., None])[..., 0]
        log += 0.5 * (np.sum(b * h, axis=-1) - log_p)
        return log, b + self.pilot[:, None, :], covariance

    def added(self, tau: Array) -> tuple[Array, Array]:
        """Add products over the rows, shape (problem, pair, node); and half the log determinant."""
        tau2 = (tau * tau)[:, None, :]
        ratio = self.ratio[:, :, None]
        grown = tau2 * ratio
        largest = 1.0 + float(np.max(tau2)) * self.most
        grown += 1.0
        sums = self.products @ (ratio / grown)
        half_log = 0.5 * _log_product(grown, largest)
        if self.powered:
            sums *= self.power[..., None]
            half_log = half_log * self.power
        return sums, half_log

    def _single(self, sums: Array, half_log: Array) -> tuple[Array, Array, Array]:
        """Finish `given` where there is one column, from its three sums."""
        p = sums[:, 0] + self.precision
        h = sums[:, 1] + self.precision * self.mean
        b = h / p
        log = self.constant - half_log + 0.5 * (b * h - sums[:, 2] - np.log(p))
        return log, (b + self.pilot)[..., None], (1.0 / p)[..., None, None]


class Lacking(Sums):
    """The same for problems that lack a few rows of one data set each; see `few_missing`.

    They share the nodes of tau, so that what all rows add up to is worked out once.
    """

    def __init__(self, batch: Batch) -> None:
        whole = replace(
            batch,
            mask=np.ones(batch.mask.shape[-1], dtype=bool),
            moment=np.max(batch.moment, keepdims=True),
        )
        super().__init__(whole)
        missing, self.row = np.nonzero(~batch.mask)
        self.some, self.starts = np.unique(missing, return_index=True)
        self.problems = batch.size
        self.number = batch.mask.sum(axis=-1)
        base = 0.5 * self._less(np.log(self.ratio[0, self.row]) - LOG_2PI)
        self.constant = self.constant - base[:, None]

    def added(self, tau: Array) -> tuple[Array, Array]:
        """See `Sums`; tau has shape (1, node)."""
        sums, half_log = super().added(tau)
        ratio = self.ratio[0, self.row][:, None]
        grown = 1.0 + tau * tau * ratio
        products = self.products[0][:, self.row].T[:, :, None]
        less = self._less(products * (ratio / grown)[:, None, :])
        return sums - less, half_log - 0.5 * self._less(np.log(grown))

    def _less(self, each: Array) -> Array:
        """Sum what rows have by the problems that lack them; shape (problem, ...)."""
        found = np.zeros((self.problems, *each.shape[1:]))
        if len(each):
            found[self.some] = np.add.reduceat(each, self.starts, axis=0)
        return found


def few_missing(batch: Batch) -> bool:
    """Say whether many problems differ in nothing but the few rows that each of them lacks."""
    shared = (
        batch.mask.ndim == 2
        and batch.size >= MANY
        and (batch.effect.ndim, batch.se.ndim, batch.columns.ndim) == (1, 1, 2)
        and (batch.mean.ndim, batch.precision.ndim, np.ndim(batch.power)) == (1, 1, 0)
        and float(batch.power) == 1.0
    )
    if not shared or 2 * batch.mask.sum(axis=-1).min() < batch.mask.shape[-1]:
        return False
    if batch.log_prior is not None and np.shape(batch.log_prior(np.ones((1, 1)))) != (1, 1):
        return False
    ratio = batch.se**-2.0
    if np.any(batch.mask @ ratio < LEFT * ratio.sum()):
        return False
    every = Sums(
        replace(
            batch, mask=np.ones(len(ratio), dtype=bool), moment=np.max(batch.moment, keepdims=True)
        )
    )
    return bool(every.products[0, -1] @ ratio < RESIDUAL)


def _pilot(columns: Array, effect: Array, weight: Array, batch: Batch) -> Array:
    """Coefficients near each posterior, to centre the data at."""
    weighted = weight[..., None] * columns
    matrix = np.swapaxes(weighted, -1, -2) @ columns
    precision = np.broadcast_to(batch.precision, matrix.shape[:-1])
    ridge = 1e-9 * np.trace(matrix, axis1=-2, axis2=-1)[..., None] + precision + 1e-300
    matrix = matrix + ridge[..., None] * np.eye(matrix.shape[-1])
    right = np.einsum("bnq,bn->bq", weighted, effect) + precision * batch.mean
    return np.asarray(np.linalg.solve(matrix, right[..., None])[..., 0])


def _log_product(grown: Array, largest: float) -> Array:
    """Sum of logarithms over the middle axis, few logarithms for many numbers up to `largest`."""
    count = grown.shape[1]
    together = int(DECADES / max(math.log10(largest), 1e-3))
    if together >= count:
        return np.asarray(np.log(np.multiply.reduce(grown, axis=1)))
    starts = np.arange(0, count, max(1, together))
    return np.asarray(np.sum(np.log(np.multiply.reduceat(grown, starts, axis=1)), axis=1))
