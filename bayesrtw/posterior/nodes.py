"""Nodes of a quadrature over hyperparameters, and the Gauss-Legendre rule that they are laid by."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """Where posteriors of one coordinate live: ends of shape (...,)."""

    low: Array
    high: Array


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Quadrature nodes of one or many posteriors."""

    values: tuple[Array, ...]  #: One array for each hyperparameter, shape (..., node).
    #: Log of each node's share of the posterior, normalised to sum to one, shape (..., node).
    log_weight: Array
    log_total: Array  #: Log of the integral of the density, shape (...,).
    #: For each hyperparameter the range of its coordinate: for the first one of shape (...,), for the next
    #: one range at each node of the first, and so on.
    ranges: tuple[Range, ...]
    counts: tuple[int, ...]  #: Nodes laid for each hyperparameter.

    def on_axes(self) -> tuple[Array, ...]:
        """Give the values of a single problem with an axis for each hyperparameter: gives (node, 1, ...)."""
        places = range(len(self.counts))
        return tuple(
            value.reshape(self.counts)[tuple(slice(None if at <= own else 1) for at in places)]
            for own, value in enumerate(self.values)
        )


@cache
def rule(count: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on [-1, 1]: gives (count,)."""
    x, w = special.roots_legendre(count)
    x.setflags(write=False)
    w.setflags(write=False)
    return x, w
