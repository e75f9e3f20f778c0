"""Kernels of what a rule of a model that is not normal has seen: of coefficients, and of single rows."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.cubature import rule
from bayesrtw.engine.curved_place import Seen
from bayesrtw.engine.curved_series import (
    DIRECTED,
    NEGLIGIBLE,
    SERIES,
    Directions,
    kernels_of,
)
from bayesrtw.posterior.kernels import Kernels, blended

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: What series of coefficients may leave out, in probability, by their number; rules of many tell less.
ENOUGH = {0: 1e-8, 1: 1e-8, 2: 1e-7, 3: 1e-7}
SEVERAL = 1e-5
#: Values at nodes that are laid at once.
AT_ONCE = 1_000_000


class Combined:
    """Linear functions of the coefficients under one set of shares, each worked out once."""

    def __init__(self, seen: Seen, weight: Array, share: Array) -> None:
        """Take a rule, shares of points (point,), and shares of its nodes at each (point, node)."""
        self._kept = np.flatnonzero(weight > NEGLIGIBLE)
        self._seen, self._weight = seen, weight[self._kept]
        self._share = share[self._kept]
        self._known = dict[bytes, tuple[Kernels, Index, float]]()

    @cached_property
    def _directions(self) -> Directions | None:
        place, width = self._seen.place, self._seen.b.shape[-1]
        if not 1 <= width <= DIRECTED:
            return None
        own = place.centre[self._kept], place.factor[self._kept]
        return Directions(self._seen.size, *own, self._share)

    def along(self, row: Array) -> tuple[Kernels, Index, float]:
        """Give kernels of ``row @ b``, the point of each, and what their series leave out."""
        key = np.asarray(row, dtype=np.float64).tobytes()
        if key not in self._known:
            width = self._seen.b.shape[-1]
            known = self._directions.along(row) if self._directions is not None else None
            found, point, left = kernels_of(
                (self._seen.b @ row)[self._kept],
                self._share,
                self._weight,
                rule(width, self._seen.size).degree,
                ENOUGH.get(width, SEVERAL),
                known,
                line=width == 1 and bool(self._seen.place.bias),
            )
            found = replace(found, weight=found.weight / np.sum(found.weight))
            self._known[key] = found, self._kept[point], left
        return self._known[key]


def kernels(
    x: Array,
    weight: Array,
    share: Array,
    degree: int,
    variance: Array | float = 0.0,
    enough: float = SERIES,
) -> Kernels:
    """Give values at nodes, plus a normal deviation, as kernels.

    The values `x` have shape (point, node), as have their shares; `weight` and `variance` are those of the
    points. Shares may add up to less than one: those of a part of the posterior.
    """
    found = massed(x, weight, share, degree, variance, enough)
    return replace(found, weight=found.weight / np.sum(found.weight))


def one_of(many: Iterable[tuple[Array, Array, Array]], weight: Array, degree: int) -> Kernels:
    """Kernels of what is one of many: values and shares (point, node), and variances on top (point,).

    Those of one shape are laid together, as many as a bound of memory allows.
    """
    found, held = list[Kernels](), list[tuple[Array, Array, Array]]()

    def lay() -> None:
        x, share, variance = (np.concatenate(each) for each in zip(*held, strict=True))
        found.append(massed(x, np.tile(weight, len(held)), share, degree, variance))
        held.clear()

    for one in many:
        full = held and (len(held) + 1) * one[0].size > AT_ONCE
        if full or (held and one[0].shape != held[0][0].shape):
            lay()
        held.append(one)
    lay()
    total = float(sum(np.sum(part.weight) for part in found))
    alive = [part for part in found if len(part.weight)]
    return blended(alive, [1.0 / total] * len(alive))


def massed(
    x: Array,
    weight: Array,
    share: Array,
    degree: int,
    variance: Array | float = 0.0,
    enough: float = SERIES,
) -> Kernels:
    """As `kernels`; weights add up to the part of the posterior that shares are of."""
    own = np.sum(share, axis=-1)
    mass = weight * own
    keep = np.abs(mass) > NEGLIGIBLE
    if not keep.any():
        return Kernels(np.zeros(0), np.zeros(0), np.ones(0), np.ones((0, 1)))
    each = share[keep] / own[keep, None]
    found, point, _ = kernels_of(x[keep], each, mass[keep], degree, enough)
    return found.widened(np.broadcast_to(variance, own.shape)[keep][point])
