"""What a likelihood makes of the evidence: one site a unit, which says how probable what was seen is.

A site knows the density of what was reported given the unit's own effect theta. Engines ask it for the same
with theta ~ N(m, v) integrated out, so that biases, weights and heterogeneity act on every likelihood alike:
a known bias moves m, its variance and every heterogeneity widen v, a share of information weakens the site.
"""

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Estimates that are normal around their effects: columns ``effect`` and ``se`` say all."""


class Sites(Protocol):
    """Units whose density is not normal, given their effects."""

    @property
    def near(self) -> tuple[Array, Array]:
        """A normal that is near each site: centre and SD, shape (unit,); a start, never an answer."""

    def log_density(self, mean: Array, variance: Array, rows: Index) -> Array:
        """Log density of what units report given theta ~ N(mean, variance); shape (..., row)."""

    def weakened(self, share: Array) -> "Sites":
        """Let every unit keep a share of its information, in (0, 1], shape (unit,)."""

    def moved(self, by: Array) -> "Sites":
        """Report other estimates: what was seen plus something, shape (unit,)."""

    def parts(self, rows: Index) -> tuple[Array, Array]:
        """Log weight and variance of the normals that a unit's error is made of, each (row, part)."""

    @property
    def seen(self) -> Array:
        """What was reported, analysis scale, shape (unit,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """Estimates whose errors are mixtures of normals: heavy tails, gross errors.

    Attributes
    ----------
    seen
        Estimates, shape (unit,); analysis scale.
    se
        Scale of each estimate's errors, shape (unit,).
    log_weight, ratio
        Of the normals, shape (part,): variances are ``ratio * se^2``.
    """

    seen: Array
    se: Array
    log_weight: Array
    ratio: Array

    @property
    def near(self) -> tuple[Array, Array]:
        """See `Sites`."""
        return self.seen, self.se

    def log_density(self, mean: Array, variance: Array, rows: Index) -> Array:
        """See `Sites`."""
        gap = (self.seen[rows] - mean) ** 2
        shape = np.broadcast_shapes(gap.shape, np.shape(variance))
        found = np.zeros(shape)
        least = float(self.ratio.min())
        # Relative to the narrowest part, so that nothing underflows before the widest part carries it.
        for log_weight, ratio in zip(self.log_weight, self.ratio, strict=True):
            total = variance + ratio * self.se[rows] ** 2
            found = found + np.exp(log_weight - 0.5 * gap / total) / np.sqrt(total)
        with np.errstate(divide="ignore"):
            log = np.log(found)
        if len(self.ratio) == 1:
            total = variance + least * self.se[rows] ** 2
            log = np.broadcast_to(-0.5 * (gap / total + np.log(total)), shape)
        return np.asarray(log - 0.5 * math.log(2.0 * math.pi))

    def weakened(self, share: Array) -> "Mixed":
        """See `Sites`."""
        return replace(self, se=self.se / np.sqrt(share))

    def moved(self, by: Array) -> "Mixed":
        """See `Sites`."""
        return replace(self, seen=self.seen + by)

    def parts(self, rows: Index) -> tuple[Array, Array]:
        """See `Sites`."""
        variance = self.ratio * self.se[rows, None] ** 2
        return np.broadcast_to(self.log_weight, variance.shape), variance
