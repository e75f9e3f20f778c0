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

    @property
    def falls(self) -> NDArray[np.bool_]:
        """Which densities fall off on both sides, shape (unit,): those alone bound a heterogeneity."""

    @property
    def peaked(self) -> bool:
        """Whether a site times a normal has one maximum, so that a short rule there follows it."""

    @property
    def sizes(self) -> Array:
        """How many normals the density of each takes, shape (unit,): what a look at it costs."""

    def parts(self, row: int, low: float, high: float) -> tuple[Array, Array, Array]:
        """Log weight, centre and variance of the normals that a site is made of, each (part,).

        As a function of the unit's own effect, which lies between two ends.
        """

    def reports(self, row: int, theta: Array) -> tuple[Array, Array] | None:
        """Give estimates that a unit might report, (outcome,), and log probabilities (point, outcome).

        These are given its effects, (point,). None where what it reports is its effect plus an error that is
        made of its normals.
        """

    @property
    def seen(self) -> Array:
        """What was reported, analysis scale, shape (unit,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """Estimates whose errors are mixtures of normals: heavy tails, gross errors."""

    seen: Array  #: Estimates, shape (unit,); analysis scale.
    se: Array  #: Scale of each estimate's errors, shape (unit,).
    #: log_weight, ratio: of the normals, shape (part,): variances are ``ratio * se^2``.
    log_weight: Array
    ratio: Array

    @property
    def near(self) -> tuple[Array, Array]:
        return self.seen, self.se

    def log_density(self, mean: Array, variance: Array, rows: Index) -> Array:
        gap = (self.seen[rows] - mean) ** 2
        shape = np.broadcast_shapes(gap.shape, np.shape(variance))
        least = float(self.ratio.min())
        if len(self.ratio) == 1:
            total = variance + least * self.se[rows] ** 2
            log = np.broadcast_to(-0.5 * (gap / total + np.log(total)), shape)
            return np.asarray(log - 0.5 * math.log(2.0 * math.pi))
        found = np.zeros(shape)
        # Relative to the narrowest part, so that nothing underflows before the widest part carries it.
        for log_weight, ratio in zip(self.log_weight, self.ratio, strict=True):
            total = variance + ratio * self.se[rows] ** 2
            found = found + np.exp(log_weight - 0.5 * gap / total) / np.sqrt(total)
        with np.errstate(divide="ignore"):
            log = np.log(found)
        return np.asarray(log - 0.5 * math.log(2.0 * math.pi))

    def weakened(self, share: Array) -> "Mixed":
        return replace(self, se=self.se / np.sqrt(share))

    def moved(self, by: Array) -> "Mixed":
        return replace(self, seen=self.seen + by)

    @property
    def peaked(self) -> bool:
        """See `Sites`: heavy tails make two."""
        return False

    @property
    def falls(self) -> NDArray[np.bool_]:
        return np.ones(len(self.seen), dtype=bool)

    @property
    def sizes(self) -> Array:
        return np.full(len(self.seen), float(len(self.ratio)))

    def parts(self, row: int, low: float, high: float) -> tuple[Array, Array, Array]:  # noqa: ARG002
        variance = self.ratio * self.se[row] ** 2
        return self.log_weight, np.full(len(variance), self.seen[row]), variance

    def reports(self, row: int, theta: Array) -> None:
        """Say nothing: see `Sites`."""


def is_normal(observed: Gaussian | Sites | None) -> bool:
    """Say whether estimates are normal around their effects."""
    return isinstance(observed, Gaussian)


def beyond_normal(observed: Gaussian | Sites | None) -> Sites | None:
    """Give the sites of what is not normal; None where it is, or where only a PyMC twin can say."""
    return None if isinstance(observed, Gaussian) else observed
