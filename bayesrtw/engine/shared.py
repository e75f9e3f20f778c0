"""One set of nodes for many neighbours of a problem, with the error that it leaves in each.

To locate a posterior costs more than to weigh it. Problems that differ in a few rows, a prior or a shift live
nearly in the same place: nodes are laid once, where the middle one lives down to 1e-16 of its maximum. Each
neighbour then pays one pass of the kernel for each of two sets of nodes, and is held to more than
`bayesrtw.engine.integrate` asks of every problem: the two agree to a tenth of the tolerance, and nothing is
left at the ends of the ranges. Who fails is integrated by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.engine.integrate import TINY, Integral, Integrand, answer, moment_order, resolve
from bayesrtw.engine.kernel import Conditioned
from bayesrtw.engine.quadrature import lay, log_rule, looks
from bayesrtw.posterior.axis import Axis, Positive
from bayesrtw.posterior.nodes import Nodes

Array = NDArray[np.float64]

#: Nodes for each of one, two and three hyperparameters, set by set. With two, the error of the shipped
#: analyses falls by two powers of ten for every eight nodes more, so that the next set shows it.
COUNTS = ((48, 64, 96, 144), (24, 32, 40, 48, 56, 64, 72, 80), (14, 18, 23))

#: Part of the tolerance that two sets may differ by: far quantiles of a new setting move ten times as much as
#: means and SDs.
AGREE = 0.1

#: Part of the tolerance that nodes at the ends of ranges may carry.
ENDS = 0.01


class Shareable(Integrand, Protocol):
    """A posterior of hyperparameters whose nodes serve its neighbours."""

    def on(self, axes: tuple[Axis, ...]) -> Self:
        """Give the same on other coordinates."""

    def log_density(self, values: tuple[Array, ...]) -> Array:
        """Log posterior density of the hyperparameters, not normalised."""


@dataclass(frozen=True, slots=True, eq=False)
class LaidNodes:
    """A set of nodes with the weights of the bare rule."""

    nodes: Nodes  #: As they were laid, with the weights of the middle problem.
    log_rule: Array  #: Log weights of the rule, shape (node,).
    last: NDArray[np.bool_]  #: Whether a node is the last of a range that goes on, shape (node,).


@dataclass(frozen=True, slots=True, eq=False)
class SharedNodes:
    """Nodes that neighbours share."""

    problem: Shareable  #: The one in the middle.
    #: From coarse to fine; a neighbour takes the first that the next agrees with.
    sets: tuple[LaidNodes, ...]
    tolerance: float  #: Largest relative movement of an answer; sets have to agree to a part of it.

    def weigh(self, problem: Shareable) -> Integral | None:
        """Weigh the nodes for a neighbour."""
        axes = dict(zip(self.problem.names, self.problem.axes, strict=True))
        if set(problem.names) != set(axes):
            return None
        here = problem.on(tuple(axes[name] for name in problem.names))
        coarser, before, earlier = None, None, None
        for laid in self.sets:
            found, given = _weighed(laid, self.problem.names, here)
            if not np.isfinite(found.log_total) or self._ends(laid, found):
                return None
            after = answer(here, found, given)
            if coarser is not None and before is not None:
                moved = float(np.max(np.abs(after - before)))
                if moved <= AGREE * self.tolerance:
                    if len(self.problem.names) == 1:
                        return Integral(found, found, (), moved, given)
                    return Integral(coarser, found, (), moved, earlier)
            coarser, before, earlier = found, after, given
        return None

    def resolved(self, problem: Shareable, found: Nodes) -> tuple[Nodes, float]:
        """Give nodes that marginal densities of a neighbour can be read off; see `integrate.resolve`."""
        middle = self.problem
        most = moment_order(middle.design)
        moments = [most if isinstance(axis, Positive) else 0 for axis in middle.axes]
        at = looks(middle.log_density, middle.axes, moments)
        axes = dict(zip(middle.names, middle.axes, strict=True))
        here = problem.on(tuple(axes[name] for name in problem.names))

        def again(counts: tuple[int, ...]) -> Nodes:
            own, _ = _weighed(_lay(middle, at, moments, counts), middle.names, here)
            return own

        finer, rest = resolve(found, again, self.tolerance)
        values = dict(zip(problem.names, finer.values, strict=True))
        return replace(finer, values=tuple(values[name] for name in middle.names)), rest

    def _ends(self, laid: LaidNodes, found: Nodes) -> bool:
        """Whether the last nodes of ranges carry something, of second moments too."""
        share = np.exp(found.log_weight)
        counts = np.ones_like(share)
        for value in found.values:
            counts = np.maximum(counts, value**2 / max(float(share @ value**2), TINY))
        return bool(np.sum((share * counts)[laid.last]) > ENDS * self.tolerance)


def common(problem: Shareable, tolerance: float) -> SharedNodes | None:
    """Lay nodes for the neighbours of a problem."""
    dims = len(problem.names)
    if not 1 <= dims <= len(COUNTS):
        return None
    most = moment_order(problem.design)
    moments = [most if isinstance(axis, Positive) else 0 for axis in problem.axes]
    sets: list[LaidNodes] = []
    try:
        at = looks(problem.log_density, problem.axes, moments)
        for count in COUNTS[dims - 1]:
            sets.append(_lay(problem, at, moments, (count,) * dims))
            # One set more than the middle problem needs, for neighbours that are harder.
            if len(sets) > 2 and SharedNodes(problem, tuple(sets[-3:-1]), tolerance).weigh(problem):
                break
    except ArithmeticError:
        return None
    return SharedNodes(problem, tuple(sets[-3:]), tolerance)


def _lay(
    problem: Shareable, at: Sequence[Array], moments: Sequence[int], counts: tuple[int, ...]
) -> LaidNodes:
    """Lay one set of nodes."""
    size = max(len(problem.design.se), 1)
    found = lay(problem.log_density, problem.axes, counts, at, size=size, moments=moments)
    return LaidNodes(found, log_rule(found, problem.axes), _last(found, problem))


def _weighed(
    laid: LaidNodes, names: Sequence[str], problem: Shareable
) -> tuple[Nodes, Conditioned]:
    """Weigh a set of nodes; condition on each with its hyperparameters on axes of their own."""
    base = laid.nodes
    axes = dict(zip(names, base.on_axes(), strict=True))
    flat = dict(zip(names, base.values, strict=True))
    given = problem.given(tuple(axes[name] for name in problem.names))
    values = tuple(flat[name] for name in problem.names)
    log = laid.log_rule + given.log_density.reshape(-1)
    for value, prior in zip(values, problem.priors, strict=True):
        log = log + prior.logpdf(value)
    total = np.asarray(logsumexp(log))
    return replace(base, values=values, log_weight=log - total, log_total=total), given


def _last(found: Nodes, problem: Shareable) -> NDArray[np.bool_]:
    """Mark nodes at the ends of ranges that a coordinate does not end at."""
    counts, marked = found.counts, np.zeros(found.counts, dtype=bool)
    for place, (own, axis) in enumerate(zip(found.ranges, problem.axes, strict=True)):
        inner = (1,) * (len(counts) - place - 1)
        for end, goes_on in ((0, own.low > axis.floor), (-1, own.high < axis.ceiling)):
            at = (slice(None),) * place + (end,)
            marked[at] |= np.asarray(goes_on).reshape(counts[:place] + inner)
    return marked.reshape(-1)
