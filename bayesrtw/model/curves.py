"""Sites whose likelihoods are curves: tables of counts, and whatever else knows its own log likelihood."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.model.curve import LogCurve, Packed, curve, logs, packed

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Units whose curves are kept.
KEPT = 512


class OneStudy(Protocol):
    """What one unit reported, as a function of its effect."""

    @property
    def name(self) -> str:
        """How messages call it."""

    def log(self, theta: Array) -> Array:
        """Log likelihood at effects, shape (point,); any constant that does not depend on them."""

    def deep(self, theta: Array) -> Array:
        """Give the same right to far below its maximum, as powers of a likelihood need it."""

    def reports(self, theta: Array) -> tuple[Array, Array] | None:
        """Give estimates it might have reported, (outcome,), and log probabilities (point, outcome).

        None where that is its effect plus an error that is normal.
        """


@dataclass(frozen=True, slots=True)
class Estimated:
    """An estimate with a normal error, among units that are counted."""

    name: str  #: How messages call it.
    #: effect, se: analysis scale.
    effect: float
    se: float

    def log(self, theta: Array) -> Array:
        return np.asarray(-0.5 * ((self.effect - theta) / self.se) ** 2)

    def deep(self, theta: Array) -> Array:
        """See `OneStudy`: `log` is right everywhere."""
        return self.log(theta)

    def reports(self, theta: Array) -> None:
        """See `OneStudy`: its effect plus an error that is normal."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Units each of which knows its own likelihood; see `bayesrtw.model.observation.Sites`."""

    units: tuple[OneStudy, ...]  #: What they reported.
    #: seen, width: a normal near each: estimate and SD, shape (unit,); analysis scale.
    seen: Array
    width: Array
    by: Array  #: What was added to what they reported, shape (unit,).
    #: Share of its information that each keeps, shape (unit,): its likelihood to that power.
    share: Array
    #: Their likelihoods as sums of normals, where they were laid already.
    known: tuple[LogCurve, ...] | None = None
    #: Gives log likelihoods of units at effects, (unit, point), where that is cheaper than one by one.
    many: Callable[[Sequence[Any], Array], Array] | None = None
    #: Gives units that keep a share of their information, where that is no power of their likelihood.
    weaker: Callable[[Sequence[Any], Array], Sequence[OneStudy]] | None = None

    def log_at(self, theta: Array) -> Array:
        """Give the log likelihoods of what units reported at effects, shape (unit, point)."""
        if self.many is not None:
            return self.many(self.units, theta)
        return np.stack([unit.log(theta) for unit in self.units])

    @property
    def near(self) -> tuple[Array, Array]:
        return self.seen, self.width

    @property
    def peaked(self) -> bool:
        return True

    @property
    def falls(self) -> NDArray[np.bool_]:
        return np.array([not each.edges for each in self.laid], dtype=bool)

    @property
    def sizes(self) -> Array:
        return np.where(self.plain, 1.0, [len(each.weight) + 1.0 for each in self.laid])

    def log_density(self, mean: Array, variance: Array, rows: Index) -> Array:
        shape = np.broadcast_shapes(np.shape(mean), np.shape(variance))
        mean, variance = np.broadcast_to(mean, shape), np.broadcast_to(variance, shape)
        at, spread = (mean - self.by[rows]).reshape(-1, len(rows)), variance.reshape(-1, len(rows))
        found = np.empty(at.shape)
        wide = spread.any(axis=0)
        for place in np.flatnonzero(~wide).tolist():
            flat = self.laid[int(rows[place])]
            found[:, place] = flat.log_integral(at[:, place], spread[:, place])
        plain = np.flatnonzero(self.plain[rows] & wide)
        if len(plain):
            normal, at_plain = self._normals[:, rows[plain]], at[:, plain]
            total = normal[1] + spread[:, plain]
            found[:, plain] = 0.5 * (
                np.log(normal[1] / total) - (normal[0] - at_plain) ** 2 / total
            )
        for pack in self.packs:
            inside = np.flatnonzero(np.isin(rows, pack.rows) & wide & ~self.plain[rows])
            if not len(inside):
                continue
            own = np.searchsorted(pack.rows, rows[inside])
            mean, own_spread = at[:, inside], spread[:, inside]
            value = pack.value(own, mean, own_spread)
            value, deep = logs(value, own_spread, pack.step[own])
            for column in np.flatnonzero(deep.any(axis=0)).tolist():
                of, some = self.laid[int(rows[inside[column]])], deep[:, column]
                value[some, column] = of.deep(mean[some, column], own_spread[some, column])
            found[:, inside] = value + pack.log_scale[own]
        return found.reshape(shape)

    @cached_property
    def plain(self) -> NDArray[np.bool_]:
        """Which of them are estimates with a normal error, whose integrals are closed."""
        return np.array([isinstance(unit, Estimated) for unit in self.units], dtype=bool)

    @cached_property
    def _normals(self) -> Array:
        """Estimates and variances of these, shape (2, unit); NaN for others."""
        found = [
            (unit.effect, unit.se**2 / share) if isinstance(unit, Estimated) else (np.nan, np.nan)
            for unit, share in zip(self.units, self.share.tolist(), strict=True)
        ]
        return np.array(found).T

    @cached_property
    def packs(self) -> tuple[Packed, ...]:
        """The same curves, those of like many normals together."""
        return packed(self.laid)

    @cached_property
    def laid(self) -> tuple[LogCurve, ...]:
        """Likelihoods as sums of normals, one a unit."""
        if self.known is not None:
            return self.known
        return tuple(self.part(row) for row in range(len(self.units)))

    def part(self, row: int) -> LogCurve:
        """Lay one of them; see `bayesrtw.model.curve.curve`."""
        unit, share = self.units[row], float(self.share[row])
        near, width = float(self.seen[row] - self.by[row]), float(self.width[row])
        if share == 1.0:
            return _laid(Itself(unit), near, width)
        # A power is told from nothing far below the maximum.
        return curve(lambda theta: share * unit.deep(theta), near, width, unit.name)

    def weakened(self, share: Array) -> "Curves":
        """See `Sites`: likelihoods to a power, unless units know better."""
        if np.all(share == 1.0):
            return self
        width = self.width / np.sqrt(share)
        if self.weaker is not None:
            units = tuple(self.weaker(self.units, share))
            return replace(self, units=units, width=width, known=None)
        return replace(self, width=width, share=self.share * share, known=None)

    def moved(self, by: Array) -> "Curves":
        return replace(self, seen=self.seen + by, by=self.by + by, known=self.laid)

    def parts(self, row: int, low: float, high: float) -> tuple[Array, Array, Array]:
        by, unit = float(self.by[row]), self.units[row]
        if isinstance(unit, Estimated):
            variance = np.array([unit.se**2 / self.share[row]])
            return 0.5 * np.log(2.0 * np.pi * variance), np.array([unit.effect + by]), variance
        weight, centre, variance = self.laid[row].parts(low - by, high - by)
        return np.log(weight) + self.laid[row].log_scale, centre + by, variance

    def reports(self, row: int, theta: Array) -> tuple[Array, Array] | None:
        found = self.units[row].reports(theta - self.by[row])
        return None if found is None else (found[0] + self.by[row], found[1])


def curves(
    units: Sequence[OneStudy],
    seen: Array,
    width: Array,
    many: Callable[[Sequence[Any], Array], Array] | None = None,
) -> Curves:
    """Take units as sites: `seen`, `width` (unit,)."""
    return Curves(tuple(units), seen, width, np.zeros(len(seen)), np.ones(len(seen)), many=many)


class Itself:
    """A unit, alike to itself alone."""

    __slots__ = ("unit",)

    def __init__(self, unit: OneStudy) -> None:
        self.unit = unit

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Itself) and self.unit is other.unit

    def __hash__(self) -> int:
        return id(self.unit)


@lru_cache(maxsize=KEPT)
def _laid(of: Itself, near: float, width: float) -> LogCurve:
    """Lay a unit once: the same studies stand in many models and selections of rows."""
    return curve(of.unit.log, near, width, of.unit.name)
