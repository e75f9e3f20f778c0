"""Coordinates in which hyperparameters are integrated."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: A logit of 30 is a probability that differs from one by 1e-13.
LOGIT_END = 30.0

#: A probability of 2e-18 from either end.
BOUNDED_END = 1e-9

#: Reach of the first look at a standard deviation, in typical standard errors.
FARTHEST = 1e5
#: Most that its points lie apart in u.
APART = 0.72


class Axis(Protocol):
    """The coordinate u in which one hyperparameter is integrated."""

    @property
    def signed(self) -> bool:
        """Whether the hyperparameter may be negative."""

    @property
    def floor(self) -> float:
        """Smallest u; -inf if there is none."""

    @property
    def ceiling(self) -> float:
        """Largest u; inf if there is none."""

    @property
    def look(self) -> Array:
        """Points of the first look, increasing."""

    def value(self, u: Array) -> Array:
        """Give the hyperparameter at u."""

    def log_jacobian(self, u: Array) -> Array:
        """Log of its derivative with respect to u."""

    def coordinate(self, value: Array) -> Array:
        """Give u: the inverse of `value`."""


@dataclass(frozen=True, slots=True)
class Positive:
    """A standard deviation in [0, inf): value = exp(u) - shift."""

    #: A typical standard error; the first look reaches from 0, or five decades below it, to five decades
    #: above.
    scale: float
    #: >= 0; 0 where the prior vanishes or diverges at 0, else 0 is the end of the range.
    shift: float
    upper: float = math.inf  #: Where the prior ends; inf if it does not.

    @property
    def signed(self) -> bool:
        return False

    @property
    def floor(self) -> float:
        return math.log(self.shift) if self.shift > 0 else -math.inf

    @property
    def look(self) -> Array:
        top = math.log(self.scale * FARTHEST + self.shift)
        low = self.floor if self.shift > 0 else math.log(self.scale / FARTHEST)
        points = np.linspace(low, top, math.ceil((top - low) / APART) + 1)
        if math.isfinite(self.upper):
            points = np.concatenate([points[points < self.ceiling], [self.ceiling]])
        return points

    @property
    def ceiling(self) -> float:
        return math.log(self.upper + self.shift) if math.isfinite(self.upper) else math.inf

    def value(self, u: Array) -> Array:
        return np.maximum(np.exp(u) - self.shift, 0.0) if self.shift > 0 else np.exp(u)

    def log_jacobian(self, u: Array) -> Array:
        return u

    def coordinate(self, value: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(value + self.shift))


@dataclass(frozen=True, slots=True)
class Unit:
    """A probability or a correlation in (low, 1): value = low + (1 - low) / (1 + exp(-u))."""

    low: float = 0.0  #: In [-1, 0].

    @property
    def signed(self) -> bool:
        return self.low < 0

    @property
    def floor(self) -> float:
        return -LOGIT_END

    @property
    def ceiling(self) -> float:
        return LOGIT_END

    @property
    def look(self) -> Array:
        return np.linspace(-12.0, 12.0, 33)

    def value(self, u: Array) -> Array:
        return np.asarray(self.low + (1.0 - self.low) / (1.0 + np.exp(-u)))

    def log_jacobian(self, u: Array) -> Array:
        wide = math.log1p(-self.low)
        return np.asarray(wide - np.logaddexp(0.0, u) - np.logaddexp(0.0, -u))

    def coordinate(self, value: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(value - self.low) - np.log1p(-value))


@dataclass(frozen=True, slots=True)
class Bounded:
    """The same where the density does not vanish at an end: value = low + (1 - low) (1 - cos(pi u)) / 2.

    On the logit it would fall like a single exponential far out, which takes many nodes; here it is smooth up
    to both ends.
    """

    low: float = 0.0  #: In [-1, 0].

    @property
    def signed(self) -> bool:
        return self.low < 0

    @property
    def floor(self) -> float:
        return BOUNDED_END

    @property
    def ceiling(self) -> float:
        return 1.0 - BOUNDED_END

    @property
    def look(self) -> Array:
        return np.linspace(self.floor, self.ceiling, 33)

    def value(self, u: Array) -> Array:
        return np.asarray(self.low + (1.0 - self.low) * np.sin(0.5 * math.pi * u) ** 2)

    def log_jacobian(self, u: Array) -> Array:
        return np.asarray(np.log((1.0 - self.low) * 0.5 * math.pi * np.sin(math.pi * u)))

    def coordinate(self, value: Array) -> Array:
        unit = np.clip((value - self.low) / (1.0 - self.low), 0.0, 1.0)
        return np.asarray(np.arcsin(np.sqrt(unit)) / (0.5 * math.pi))


@dataclass(frozen=True, slots=True)
class Real:
    """An effect on the whole line: value = centre + scale * u."""

    #: centre, scale: where the first look is laid, and a typical standard error.
    centre: float = 0.0
    scale: float = 1.0

    @property
    def signed(self) -> bool:
        return True

    @property
    def floor(self) -> float:
        return -math.inf

    @property
    def ceiling(self) -> float:
        return math.inf

    @property
    def look(self) -> Array:
        return np.linspace(-16.0, 16.0, 33)

    def value(self, u: Array) -> Array:
        return np.asarray(self.centre + self.scale * u)

    def log_jacobian(self, u: Array) -> Array:
        return np.full_like(u, math.log(self.scale))

    def coordinate(self, value: Array) -> Array:
        return np.asarray((value - self.centre) / self.scale)


#: What stands in a stored range for the shift of a coordinate that has none; half of `low` is added.
UNIT, REAL, BOUNDED = -1.0, -2.0, -3.0


def stored(axis: Axis) -> float:
    """Give the number that a coordinate is stored as, beside the range of a marginal."""
    if isinstance(axis, Positive):
        return axis.shift
    if isinstance(axis, Unit | Bounded):
        return (UNIT if isinstance(axis, Unit) else BOUNDED) + 0.5 * axis.low
    return REAL


def restored(number: float) -> Axis:
    """Give the coordinate that was stored."""
    if number >= 0:
        return Positive(1.0, number)
    kind = math.ceil(number)
    if kind == REAL:
        return Real()
    return (Unit if kind == UNIT else Bounded)(2.0 * (number - kind))
