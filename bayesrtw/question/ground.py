"""Pool many designs that differ a little on the nodes of one of them: a pass of the kernel each.

Quadrature nodes are laid where a posterior lives; a neighbour with other effects or sampling variances
lives nearly there. Whether nearly is enough is measured: the farthest neighbours are also pooled on nodes
of their own, and the difference is kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.engine.integrate import integrate, pruned
from bayesrtw.engine.problem import pose
from bayesrtw.model.design import Design
from bayesrtw.question.pool import START, TOLERANCE, Pooled, mean_of, new_variance, pool

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Nodes of one posterior, with the weights of the bare rule.

    Attributes
    ----------
    values
        Nodes, one array of shape (node,) for each hyperparameter.
    log_rule
        Log weights of the rule, shape (node,).
    """

    values: tuple[Array, ...]
    log_rule: Array

    def pool(self, design: Design) -> Pooled:
        """Pool a neighbour.

        Parameters
        ----------
        design
            With the same hyperparameters.

        Returns
        -------
        Pooled
            Its pooled mean.
        """
        combine, problem = mean_of(design), pose(design)
        log = self.log_rule + problem.log_density(self.values)
        total = float(logsumexp(log))
        normals = problem.normals(self.values, np.exp(log - total))
        given = normals.given
        variance = np.einsum("nij,i,j->n", given.covariance, combine, combine)
        at = dict(zip(problem.names, normals.hyper, strict=True))
        spread = new_variance(design, at, len(normals.weight))
        return Pooled(
            weight=normals.weight,
            mean=given.mean @ combine,
            sd=np.sqrt(variance),
            new_sd=np.sqrt(variance + spread),
            tau=float(normals.weight @ np.sqrt(spread)),
            log_evidence=total,
        )


def ground(design: Design) -> Ground:
    """Lay the nodes.

    Parameters
    ----------
    design
        A design in the middle of its neighbours.

    Returns
    -------
    Ground
        To pool the neighbours on.
    """
    problem = pose(design)
    found = integrate(problem, START, TOLERANCE).nodes
    values, weight = pruned(found)
    log = np.log(weight) if len(weight) > 1 else np.zeros(1)
    return Ground(values, log - problem.log_density(values))


def differs(base: Ground, designs: Sequence[Design]) -> float:
    """Measure how far pooling on shared nodes is off.

    Parameters
    ----------
    base
        The shared nodes.
    designs
        The farthest neighbours.

    Returns
    -------
    float
        Largest difference of the pooled mean and its SD from those on nodes of their own, as a share of
        that SD.
    """
    worst = 0.0
    for design in designs:
        here, there = _moments(base.pool(design)), _moments(pool(design))
        worst = max(worst, abs(here[0] - there[0]) / there[1], abs(here[1] / there[1] - 1.0))
    return worst


def _moments(pooled: Pooled) -> tuple[float, float]:
    centre = float(pooled.weight @ pooled.mean)
    variance = float(pooled.weight @ (pooled.sd**2 + (pooled.mean - centre) ** 2))
    return centre, math.sqrt(variance)
