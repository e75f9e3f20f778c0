"""Log densities of sites as polynomials of their mean, one a site and a point of the hyperparameters.

Given the hyperparameters a site's variance is known, and its log density is a smooth function of one number,
its mean. A Chebyshev series through a few means then serves every node of every rule; means beyond its ends,
and sites that no series of moderate degree follows, are asked themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: Degrees that are tried, and what the last coefficients may hold, in logs.
DEGREES, ENOUGH = (16, 28, 48, 96), 1e-10
#: Degrees to which series are cut where all that goes holds less than this, in logs: normals are parabolas.
SHORT, NOTHING = (3, 6, 10, 13, 20, 36), 1e-11
#: Means that the coarsest series is laid through.
FEWEST = DEGREES[0] + 1
#: The same of the finest where groups are integrated over many of them.
GROUPED = 2e-8

#: Points at which ends are looked for, and the log of the share of the middle below which a density is no
#: part of any posterior there.
LOOKED, BENEATH = 49, 22.0

#: Numbers of one array of a recurrence.
CACHED = 20_000

Density = Callable[[Array, Array, Index], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """Log densities of sites at points of the hyperparameters.

    Attributes
    ----------
    density
        Asks sites themselves: means, variances and rows, see `bayesrtw.model.observation.Sites`.
    rows
        Which sites, shape (row,).
    variance
        Variance of the mean that each sees, shape (point, row).
    middle, half
        Where series are laid, shape (point, row).
    series
        Sites of one degree, shape (row,), and their coefficients, shape (degree + 1, point, 1, row).
    followed
        Which sites their series follow, shape (point, row).
    clipped
        Whether series end, below and above, where densities are negligible against those in the middle,
        shape (2, point, row): there a parabola goes on.
    alike
        The first of the sites that see the same mean as each, and are laid between the same ends, a place
        among `rows`, shape (row,).
    """

    density: Density
    rows: Index
    variance: Array
    middle: Array
    half: Array
    series: tuple[tuple[Index, Array], ...]
    followed: Mask
    clipped: Mask
    alike: Index

    def at(self, mean: Array, cut: slice | Index, rows: Index, *, rough: bool = False) -> Array:
        """Give log densities of some rows at means of shape (point, node, row), for a slice of the points.

        Rough ones go on beyond the ends of a series as a parabola.
        """
        own = np.searchsorted(self.rows, rows)
        z = (mean - self.middle[cut][:, None, own]) / self.half[cut][:, None, own]
        found, within = np.zeros(z.shape), np.clip(z, -1.0, 1.0)
        low, high = self.clipped[:, cut][:, :, None, own]
        asked = np.zeros(z.shape, dtype=bool) if rough else (z < -1.0) & ~low | (z > 1.0) & ~high
        outside = bool(np.any(z != within))
        for of, series in self.series:
            into = np.flatnonzero(np.isin(own, of))
            if len(into):
                each = series[:, cut][..., np.searchsorted(of, own[into])]
                found[..., into] = summed(each, within[..., into])
                if outside:
                    found[..., into] += _further(each, z[..., into])
        away = np.broadcast_to(~self.followed[cut][:, None, own], z.shape) | asked
        if away.any():
            point, _, row = np.nonzero(away)
            found[away] = self._asked(mean[away], self.variance[cut][point, own[row]], own[row])
        return found

    def away(self, mean: Array, cut: slice | Index, rows: Index) -> Mask:
        """Say at which nodes a mean lies beyond the ends of its series, shape (point, node)."""
        own = np.searchsorted(self.rows, rows)
        z = (mean - self.middle[cut][:, None, own]) / self.half[cut][:, None, own]
        low, high = self.clipped[:, cut][:, :, None, own]
        found: Mask = np.any((z < -1.0) & ~low | (z > 1.0) & ~high, axis=-1)
        return found

    def added(self, rows: Index) -> tuple["Surface", Index]:
        """Add up series of rows that see the same mean, each sum under the first of them; and name the rest.

        The rest are rows that series do not follow at every point.
        """
        place = np.searchsorted(self.rows, rows)
        told = self.followed[:, place].all(axis=0)
        own, into = np.unique(self.alike[place[told]], return_inverse=True)
        most = max((len(each) for _, each in self.series), default=1)
        found = np.zeros((most, len(self.middle), 1, len(own)))
        degree = np.zeros(len(own), dtype=np.intp)
        for of, series in self.series:
            here = np.flatnonzero(np.isin(place[told], of))
            here = here[np.argsort(into[here], kind="stable")]
            if len(here):
                sums, first = np.unique(into[here], return_index=True)
                each = series[..., np.searchsorted(of, place[told][here])]
                found[: len(series), ..., sums] += np.add.reduceat(each, first, axis=-1)
                degree[sums] = np.maximum(degree[sums], len(series) - 1)
        parts = [np.flatnonzero(degree == d) for d in np.unique(degree)]
        one = replace(
            self,
            rows=self.rows[own],
            variance=self.variance[:, own],
            middle=self.middle[:, own],
            half=self.half[:, own],
            series=tuple((part, found[: degree[part[0]] + 1, ..., part]) for part in parts),
            followed=np.ones((len(self.middle), len(own)), dtype=bool),
            clipped=self.clipped[..., own],
            alike=np.arange(len(own)),
        )
        return one, rows[~told]

    def holds(self, rows: Index) -> bool:
        """Say whether some rows, ascending, are all among those that were laid."""
        if len(rows) == len(self.rows):
            return np.array_equal(rows, self.rows)
        return bool(np.isin(rows, self.rows).all())

    def serves(self, rows: Index, mean: Array, reach: Array, least: float, share: float) -> bool:
        """Say whether means of rows that live around `mean` with SD `reach`, (point, row), are served."""
        if not self.holds(rows):
            return False
        own = np.searchsorted(self.rows, rows)
        (low, high), middle, half = self.clipped[..., own], self.middle[:, own], self.half[:, own]
        beyond = (middle - mean + least * reach > half) & ~low
        beyond |= (mean - middle + least * reach > half) & ~high
        return not beyond.any() and bool(np.all(least * reach > share * half))

    def some(self, points: Index | Mask) -> "Surface":
        """Give some of the points."""
        return replace(
            self,
            variance=self.variance[points],
            middle=self.middle[points],
            half=self.half[points],
            series=tuple((of, each[:, points]) for of, each in self.series),
            followed=self.followed[points],
            clipped=self.clipped[:, points],
        )

    def moved(self, density: Density, by: Array) -> "Surface":
        """Give the same for sites that report other estimates, which differ by `by`, shape (estimate,)."""
        middle, open_ = self.middle + by[self.rows], np.zeros_like(self.clipped)
        apart = np.arange(len(self.rows))
        return replace(self, density=density, middle=middle, clipped=open_, alike=apart)

    def slopes(self, mean: Array) -> tuple[Array, Array]:
        """Give first and second derivatives in the mean, shape (point, node, row); clipped at the ends."""
        if not self.followed.all():
            step = 1e-3 * self.half[:, None]
            low, at, high = (
                self.at(mean + sign * step, slice(None), self.rows) for sign in (-1.0, 0.0, 1.0)
            )
            return (high - low) / (2.0 * step), (high - 2.0 * at + low) / step**2
        z = np.clip((mean - self.middle[:, None]) / self.half[:, None], -1.0, 1.0)
        found = np.zeros((2, *z.shape))
        for of, series in self.series:
            each = series
            for order in range(2):
                each = np.asarray(chebyshev.chebder(each, axis=0), dtype=np.float64)
                scale = np.asarray(self.half[:, None, of] ** (order + 1))
                found[order][..., of] = summed(np.asarray(each), z[..., of]) / scale
        return found[0], found[1]

    def _asked(self, mean: Array, variance: Array, row: Index) -> Array:
        """Ask the sites themselves at single means, shape (entry,)."""
        found = np.empty(len(mean))
        for place in np.unique(row):
            here = row == place
            own = self.rows[place : place + 1]
            found[here] = self.density(mean[here, None], variance[here, None], own)[:, 0]
        return found


def surface(
    density: Density,
    rows: Index,
    variance: Array,
    low: Array,
    high: Array,
    *,
    grouped: Mask | None = None,
    alike: Index | None = None,
) -> Surface:
    """Lay series: `rows`, `grouped`, `alike` (row,); `variance`, `low`, `high` (point, row)."""
    grouped = np.zeros(len(rows), dtype=bool) if grouped is None else grouped
    alike = np.arange(len(rows)) if alike is None else alike
    clipped = np.zeros((2, *low.shape), dtype=bool)
    if grouped.any():
        low, high, own = low.copy(), high.copy(), np.ix_(np.arange(len(low)), grouped)
        ends = density, rows[grouped], variance[own], low[own], high[own]
        low[own], high[own], clipped[..., grouped] = _clipped(*ends)
    low, high = _widest(low, high, alike)
    middle, half = 0.5 * (high + low), np.maximum(0.5 * (high - low), 1e-9)
    followed = np.zeros(middle.shape, dtype=bool)
    series = []
    left = np.arange(len(rows))
    for degree in DEGREES:
        x = chebyshev.chebpts1(degree + 1)
        mean = middle[:, None, left] + half[:, None, left] * x[:, None]
        values = density(mean, variance[:, None, left], rows[left])
        each = np.einsum("dx,jxr->djr", transform(degree), values)
        scale = np.max(np.abs(values), axis=1, initial=1.0)
        # Of groups the finest serves a site at those points at which it follows it.
        some = grouped[left] & (degree == DEGREES[-1])
        told = np.isfinite(each).all(axis=0)
        enough = np.where(some, GROUPED, ENOUGH)
        told &= np.all(np.abs(each[-3:]) <= enough * scale, axis=0)
        good = np.where(some, told.any(axis=0), told.all(axis=0))
        followed[:, left[good]] = told[:, good]
        held = np.max(np.abs(np.nan_to_num(each)) / scale, axis=1)
        rest, last = np.cumsum(held[::-1], axis=0)[::-1], np.full(len(left), degree)
        for short in reversed([each for each in SHORT if each < degree]):
            last[rest[short + 1] <= NOTHING] = short
        for end in np.unique(last[good]).tolist():
            of = good & (last == end)
            series.append((left[of], np.nan_to_num(each[: end + 1, :, None, of])))
        left = left[~good]
        if not len(left):
            break
    return Surface(density, rows, variance, middle, half, tuple(series), followed, clipped, alike)


def same_mean(columns: Array, offset: Array, apart: Mask) -> Index:
    """Give the first of the rows with the columns (row, column) and offsets (point, row) of each."""
    every = np.hstack([columns, offset.T, np.cumsum(apart)[:, None] * apart[:, None]])
    _, first, of = np.unique(every, axis=0, return_index=True, return_inverse=True)
    return np.asarray(first[of.reshape(-1)])


def _widest(low: Array, high: Array, alike: Index) -> tuple[Array, Array]:
    """Give sites that are alike the same ends, shape (point, row)."""
    least, most = np.full(low.T.shape, np.inf), np.full(low.T.shape, -np.inf)
    np.minimum.at(least, alike, low.T)
    np.maximum.at(most, alike, high.T)
    return least[alike].T, most[alike].T


def _clipped(
    density: Density, rows: Index, variance: Array, low: Array, high: Array
) -> tuple[Array, Array, Mask]:
    """Draw in ends beyond which densities are negligible; and say which were, shape (2, point, row)."""
    share = np.linspace(0.0, 1.0, LOOKED)[:, None]
    at = low[:, None] + (high - low)[:, None] * share
    log = density(at, variance[:, None], rows)
    matter = log > log[:, LOOKED // 2, None] - BENEATH
    first = np.maximum(np.argmax(matter, axis=1) - 1, 0)
    last = np.minimum(LOOKED - np.argmax(matter[:, ::-1], axis=1), LOOKED - 1)
    gap = (high - low) / (LOOKED - 1)
    return low + first * gap, low + last * gap, np.stack([first > 0, last < LOOKED - 1])


def _further(series: Array, z: Array) -> Array:
    """Give what parabolas add to series beyond their ends, shape (point, node, row)."""
    order = np.arange(len(series), dtype=np.float64)[:, None, None, None] ** 2
    # Slope and curvature at an end; at the lower one odd polynomials change sign.
    odd = np.where(np.arange(len(series))[:, None, None, None] % 2, -1.0, 1.0)
    steep, bend = order * series, order * (order - 1.0) / 3.0 * series
    more = np.maximum(np.abs(z) - 1.0, 0.0)
    above = z > 0
    slope = np.where(above, steep.sum(axis=0), -(odd * steep).sum(axis=0))
    curve = np.where(above, bend.sum(axis=0), (odd * bend).sum(axis=0))
    return np.asarray(np.sign(z) * slope * more + 0.5 * np.minimum(curve, 0.0) * more**2)


def transform(degree: int) -> Array:
    """Give the matrix from values at Chebyshev's points to coefficients, shape (degree + 1, point)."""
    x = chebyshev.chebpts1(degree + 1)
    found = chebyshev.chebvander(x, degree).T * (2.0 / (degree + 1))
    found[0] *= 0.5
    return np.asarray(found)


def summed(series: Array, z: Array) -> Array:
    """Sum Chebyshev series by Clenshaw's recurrence, some points at a time so that they stay in the cache."""
    found = np.empty(z.shape)
    wide = max(1, CACHED // max(z.shape[2], 1))
    step = max(1, wide // max(z.shape[1], 1))
    for start, first in product(range(0, len(z), step), range(0, z.shape[1], wide)):
        cut = slice(start, start + step), slice(first, first + wide)
        at, own = z[cut], series[:, cut[0]]
        twice = 2.0 * at
        later, last, spare = np.zeros(at.shape), np.empty(at.shape), np.empty(at.shape)
        last[...] = own[-1]
        for each in own[-2:0:-1]:
            np.multiply(twice, last, out=spare)
            spare -= later
            spare += each
            later, last, spare = last, spare, later
        np.multiply(at, last, out=spare)
        spare -= later
        np.add(spare, own[0], out=found[cut])
    return found
