"""Log densities of sites as polynomials of their mean, one a site and a point of the hyperparameters.

Given the hyperparameters a site's variance is known, and its log density is a smooth function of one number,
its mean. A Chebyshev series through a few means then serves every node of every rule; means beyond its ends,
and sites that no series of moderate degree follows, are asked themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from bayesrtw.engine.chebyshev import summed, transform
from bayesrtw.engine.whole_series import BENEATH, Whole, given

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

#: Points at which ends are looked for.
LOOKED = 49

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

    def at(
        self, mean: Array, cut: slice | Index, rows: Index, *, rough: bool | Mask = False
    ) -> Array:
        """Give log densities of some rows at means of shape (point, node, row), for a slice of the points.

        Rough ones, all or some, go on beyond the ends of a series as a parabola.
        """
        every = len(rows) == len(self.rows)
        own = np.arange(len(rows)) if every else np.searchsorted(self.rows, rows)
        z = (mean - self.middle[cut][:, None, own]) / self.half[cut][:, None, own]
        found, within = np.zeros(z.shape), np.clip(z, -1.0, 1.0)
        low, high = self.clipped[:, cut][:, :, None, own]
        asked = np.zeros(z.shape, dtype=bool)
        if rough is not True:
            asked |= ((z < -1.0) & ~low | (z > 1.0) & ~high) & ~np.asarray(rough)
        for of, series in self.series:
            into = of if every else np.flatnonzero(np.isin(own, of))
            if len(into):
                each = series[:, cut]
                each = each if every else each[..., np.searchsorted(of, own[into])]
                value = summed(each, within[..., into])
                _further(each, z[..., into], value)
                found[..., into] = value
        away = np.broadcast_to(~self.followed[cut][:, None, own], z.shape) | asked
        if away.any():
            point, _, row = np.nonzero(away)
            found[away] = self._asked(mean[away], self.variance[cut][point, own[row]], own[row])
        return found

    def away(self, mean: Array, cut: slice | Index, rows: Index) -> Mask:
        """Say where means of shape (point, node, row) lie beyond the ends of their series."""
        own = np.searchsorted(self.rows, rows)
        z = (mean - self.middle[cut][:, None, own]) / self.half[cut][:, None, own]
        low, high = self.clipped[:, cut][:, :, None, own]
        return np.asarray((z < -1.0) & ~low | (z > 1.0) & ~high)

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
    whole: tuple[Whole, ...] = (),
) -> Surface:
    """Lay series: `rows`, `grouped`, `alike` (row,); `variance`, `low`, `high` (point, row)."""
    grouped = np.zeros(len(rows), dtype=bool) if grouped is None else grouped
    alike = np.arange(len(rows)) if alike is None else alike
    clipped, served = np.zeros((2, *low.shape), dtype=bool), np.ones(low.shape, dtype=bool)
    left, read = np.arange(len(rows)), np.zeros(len(rows), dtype=bool)
    low, high = _widest(low, high, alike)
    known = list(given(whole, rows, variance, np.stack([low, high]), grouped))
    for part in known:
        read[of := part.own] = True
        ends = np.stack([low[:, of], high[:, of]])
        low[:, of], high[:, of] = within = np.clip(ends, *part.ends)
        served[:, of], clipped[..., of] = part.served, part.clipped
        torn = np.isin(alike, alike[of[np.any(within != ends, axis=(0, 1))]])
        alike = np.where(torn, left, alike)
    clip = grouped & ~read
    if clip.any():
        own = np.ix_(np.arange(len(low)), clip)
        asks = density, rows[clip], variance[own], low[own], high[own]
        low[own], high[own], clipped[..., clip] = _clipped(*asks)
    middle, half = 0.5 * (high + low), np.maximum(0.5 * (high - low), 1e-9)
    followed, series = np.zeros(low.shape, dtype=bool), []
    for degree in DEGREES:
        if not len(left):
            break
        x = chebyshev.chebpts1(degree + 1)
        mean = middle[:, None, left] + half[:, None, left] * x[:, None]
        values = np.empty(mean.shape)
        asked = np.flatnonzero(~read[left])
        if len(asked):
            of = left[asked]
            values[..., asked] = density(mean[..., asked], variance[:, None, of], rows[of])
        for part in known:
            some = np.isin(part.own, left)
            at = np.searchsorted(left, part.own[some])
            values[..., at] = part.at(mean[..., at], some)
        each = np.einsum("dx,jxr->djr", transform(degree), values)
        scale = np.max(np.abs(values), axis=1, initial=1.0)
        # Of groups the finest serves a site at those points at which it follows it.
        some = grouped[left] & (degree == DEGREES[-1])
        told = np.isfinite(each).all(axis=0)
        enough = np.where(some, GROUPED, ENOUGH)
        told &= np.all(np.abs(each[-3:]) <= enough * scale, axis=0)
        away = ~served[:, left]
        good = np.where(some, told.any(axis=0), (told | away).all(axis=0))
        followed[:, left[good]] = (told & ~away)[:, good]
        held = np.max(np.abs(np.nan_to_num(each)) / scale, axis=1)
        rest, last = np.cumsum(held[::-1], axis=0)[::-1], np.full(len(left), degree)
        for short in reversed([each for each in SHORT if each < degree]):
            last[rest[short + 1] <= NOTHING] = short
        for end in np.unique(last[good]).tolist():
            of = good & (last == end)
            series.append((left[of], np.nan_to_num(each[: end + 1, :, None, of])))
        left = left[~good]
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


def _further(series: Array, z: Array, found: Array) -> None:
    """Add what parabolas add to series beyond their ends, shape (point, node, row)."""
    point, node, row = np.nonzero(np.abs(z) > 1.0)
    if not len(point):
        return
    own = series[:, :, 0]
    order = np.arange(len(own), dtype=np.float64)[:, None, None] ** 2
    # Slope and curvature at an end; at the lower one odd polynomials change sign.
    odd = np.where(np.arange(len(own))[:, None, None] % 2, -1.0, 1.0)
    steep, bend = order * own, order * (order - 1.0) / 3.0 * own
    slope = np.stack([-np.sum(odd * steep, axis=0), np.sum(steep, axis=0)])
    curve = np.stack([np.sum(odd * bend, axis=0), np.sum(bend, axis=0)])
    at = z[point, node, row]
    end, more = (at > 0).astype(np.intp), np.abs(at) - 1.0
    each = np.sign(at) * slope[end, point, row] * more
    found[point, node, row] += each + 0.5 * np.minimum(curve[end, point, row], 0.0) * more**2
