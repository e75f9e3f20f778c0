"""Many posteriors in one call: exchangeable or common effects, any moderators, one tau each.

Leading axes run over evidence, masks, priors and designs, so that leave-one-out, a panel of priors,
thousands of simulated data sets or a curve of tipping points are one set of array operations. The
algebra is that of `bayesrtw.engine.kernel` without nested groups; the nodes are laid by
`bayesrtw.engine.quadrature`, one range for each problem.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.axis import Positive
from bayesrtw.engine.problem import SHIFT
from bayesrtw.engine.quadrature import Nodes, lay
from bayesrtw.errors import EngineRefusal
from bayesrtw.model.design import Design
from bayesrtw.model.prior import Prior

Array = NDArray[np.float64]

LOG_2PI = math.log(2.0 * math.pi)

#: Nodes for each problem. Against 128 nodes no log evidence, mean, SD or probability of 10,000
#: simulated data sets moves by more than 1e-8 (tests/unit/test_batch.py).
NODES = 48

#: Numbers in one intermediate array: half a megabyte stays in the cache.
AT_ONCE = 65_536

#: Variance ratios multiplied before one logarithm is taken; four cannot overflow below 1e38
#: standard errors.
TOGETHER = 4


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Independent problems of one shape.

    Attributes
    ----------
    effect, se
        Shape (problem, estimate) or (estimate,); analysis scale.
    columns
        X, shape (problem, estimate, column) or (estimate, column).
    mean, precision
        Prior of the coefficients, shape (problem, column) or (column,); precision 0 is flat.
    log_prior
        Log prior density of tau: shape (problem, node) to the same shape; None is tau = 0.
    bounded
        Whether that density is finite at tau = 0.
    mask
        Which estimates a problem has, shape (problem, estimate) or (estimate,).
    power
        Power of the likelihood, shape (problem,) or (); 1 is the posterior.
    """

    effect: Array
    se: Array
    columns: Array
    mean: Array
    precision: Array
    log_prior: Callable[[Array], Array] | None
    bounded: bool
    mask: NDArray[np.bool_]
    power: Array

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
        )
        return int(lead[0]) if lead else 1


def batch_of(design: Design) -> Batch:
    """Make a batch of one problem, to be widened with `dataclasses.replace`.

    Parameters
    ----------
    design
        A design with at most one hyperparameter and independent estimates.

    Returns
    -------
    Batch
        With arrays that have no problem axis yet.

    Raises
    ------
    EngineRefusal
        If the design has nested groups, several hyperparameters or correlated estimates.
    """
    spreads = [name for part in design.grouped for name in part.hyper]
    simple = spreads == list(design.hyper) and len(spreads) <= 1 and design.excess is None
    if not simple or design.blocks or not all(part.distinct for part in design.grouped):
        raise EngineRefusal(
            "a batch serves one heterogeneity SD and independent estimates; fit the problems one by one."
        )
    prior = next(iter(design.hyper.values()), None)
    return Batch(
        effect=design.effect,
        se=design.se,
        columns=design.columns,
        mean=design.mean,
        precision=design.precision,
        log_prior=prior.logpdf if prior is not None else None,
        bounded=prior is not None and bool(np.isfinite(prior.logpdf(np.zeros(1))[0])),
        mask=np.ones(len(design.se), dtype=bool),
        power=np.ones(()),
    )


def prior_panel(priors: Sequence[Prior]) -> tuple[Callable[[Array], Array], bool]:
    """Give one log density for problems that differ in the prior of tau.

    Parameters
    ----------
    priors
        One for each problem, in order.

    Returns
    -------
    tuple
        Log density of shape (problem, node) to the same shape, and whether all are finite at 0.
    """

    def log_prior(tau: Array) -> Array:
        rows = np.broadcast_to(tau, (len(priors), tau.shape[-1]))
        return np.stack([prior.logpdf(row) for prior, row in zip(priors, rows, strict=True)])

    at_zero = all(bool(np.isfinite(prior.logpdf(np.zeros(1))[0])) for prior in priors)
    return log_prior, at_zero


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """Posteriors of a batch, as mixtures of normals over nodes.

    Attributes
    ----------
    log_evidence
        Shape (problem,); with flat coefficients integrated over density 1.
    tau, weight
        Nodes and their posterior shares, shape (problem, node).
    mean, covariance
        Of the coefficients given the node, shapes (problem, node, column) and
        (problem, node, column, column).
    """

    log_evidence: Array
    tau: Array
    weight: Array
    mean: Array
    covariance: Array

    def mixture(self, combine: Array, *, new: bool = False) -> tuple[Array, Array, Array]:
        """Give a linear combination of the coefficients as mixtures for `bayesrtw.engine.mixture`.

        Parameters
        ----------
        combine
            Shape (column,).
        new
            Add the heterogeneity of a new setting.

        Returns
        -------
        tuple of ndarray, shape (node, problem)
            Weights, means and SDs.
        """
        mean = self.mean @ combine
        variance = np.einsum("...ij,i,j->...", self.covariance, combine, combine)
        sd = np.sqrt(variance + self.tau**2 if new else variance)
        return self.weight.T, mean.T, sd.T


def solve(batch: Batch, nodes: int = NODES) -> Solved:
    """Solve every problem of a batch.

    Parameters
    ----------
    batch
        The problems.
    nodes
        Nodes for each.

    Returns
    -------
    Solved
        In the order of the problems.
    """
    count = batch.effect.shape[-1]
    room = max(1, AT_ONCE // (count * 16))
    parts = [
        _solve(_part(batch, start, min(start + room, batch.size)), nodes)
        for start in range(0, batch.size, room)
    ]
    if len(parts) == 1:
        return parts[0]
    return Solved(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("log_evidence", "tau", "weight", "mean", "covariance")
        )
    )


def _part(batch: Batch, start: int, stop: int) -> Batch:
    """Problems of a range; what they share stays shared."""

    def rows[A: NDArray[Any]](array: A, axes: int) -> A:
        return array[start:stop] if array.ndim > axes else array  # type: ignore[return-value]

    log_prior = batch.log_prior
    if log_prior is not None and batch.size > stop - start:
        whole, size = log_prior, batch.size

        def narrowed(tau: Array) -> Array:
            wide = np.ones((size, tau.shape[-1]))
            wide[start:stop] = tau
            return np.broadcast_to(whole(wide), wide.shape)[start:stop]

        shared = np.shape(log_prior(np.ones((1, 1)))) == (1, 1)
        log_prior = log_prior if shared else narrowed
    return replace(
        batch,
        effect=rows(batch.effect, 1),
        se=rows(batch.se, 1),
        columns=rows(batch.columns, 2),
        mean=rows(batch.mean, 1),
        precision=rows(batch.precision, 1),
        mask=rows(batch.mask, 1),
        power=rows(batch.power, 0),
        log_prior=log_prior,
    )


class _Sums:
    """Everything of a part of a batch that does not depend on tau."""

    def __init__(self, batch: Batch) -> None:
        self.problems = batch.size
        included = np.broadcast_to(batch.mask, (self.problems, batch.mask.shape[-1])).astype(float)
        se2 = np.broadcast_to(batch.se**2, included.shape)
        self.se2 = np.where(included > 0, se2, np.inf)
        # A masked estimate has infinite variance: no weight, and a ratio of one below.
        self.ratio = np.where(included > 0, 1.0 / se2, 0.0)
        self.power = np.broadcast_to(batch.power, (self.problems,))
        self.log_det = np.sum(np.where(included > 0, np.log(se2), 0.0), axis=-1)
        self.number = included.sum(axis=-1)
        columns = np.broadcast_to(batch.columns, (*included.shape, batch.columns.shape[-1]))
        effect = np.broadcast_to(batch.effect, included.shape)
        weight = self.ratio + np.finfo(float).tiny
        self.pilot = _pilot(columns, effect, weight, batch)
        residual = effect - np.einsum("bnq,bq->bn", columns, self.pilot)
        joined = np.concatenate([columns, residual[..., None]], axis=-1)
        self.width = columns.shape[-1]
        i, j = np.tril_indices(self.width + 1)
        self.pairs = (i, j)
        self.products = np.where(included[..., None] > 0, joined[..., i] * joined[..., j], 0.0)
        precision = np.broadcast_to(batch.precision, (self.problems, self.width))
        self.precision = precision
        mean = np.broadcast_to(batch.mean, precision.shape)
        self.mean = np.where(precision > 0, mean - self.pilot, 0.0)
        proper = precision > 0
        safe = np.where(proper, precision, 2.0 * math.pi)
        self.constant = 0.5 * np.sum(np.log(safe), axis=-1)

    def given(self, tau: Array) -> tuple[Array, Array, Array]:
        """Log density of the data, mean and covariance of the coefficients; tau (problem, node)."""
        tau2 = np.broadcast_to(tau, (self.problems, tau.shape[-1]))[..., None] ** 2
        weight = 1.0 / (self.se2[:, None, :] + tau2)
        grown = 1.0 + tau2 * self.ratio[:, None, :]
        log_det = self.log_det[:, None] + _log_product(grown)
        power = self.power[:, None]
        sums = (weight @ self.products) * power[..., None]
        gram = np.zeros((*sums.shape[:-1], self.width + 1, self.width + 1))
        i, j = self.pairs
        gram[..., i, j] = sums
        gram[..., j, i] = sums
        width = self.width
        square = gram[..., width, width]
        base = -0.5 * power * (self.number[:, None] * LOG_2PI + log_det)
        if width == 0:
            return base - 0.5 * square, gram[..., 0, :0], gram[..., :0, :0]
        prior = self.precision[:, None, :]
        h = prior * self.mean[:, None, :] + gram[..., :width, width]
        if width == 1:
            p = prior[..., 0] + gram[..., 0, 0]
            covariance, log_p = (1.0 / p)[..., None, None], np.log(p)
            b = h / p[..., None]
        else:
            p = gram[..., :width, :width] + prior[..., None] * np.eye(width)
            root = 1.0 / np.sqrt(np.diagonal(p, axis1=-2, axis2=-1))
            unit = root[..., :, None] * p * root[..., None, :]
            log_p = np.linalg.slogdet(unit)[1] - 2.0 * np.sum(np.log(root), axis=-1)
            covariance = root[..., :, None] * np.linalg.inv(unit) * root[..., None, :]
            b = (covariance @ h[..., None])[..., 0]
        prior_square = np.sum(self.precision * self.mean**2, axis=-1)[:, None]
        quadratic = square + prior_square - np.sum(b * h, axis=-1)
        log = base - 0.5 * (quadratic + log_p) + self.constant[:, None]
        return log, b + self.pilot[:, None, :], covariance


def _pilot(columns: Array, effect: Array, weight: Array, batch: Batch) -> Array:
    """Coefficients near each posterior, to centre the data at."""
    weighted = weight[..., None] * columns
    matrix = np.swapaxes(weighted, -1, -2) @ columns
    precision = np.broadcast_to(batch.precision, matrix.shape[:-1])
    ridge = 1e-9 * np.trace(matrix, axis1=-2, axis2=-1)[..., None] + precision + 1e-300
    matrix = matrix + ridge[..., None] * np.eye(matrix.shape[-1])
    right = np.einsum("bnq,bn->bq", weighted, effect) + precision * batch.mean
    return np.asarray(np.linalg.solve(matrix, right[..., None])[..., 0])


def _log_product(grown: Array) -> Array:
    """Sum of logarithms over the last axis, few logarithms for many numbers."""
    count = grown.shape[-1]
    whole = count - count % TOGETHER
    total = np.zeros(grown.shape[:-1])
    if whole:
        packed = grown[..., :whole].reshape(*grown.shape[:-1], whole // TOGETHER, TOGETHER)
        total = total + np.sum(np.log(np.prod(packed, axis=-1)), axis=-1)
    if whole < count:
        total = total + np.log(np.prod(grown[..., whole:], axis=-1))
    return total


def _solve(batch: Batch, nodes: int) -> Solved:
    sums = _Sums(batch)
    if batch.log_prior is None:
        zero = np.zeros((sums.problems, 1))
        log, mean, covariance = sums.given(zero)
        return Solved(log[:, 0], zero, np.ones_like(zero), mean, covariance)
    log_prior = batch.log_prior

    def log_density(values: tuple[Array, ...]) -> Array:
        tau = np.broadcast_to(values[0], (sums.problems, values[0].shape[-1]))
        return np.asarray(sums.given(tau)[0] + log_prior(tau))

    number = int(np.max(sums.number))
    typical = float(np.median(np.sqrt(sums.number / np.sum(sums.ratio, axis=-1))))
    axis = Positive(typical, SHIFT * typical * number**-0.25 if batch.bounded else 0.0)
    found: Nodes = lay(log_density, (axis,), (nodes,), [axis.look], size=number, moments=[0])
    _, mean, covariance = sums.given(found.values[0])
    return Solved(found.log_total, found.values[0], np.exp(found.log_weight), mean, covariance)
