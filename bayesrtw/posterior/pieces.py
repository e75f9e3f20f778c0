"""Distributions of results that are no smooth curve: in pieces with densities of their own, or in points."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from bayesrtw.posterior.kernels import Kernels, blended

Array = NDArray[np.float64]

#: Halvings of a bracket of a quantile: beyond the last digit of a double.
HALVINGS = 80

#: How far a value may lie from a point that it is, beside its size.
NEAR = 1e-9

#: Probabilities that differ by less are one.
ROUNDED = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Results that a selection lets through with weights that differ between intervals."""

    #: Of the intervals, ascending, shape (piece + 1,); the first and last are infinite.
    ends: Array
    #: Shares of the normals in each interval, shape (piece, normal): they need not sum to one, and what they
    #: give inside the intervals does.
    weight: Array
    #: mean, sd: of the normals, shape (normal,); analysis scale.
    mean: Array
    sd: Array

    def below(self, x: ArrayLike) -> Array:
        """Give P(X <= x), of any shape."""
        return self._between(np.full(np.shape(x), -np.inf), np.asarray(x, dtype=np.float64))

    def above(self, x: ArrayLike) -> Array:
        """Give P(X > x), of any shape."""
        return self._between(np.asarray(x, dtype=np.float64), np.full(np.shape(x), np.inf))

    def quantile(self, q: ArrayLike) -> Array:
        """Invert the distribution function at probabilities in (0, 1)."""
        wanted = np.asarray(q, dtype=np.float64)
        reach = 40.0 * float(self.sd.max())
        low = np.full(wanted.shape, float(self.mean.min()) - reach)
        high = np.full(wanted.shape, float(self.mean.max()) + reach)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            less = self.below(middle) < wanted
            low, high = np.where(less, middle, low), np.where(less, high, middle)
        return np.asarray(0.5 * (low + high))

    def _between(self, low: Array, high: Array) -> Array:
        """Sum what is between two points over the intervals."""
        found = np.zeros(low.shape)
        for weight, left, right in zip(self.weight, self.ends, self.ends[1:], strict=False):
            a, b = np.clip(low, left, right), np.clip(high, left, right)
            found = found + _mass(*self._scaled(a, b)) @ weight
        return np.clip(found, 0.0, 1.0)

    @property
    def centre(self) -> float:
        """The mean."""
        return self._moments()[0]

    @property
    def spread(self) -> float:
        """The SD."""
        mean, second = self._moments()
        return float(np.sqrt(max(second - mean**2, 0.0)))

    def _moments(self) -> tuple[float, float]:
        """Mean and second moment: those of truncated normals."""
        first, second = 0.0, 0.0
        for weight, left, right in zip(self.weight, self.ends, self.ends[1:], strict=False):
            a, b = self._scaled(np.asarray(left), np.asarray(right))
            mass = _mass(a, b)
            at_a, at_b = (np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi) for z in (a, b))
            first += weight @ (self.mean * mass + self.sd * (at_a - at_b))
            more = (at_a * (left if np.isfinite(left) else 0.0) + self.mean * at_a) - (
                at_b * (right if np.isfinite(right) else 0.0) + self.mean * at_b
            )
            second += weight @ ((self.mean**2 + self.sd**2) * mass + self.sd * more)
        return float(first), float(second)

    def log_density(self, x: ArrayLike) -> Array:
        """Log density, of any shape."""
        at = np.asarray(x, dtype=np.float64)
        z = (at[..., None] - self.mean) / self.sd
        piece = np.clip(np.searchsorted(self.ends, at, side="right") - 1, 0, len(self.weight) - 1)
        each = np.exp(-0.5 * z * z) / (self.sd * np.sqrt(2.0 * np.pi))
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.sum(each * self.weight[piece], axis=-1)))

    def _scaled(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Two points in SDs from each normal, shape (..., normal)."""
        low, high = ((end[..., None] - self.mean) / self.sd for end in (low, high))
        return low, high


def _mass(low: Array, high: Array) -> Array:
    """Probability between two points of a standard normal, from the side where nothing cancels."""
    flip = low > 0
    return np.asarray(ndtr(np.where(flip, -low, high)) - ndtr(np.where(flip, -high, low)))


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Results that are one of a list of values: what counts can be."""

    value: Array  #: Ascending, shape (point,); analysis scale.
    weight: Array  #: Probabilities that sum to one, shape (point,).

    def below(self, x: ArrayLike) -> Array:
        """Give P(X < x) and half of P(X = x), of any shape."""
        less, most = self._sums(x)
        return np.where(np.isnan(np.asarray(x, dtype=np.float64)), np.nan, 0.5 * (less + most))

    def above(self, x: ArrayLike) -> Array:
        """Give P(X > x) and half of P(X = x), of any shape, summed from above."""
        turned = Outcomes(-self.value[::-1], self.weight[::-1])
        return turned.below(-np.asarray(x, dtype=np.float64))

    def quantile(self, q: ArrayLike) -> Array:
        """Give the values that are reached with probabilities in (0, 1), between two the mean of both."""
        reached, wanted = np.cumsum(self.weight), np.asarray(q, dtype=np.float64)
        ends = (np.searchsorted(reached, wanted + room) for room in (-ROUNDED, ROUNDED))
        low, high = (self.value[np.minimum(end, len(self.value) - 1)] for end in ends)
        return np.asarray(0.5 * (low + high))

    @property
    def centre(self) -> float:
        """The mean."""
        return float(self.weight @ self.value)

    @property
    def spread(self) -> float:
        """The SD."""
        return float(np.sqrt(self.weight @ (self.value - self.centre) ** 2))

    def log_density(self, x: ArrayLike) -> Array:
        """Log probability of a value, of any shape; -inf where it is none of them."""
        at = np.asarray(x, dtype=np.float64)[..., None]
        met = np.abs(self.value - at) <= NEAR * (1.0 + np.abs(at))
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(met @ self.weight))

    def _sums(self, x: ArrayLike) -> tuple[Array, Array]:
        """Probabilities of what is less than a value, and of no more than it."""
        at = np.asarray(x, dtype=np.float64)
        summed, room = np.concatenate(([0.0], np.cumsum(self.weight))), NEAR * (1.0 + np.abs(at))
        less, most = (summed[np.searchsorted(self.value, end)] for end in (at - room, at + room))
        return less, most


def mixture(
    parts: Sequence[Kernels | Pieces | Outcomes], share: Sequence[float]
) -> Kernels | Pieces | Outcomes:
    """Mix distributions of one kind with given probabilities, which sum to one."""
    kernels = [part for part in parts if isinstance(part, Kernels)]
    if len(kernels) == len(parts):
        return blended(kernels, share)
    outcomes = [part for part in parts if isinstance(part, Outcomes)]
    if len(outcomes) == len(parts):
        value = np.concatenate([part.value for part in outcomes])
        weight = np.concatenate(
            [own * each.weight for own, each in zip(share, outcomes, strict=True)]
        )
        every, place = np.unique(value, return_inverse=True)
        return Outcomes(every, np.bincount(place, weight))
    pieces = [part for part in parts if isinstance(part, Pieces)]
    return Pieces(
        pieces[0].ends,
        np.concatenate(
            [own * each.weight for own, each in zip(share, pieces, strict=True)], axis=1
        ),
        np.concatenate([each.mean for each in pieces]),
        np.concatenate([each.sd for each in pieces]),
    )
