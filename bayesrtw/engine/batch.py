"""Many posteriors in one call: exchangeable or common effects, any moderators, one tau each.

Leading axes run over evidence, masks, priors and designs, so that leave-one-out, a panel of priors,
thousands of simulated data sets or a curve of tipping points are one set of array operations. The
algebra is that of `bayesrtw.engine.kernel` without nested groups; ranges are found by
`bayesrtw.engine.quadrature`, one for each problem.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from bayesrtw.engine.integrate import moment_order
from bayesrtw.engine.problem import SHIFT
from bayesrtw.engine.quadrature import locate, together
from bayesrtw.engine.sums import Batch, Lacking, LogPrior, Sums, few_missing
from bayesrtw.errors import ConvergenceError, EngineRefusal
from bayesrtw.model.design import Design
from bayesrtw.model.prior import Prior
from bayesrtw.posterior.axis import Positive
from bayesrtw.posterior.nodes import Range, rule

Array = NDArray[np.float64]

#: Nodes for each problem. Against 128 nodes no log evidence, mean or SD of 2,000 simulated data sets
#: moves by more than 1e-8 (tests/unit/test_sensitivity.py); `settle` doubles them until that holds.
NODES = 48

#: Numbers in one intermediate array: half a megabyte stays in the cache.
AT_ONCE = 65_536

#: The same where problems share what all rows add up to, and points of each look at them.
TOGETHER, LOOK = 4_000_000, 64

#: Most nodes that doubling may reach, as for a single problem.
MOST_NODES = 8_192


def batch_of(design: Design) -> Batch:
    """Make a batch of one problem, to be widened with `dataclasses.replace`."""
    spreads = [name for part in design.grouped for name in part.hyper]
    simple = spreads == list(design.hyper) and len(spreads) <= 1 and design.excess is None
    if (
        not simple
        or design.blocks
        or design.mixture is not None
        or not all(part.distinct for part in design.grouped)
    ):
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
        moment=np.asarray(moment_order(design)),
        upper=prior.support[1] if prior is not None else math.inf,
    )


def prior_panel(priors: Sequence[Prior]) -> LogPrior:
    """Give log densities of problems that differ in the prior of tau, shape (problem, node) to the same."""

    def log_prior(tau: Array) -> Array:
        rows = np.broadcast_to(tau, (len(priors), tau.shape[-1]))
        return np.stack([prior.logpdf(row) for prior, row in zip(priors, rows, strict=True)])

    return log_prior


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """Posteriors of a batch, as mixtures of normals over nodes."""

    log_evidence: Array  #: Shape (problem,); with flat coefficients integrated over density 1.
    #: tau, weight: nodes and their posterior shares, shape (problem, node).
    tau: Array
    weight: Array
    #: mean, covariance: of the coefficients given the node, shapes (problem, node, column) and (problem,
    #: node, column, column).
    mean: Array
    covariance: Array
    #: low, high, shift: range of each problem's coordinate log(tau + shift), shape (problem,); empty without
    #: tau.
    low: Array
    high: Array
    shift: Array

    def mixture(self, combine: Array, *, new: bool = False) -> tuple[Array, Array, Array]:
        """Give a linear combination of the coefficients as mixtures for `bayesrtw.posterior.mixture`.

        `combine` (column,); gives (node, problem).
        """
        mean = self.mean @ combine
        variance = np.einsum("...ij,i,j->...", self.covariance, combine, combine)
        sd = np.sqrt(variance + self.tau**2 if new else variance)
        return self.weight.T, mean.T, sd.T

    def spread_cdf(self, value: Array) -> Array:
        """P(tau <= value), from the Legendre series of each posterior density between its nodes.

        `value` (problem,); gives (problem,).
        """
        count = self.weight.shape[1]
        x, _ = rule(count)
        density = (np.arange(count) + 0.5) * (self.weight @ legendre.legvander(x, count - 1))
        cumulative = np.asarray(legendre.legint(density, lbnd=-1, axis=1))
        with np.errstate(divide="ignore"):
            u = np.log(value + self.shift)
        z = np.clip(2.0 * (u - self.low) / (self.high - self.low) - 1.0, -1.0, 1.0)
        return np.clip(np.sum(legendre.legvander(z, count) * cumulative, axis=1), 0.0, 1.0)


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
    return _joined([_solved(part, nodes) for part in _placed(batch, nodes)])


def settle(batch: Batch, tolerance: float, nodes: int = NODES) -> Solved:
    """Solve every problem with more and more nodes until no answer moves."""
    parts = list(_placed(batch, nodes))
    before = _joined([_solved(part, nodes) for part in parts])
    moved = math.inf
    while 2 * nodes <= MOST_NODES:
        nodes *= 2
        after = _joined([_solved(part, nodes) for part in parts])
        moved = float(np.max(np.abs(_answers(after) - _answers(before)), initial=0.0))
        if moved <= tolerance:
            return after
        before = after
    raise ConvergenceError(
        f"a batch still moves by {moved:.1e} at the most nodes that are tried; a prior and the data "
        "live on scales too far apart, or the prior is not smooth. Fit the problems one by one."
    )


def _answers(solved: Solved) -> Array:
    """Everything that must stand still, shape (answer, problem), scaled to be relative."""
    share = solved.weight[..., None]
    mean = np.sum(share * solved.mean, axis=1)
    within = np.diagonal(solved.covariance, axis1=-2, axis2=-1)
    sd = np.sqrt(np.sum(share * (within + (solved.mean - mean[:, None]) ** 2), axis=1))
    tau = np.sum(solved.weight * solved.tau, axis=1)
    spread = np.sqrt(np.sum(solved.weight * (solved.tau - tau[:, None]) ** 2, axis=1))
    tiny = np.finfo(float).tiny
    rows = [solved.log_evidence, np.log(np.maximum(tau, tiny)), np.log(np.maximum(spread, tiny))]
    return np.concatenate([rows, np.log(sd).T, (mean / sd).T])


def _joined(parts: Sequence[Solved]) -> Solved:
    """Put the parts of a batch together again."""
    if len(parts) == 1:
        return parts[0]
    return Solved(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in Solved.__dataclass_fields__
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
        moment=rows(batch.moment, 0),
        log_prior=log_prior,
    )


class _Place(NamedTuple):
    """A part of a batch with the range of its coordinate; without heterogeneity there is none."""

    batch: Batch
    sums: Sums
    axis: Positive | None
    where: Range | None


def _placed(batch: Batch, nodes: int) -> Iterator[_Place]:
    """Cut a batch into parts that stay in the cache, and find where each posterior lives."""
    found = list(_together(batch)) if few_missing(batch) else []
    if sum(each.batch.size for each in found) == batch.size:
        yield from found
        return
    room = max(1, AT_ONCE // (batch.effect.shape[-1] * nodes))
    for start in range(0, batch.size, room):
        part = _part(batch, start, min(start + room, batch.size))
        sums, log_prior = Sums(part), part.log_prior
        if log_prior is None:
            yield _Place(part, sums, None, None)
            continue
        number = int(np.max(sums.number))
        axis = _axis(part, sums)
        density = _density(sums, axis, log_prior)
        moment = np.asarray(part.moment, dtype=np.float64)[..., None]
        yield _Place(part, sums, axis, locate(density, axis, axis.look, size=number, moment=moment))


def _axis(batch: Batch, sums: Sums) -> Positive:
    """Give the coordinate of tau: its scale is a typical standard error."""
    typical = float(np.median(np.sqrt(sums.number / np.sum(sums.ratio, axis=-1))))
    number = int(np.max(sums.number))
    shift = SHIFT * min(typical * number**-0.25, batch.upper / 2) if batch.bounded else 0.0
    return Positive(typical, shift, batch.upper)


def _density(sums: Sums, axis: Positive, prior: LogPrior) -> Callable[[Array], Array]:
    """Give the log density of the coordinate, of every problem."""

    def density(u: Array) -> Array:
        tau = np.atleast_2d(axis.value(u))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return sums.given(tau)[0] + prior(tau) + axis.log_jacobian(u)

    return density


def _together(batch: Batch) -> Iterator[_Place]:
    """Find one range for all problems that lack few rows; nothing if one look does not hold them."""
    pairs = (batch.columns.shape[-1] + 1) * (batch.columns.shape[-1] + 2) // 2
    room = max(1, TOGETHER // (pairs * LOOK))
    for start in range(0, batch.size, room):
        part = _part(batch, start, min(start + room, batch.size))
        sums, log_prior = Lacking(part), part.log_prior
        if log_prior is None:
            yield _Place(part, sums, None, None)
            continue
        axis = _axis(part, sums)
        moment = np.broadcast_to(np.asarray(part.moment, dtype=np.float64), (part.size,))[:, None]
        where = together(
            _density(sums, axis, log_prior), axis, axis.look, moment=moment, points=LOOK
        )
        if where is None:
            return
        yield _Place(part, sums, axis, where)


def _solved(place: _Place, nodes: int) -> Solved:
    """Lay nodes and weigh them."""
    batch, sums, axis, where = place
    if axis is None or where is None or batch.log_prior is None:
        zero = np.zeros((sums.problems, 1))
        log, mean, covariance = sums.given(zero)
        none = np.zeros(0)
        return Solved(log[:, 0], zero, np.ones_like(zero), mean, covariance, none, none, none)
    x, w = rule(nodes)
    half = 0.5 * (where.high - where.low)[:, None]
    u = where.low[:, None] + half * (x + 1.0)
    tau = axis.value(u)
    log, mean, covariance = sums.given(tau)
    log += batch.log_prior(tau) + axis.log_jacobian(u)
    peak = np.max(log, axis=-1, keepdims=True)
    weight = np.exp(log - peak) * w
    total = np.sum(weight, axis=-1, keepdims=True)
    log_total = (np.log(half * total) + peak)[:, 0]
    low, high = (np.broadcast_to(end, total.shape[:1]) for end in (where.low, where.high))
    tau = np.broadcast_to(tau, weight.shape)
    shift = np.full(len(total), axis.shift)
    return Solved(log_total, tau, weight / total, mean, covariance, low, high, shift)
