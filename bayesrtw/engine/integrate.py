"""The posterior of the hyperparameters of one problem: more nodes until nothing moves."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.kernel import Conditioned
from bayesrtw.engine.quadrature import lay, looks
from bayesrtw.errors import ConvergenceError
from bayesrtw.model.design import Design
from bayesrtw.model.prior import Prior
from bayesrtw.posterior.axis import Axis, Positive
from bayesrtw.posterior.marginal import (
    MARGIN,
    Marginal,
    last_terms,
    marginals,
    series,
    unresolved,
)
from bayesrtw.posterior.nodes import Nodes

Array = NDArray[np.float64]

#: Most nodes that doubling may reach: three SDs with half-Cauchy priors, one of two groups, take up to three
#: million. A posterior that these do not resolve is not smooth.
MOST_NODES = 4_194_304

#: The same for one hyperparameter alone.
MOST_ALONE = 8_192

#: Growth of the number of nodes of each of one, two and three hyperparameters: each step costs a factor
#: 2 to 3, and the error falls by the powers of ten that the nodes grow by.
GROWTH = (2.0, 1.5, 1.3)

#: A range longer than this share of the longest gets as many nodes as it does; a shorter one as many less as
#: the root of their ratio: a half-Cauchy's tail with two groups is three times as long as with five.
ALIKE = 0.5

#: Nodes with less weight than this are dropped where there are several hyperparameters.
NEGLIGIBLE = 1e-14

#: Least second moment that is divided by.
TINY = 1e-300


def pruned(found: Nodes) -> tuple[tuple[Array, ...], Array]:
    """Drop nodes that carry nothing, where there are many: gives (node,)."""
    weight, keep = np.exp(found.log_weight), carrying(found)
    return tuple(value[keep] for value in found.values), weight[keep] / weight[keep].sum()


def carrying(found: Nodes, least: float = NEGLIGIBLE) -> NDArray[np.bool_]:
    """Say which nodes of a single problem carry something, shape (node,); all where there are few."""
    weight = np.exp(found.log_weight)
    if len(found.counts) < 2:
        return np.ones(len(weight), dtype=bool)
    # Far out in a heavy tail a node counts for second moments that does not for probabilities.
    counts = np.ones_like(weight)
    for value in found.values:
        counts = np.maximum(counts, value**2 / max(float(weight @ value**2), TINY))
    return np.asarray(weight * counts > least)


def tail_power(design: Design) -> float:
    """Power with which the posterior of tau falls: p(tau | y) ~ tau^-power."""
    flat = int(np.sum(design.flat))
    powers = [float("inf")]
    for part in design.grouped:
        for place, name in enumerate(part.hyper):
            groups = len(np.unique(part.group[part.which == place]))
            powers.append(design.hyper[name].tail_power + max(groups - flat, 0))
    return float(min(powers))


def moment_order(design: Design) -> int:
    """Count the moments of an SD that the posterior has and that are reported: 0, 1 or 2."""
    tail = tail_power(design)
    return 2 if tail > 3 + MARGIN else 1 if tail > 2 + MARGIN else 0


@dataclass(frozen=True, slots=True, eq=False)
class Integral:
    """The posterior of the hyperparameters of one problem."""

    nodes: Nodes  #: Nodes that every sum over the posterior uses.
    finest: Nodes  #: The last nodes that were laid, for interpolation.
    #: Marginal posterior of each hyperparameter; empty unless they were wanted.
    marginals: tuple[Marginal, ...]
    #: Largest relative movement of the answer between the last two sets of nodes; with marginals of several
    #: hyperparameters also what is left out of their distribution functions.
    error: float
    #: What `nodes` gave, every value in their order; None where nobody kept it.
    given: Conditioned | None = None


class Integrand(Protocol):
    """A posterior of hyperparameters that can be integrated; see `bayesrtw.engine.problem.Problem`."""

    @property
    def design(self) -> Design:
        """The arrays."""

    @property
    def names(self) -> tuple[str, ...]:
        """The hyperparameters, in the order of integration."""

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Their coordinates."""

    @property
    def priors(self) -> tuple[Prior, ...]:
        """Their priors."""

    def given(self, values: tuple[Array, ...]) -> Conditioned:
        """Log density of the data, and moments of the coefficients, given the hyperparameters."""


class _Recalled:
    """A posterior that keeps its last pass of the kernel: nodes are laid and weighed in one."""

    def __init__(self, problem: Integrand) -> None:
        self.problem = problem
        self.values: tuple[Array, ...] = ()
        self.last: Conditioned | None = None

    def log_density(self, values: tuple[Array, ...]) -> Array:
        """Log posterior density, not normalised."""
        self.values, self.last = values, self.problem.given(values)
        log = self.last.log_density
        for value, prior in zip(values, self.problem.priors, strict=True):
            log = log + prior.logpdf(value)
        return log

    def given(self, values: tuple[Array, ...]) -> Conditioned:
        """Moments of the coefficients; those of the last pass if it was at the same values."""
        same = self.last is not None and all(
            np.array_equal(old, new) for old, new in zip(self.values, values, strict=True)
        )
        return self.last if self.last is not None and same else self.problem.given(values)


def integrate(
    problem: Integrand, start: int, tolerance: float, *, marginal: bool = False
) -> Integral:
    """Lay nodes over the hyperparameters, more and more, until nothing reported moves.

    One hyperparameter: their number doubles. Two: half as many again for each; three: three tenths.
    """
    dims = len(problem.names)
    if not dims:
        total = problem.given(()).log_density[0]
        none = Nodes((), np.zeros(1), total, (), ())
        return Integral(none, none, (), 0.0)
    most = moment_order(problem.design)
    moments = [most if isinstance(axis, Positive) else 0 for axis in problem.axes]
    size = max(len(problem.design.se), 1)
    seen = _Recalled(problem)
    try:
        at = looks(seen.log_density, problem.axes, moments)
        coarser, before, moved = None, None, np.inf
        each = max(8, start // 2 ** (dims - 1))
        growth, shares = GROWTH[dims - 1], _shares(at)
        while math.prod(counts := _counts(each, shares)) <= (MOST_ALONE, MOST_NODES)[dims > 1]:
            found = lay(
                seen.log_density,
                problem.axes,
                counts,
                at,
                size=size,
                moments=moments,
                earlier=coarser,
            )
            after = answer(problem, found, seen.given(found.on_axes()))
            if coarser is not None and before is not None:
                moved = float(np.max(np.abs(after - before)))
                if moved <= tolerance:
                    # Interpolation needs the finer nodes; for sums the coarser ones are as good,
                    # and with several hyperparameters far fewer.
                    kept = found if dims == 1 else coarser
                    if not marginal:
                        return Integral(kept, found, (), moved)

                    def again(counts: tuple[int, ...], earlier: Nodes = found) -> Nodes:
                        density, axes = seen.log_density, problem.axes
                        return lay(
                            density, axes, counts, at, size=size, moments=moments, earlier=earlier
                        )

                    finer, rest = resolve(found, again, tolerance)
                    own = marginals(finer, problem.axes)
                    mixed = [last_terms(each.weight[:, None]) for each in own[1:]]
                    return Integral(kept, found, own, max(moved, rest, *mixed))
            coarser, before, each = found, after, math.ceil(growth * each)
    except ArithmeticError as error:
        raise ConvergenceError(
            f"Exact: {error}: it is improper, or its tail is beyond 1e150 standard errors. Use a "
            "proper prior."
        ) from None
    raise ConvergenceError(
        f"Exact: the answer still moves by {moved:.1e} at the most nodes that are tried; the prior "
        "and the data live on scales too far apart, or the prior is not smooth. Use a prior of tau on "
        "the scale of the effects, or Nuts()."
    )


def _shares(at: Sequence[Array]) -> tuple[float, ...]:
    """Nodes of each hyperparameter as shares of those of the one with the longest range."""
    spans = [float(points[-1] - points[0]) for points in at]
    return tuple(
        1.0 if span >= ALIKE * max(spans) else math.sqrt(span / max(spans)) for span in spans
    )


def _counts(each: int, shares: Sequence[float]) -> tuple[int, ...]:
    return tuple(math.ceil(share * each) for share in shares)


def resolve(
    found: Nodes, again: Callable[[tuple[int, ...]], Nodes], tolerance: float
) -> tuple[Nodes, float]:
    """Lay nodes that several marginal densities can be read off, and say what these leave out.

    A density between nodes needs about twice the nodes of its integral: where coefficients of its series
    have not died, that hyperparameter alone gets more.
    """
    if len(found.counts) == 1:
        return found, 0.0
    while True:
        rests = [unresolved(found, place) for place in range(len(found.counts))]
        # Coefficients fall as powers of their number.
        more = [math.log(tolerance) / math.log(min(max(rest, tolerance), 0.5)) for rest in rests]
        counts = tuple(
            math.ceil(count * min(factor, 2.0))
            for count, factor in zip(found.counts, more, strict=True)
        )
        if counts == found.counts or math.prod(counts) > MOST_NODES:
            return found, max(rests)
        found = again(counts)


def answer(problem: Integrand, found: Nodes, given: Conditioned) -> Array:
    """Give everything that must stand still, each scaled so that movements are relative: gives (figure,)."""
    weight = np.exp(found.log_weight)
    width = given.mean.shape[-1]
    means = given.mean.reshape(len(weight), width)
    within = given.variance.reshape(len(weight), width)
    mean = weight @ means
    sd = np.sqrt(weight @ (within + (means - mean) ** 2))
    parts: list[Array] = [
        np.atleast_1d(found.log_total),
        np.log(sd),
        mean / np.where(sd > 0, sd, 1.0),
    ]
    for value, axis in zip(found.values, problem.axes, strict=True):
        centre = np.sum(weight * value)
        spread = np.sqrt(np.sum(weight * (value - centre) ** 2))
        size = centre / spread if axis.signed else np.log(centre)
        parts.append(np.array([size, np.log(spread)]))
    if len(found.values) == 1:
        first, axis = found.ranges[0], problem.axes[0]
        places = first.low + (first.high - first.low) * np.array([0.2, 0.4, 0.5, 0.6, 0.8])
        distribution = series(weight, axis, float(first.low), float(first.high))
        parts.append(distribution.cdf(axis.value(places)))
    return np.concatenate(parts)
