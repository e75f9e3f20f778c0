"""A fit with missing levels as a function of one number: a shift of effects, or the pooled mean itself.

Given the hyperparameters and an allocation the log density of the data is quadratic in such a number, the
other coefficients integrated out, and the pooled mean linear in it. Both are worked out once, at the nodes of
the fit; another shift, or another normal prior of the pooled mean, then only weighs nodes and allocations
anew.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr

from bayesrtw.engine.allocated_states import Line, Points, factored, whitened
from bayesrtw.engine.allocation import Allocated, arranged
from bayesrtw.engine.arrays import mean_of
from bayesrtw.engine.integrate import carrying
from bayesrtw.errors import SpecError
from bayesrtw.model.contract import normal
from bayesrtw.model.design import Design
from bayesrtw.model.prior import Prior
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.nodes import Nodes

Array = NDArray[np.float64]

#: Pairs of a node and an allocation whose logs lie this far below all probability, or below the largest, are
#: left out, before and after the number is known: ten million of them hold 1e-7 or 1e-5 at most.
BEFORE, AFTER = 32.0, 28.0


@dataclass(frozen=True, slots=True, eq=False)
class Free:
    """Pairs of a node and an allocation as functions of a number x; every array has the shape (pair,)."""

    anew: ClassVar[bool] = False

    #: log, slope, bend: log weight is ``log + x slope - x^2 bend / 2``, not normalised.
    log: Array
    slope: Array
    bend: Array
    #: mean, drift: the pooled mean is ``mean + x drift``.
    mean: Array
    drift: Array
    variance: Array  #: Of the pooled mean given x.

    def kept(self, keep: NDArray[np.bool_]) -> "Free":
        """Keep some pairs."""
        return Free(*(getattr(self, name)[keep] for name in self.__slots__))

    @property
    def normals(self) -> tuple[Array, Array, Array]:
        """Weights that sum to one, means and variances, of the pairs that carry something."""
        log = self.log - np.max(self.log)
        keep = np.flatnonzero(log > -AFTER)
        weight = np.exp(log[keep])
        return weight / np.sum(weight), self.mean[keep], self.variance[keep]

    def probability(self, shift: float, threshold: float, *, above: bool) -> float:
        """See `bayesrtw.engine.fitted.Shifts`: x is the shift."""
        weight, mean, variance = self._at(shift).normals
        z = (threshold - mean) / np.sqrt(variance)
        return float(weight @ ndtr(-z if above else z))

    def under(self, mean: float, sd: float) -> Kernels:
        """See `bayesrtw.engine.fitted.Means`: x is the pooled mean over levels, with a normal prior."""
        weight, centre, variance = self.given(mean, sd).normals
        return Kernels(weight, centre, np.sqrt(variance))

    def _at(self, x: float) -> "Free":
        """Fix the number."""
        return replace(
            self,
            log=self.log + x * (self.slope - 0.5 * x * self.bend),
            mean=self.mean + x * self.drift,
        )

    def given(self, mean: float, sd: float) -> "Free":
        """Give the number a normal prior and integrate it."""
        at = self._at(mean)
        # What is left is centred at the prior's mean.
        slope, total = self.slope - mean * self.bend, self.bend + sd**-2
        log = at.log + 0.5 * slope**2 / total - 0.5 * np.log(total * sd**2)
        return replace(
            self,
            log=log,
            mean=at.mean + self.drift * slope / total,
            variance=self.variance + self.drift**2 / total,
        )


def of_shift(problem: Allocated, nodes: Nodes, least: float, along: Array) -> Free:
    """Prepare for many shifts along a direction of shape (estimate,); none is x = 0.

    Nodes of `least` weight or less are left out.
    """
    design, missing = problem.design, problem.unreported
    levels = np.broadcast_to(along[:, None, None], (*missing.alternatives.shape[:2], 1))
    wide = replace(
        design,
        columns=np.column_stack([design.columns, -along]),
        mean=np.append(design.mean, 0.0),
        precision=np.append(design.precision, 0.0),
        biased=None if design.biased is None else np.append(design.biased, False),
        unreported=replace(
            missing, alternatives=np.concatenate([missing.alternatives, -levels], axis=2)
        ),
    )
    return _free(wide, nodes, least, len(design.mean), lambda free: free.log)


def of_mean(problem: Allocated, nodes: Nodes, least: float, prior: Prior) -> Free:
    """Prepare for many normal priors of the pooled mean over levels, whose prior is another now."""
    design = problem.design
    own, present = np.flatnonzero(design.quantities["mu"].combine[0]), normal(prior)
    if len(own) != 1:
        raise SpecError(
            "the pooled mean is a sum of coefficients and has no prior of its own; vary theirs."
        )
    if present is None:
        raise SpecError(
            "the prior of the pooled mean is flat: it has no SD to narrow; give the intercept a normal prior."
        )
    precision = design.precision.copy()
    precision[own] = 0.0
    freed = replace(design, precision=precision)
    return _free(freed, nodes, least, int(own[0]), lambda free: free.given(*present).log)


def _free(
    design: Design, nodes: Nodes, least: float, column: int, present: Callable[[Free], Array]
) -> Free:
    """Take in the data with a coefficient left open; `present` gives log weights as they are now."""
    problem = arranged(design, column)
    keep = carrying(nodes, least)
    points = problem.points(tuple(value[keep] for value in nodes.values))
    log_weight, pilot = nodes.log_weight[keep], problem.problem.pilot
    row = np.append(mean_of(design), np.zeros(len(pilot)))[: len(pilot)]
    line, own, found = Line(row, constant=float(row @ pilot)), float(pilot[column]), list[Free]()
    for start in range(0, len(log_weight), problem.together):
        cut = slice(start, start + problem.together)
        some = _pairs(problem, points.cut(cut), line, own)
        log = present(some)
        log += log_weight[cut, None] - logsumexp(log, axis=1)[:, None]
        some = replace(some, log=some.log + log - present(some))
        found.append(some.kept(log > -BEFORE))
    return Free(
        *(np.concatenate([getattr(each, name) for each in found]) for name in Free.__slots__)
    )


def _pairs(problem: Allocated, points: Points, line: Line, pilot: float) -> Free:
    """Give some nodes under every allocation, shape (point, allocation) each; x counts from 0."""
    sums = problem.halves.sums(points.left)
    lower, pull, log = factored(sums, last=2)
    *found, drift, mean, rest = points.slopes(line, problem.halves)
    drift, mean = (np.broadcast_to(each, log.shape).copy() for each in (drift, mean))
    variance = np.broadcast_to(rest[:, None], log.shape).copy()
    for white, own, other in zip(whitened(found, lower), *pull, strict=True):
        drift -= white * own
        mean += white * other
        variance += white**2
    [bend], [slope, square] = sums[-2][-1:], sums[-1][-2:]
    log = points.log[:, None] + problem.log_prior - 0.5 * (log + square)
    # From where the pilot is 0 to where x is.
    log -= pilot * (slope + 0.5 * pilot * bend)
    return Free(log, slope + pilot * bend, bend, mean - pilot * drift, drift, variance)
