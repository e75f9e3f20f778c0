"""Log densities of sites as series in mean and variance at once, laid once for all hyperparameters.

With q = w / sqrt(v + w^2), w the width of a site near c, and x = (m - c) q / w, the log density of what a
site reports given N(m, v) is smooth in both: a parabola in x where the site is a normal, whatever v is, and
analytic in q from v = 0 (q = 1) to variances beside which the site is a point (q = 0). Given v a product of
Chebyshev polynomials is a series of the mean alone, which is what a point of the hyperparameters needs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from bayesrtw.engine.chebyshev import summed, transform
from bayesrtw.model.observation import Sites

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: How far series reach in x, and from which q on: those of sites that end in steps, less far.
REACHES = ((7.0, 1e-3), (5.0, 1e-3), (5.0, 0.25))
#: Degrees in x and q that are tried, and what the last coefficients may hold of the largest value.
DEGREES, ENOUGH = ((18, 16), (28, 24), (44, 30)), 1e-9
#: Degrees in x to which series are cut where all that goes holds less than this, in the same.
SHORT, NOTHING = (6, 9, 12, 15, 18, 21, 24, 28, 36), 1e-10
#: Share of the way to the ends of where means live that a series must serve.
CORE = 0.7
#: Log of the share of the middle below which a density is no part of any posterior.
BENEATH = 22.0
#: Share of points without their series from which on a site has none.
FEW = 0.02


class GivenVariance(NamedTuple):
    """Series of the mean of some of the sites that were asked about."""

    own: Index  #: Which of them, shape (row,).
    ends: Array  #: Between which means, shape (2, point, row).
    series: Array  #: Coefficients, shape (degree + 1, point, 1, row).
    served: Mask  #: At which points they reach as far as means live, shape (point, row).
    #: Whether they end, below and above, where densities are negligible, shape (2, point, row).
    clipped: Mask

    def at(self, mean: Array, some: Mask) -> Array:
        """Give log densities of some at means of shape (point, node, row)."""
        low, high = self.ends[..., some]
        z = (2.0 * mean - (low + high)[:, None]) / (high - low)[:, None]
        return summed(self.series[..., some], np.clip(z, -1.0, 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """Series of sites of one degree."""

    rows: Index  #: Which sites, ascending, shape (row,).
    #: near, width: of each, shape (row,).
    near: Array
    width: Array
    #: 1 for those that fall on both sides, of which log q was taken out, else 0, shape (row,).
    falls: Array
    #: reach, least: how far in x, and from which q on, they serve.
    reach: float
    least: float
    series: Array  #: Coefficients, shape (row, degree in q + 1, degree in x + 1).

    def given(self, own: Index, variance: Array, ends: Array, grouped: Mask) -> GivenVariance:
        """Give series of the mean given variances (point, row), for means between ends (2, point, row)."""
        width = self.width[own]
        q = width / np.sqrt(variance + width**2)
        t = (2.0 * q - 1.0 - self.least) / (1.0 - self.least)
        powers = chebyshev.chebvander(np.clip(t, -1.0, 1.0).T, self.series.shape[1] - 1)
        series = np.ascontiguousarray(np.matmul(powers, self.series[own]).transpose(2, 1, 0))
        series[0] += np.log(q) * self.falls[own]
        series, half = series[:, :, None], self.reach * width / q
        low, high = (ends - self.near[own]) / half
        centre, reach = 0.5 * (low + high), 0.5 * CORE * (high - low)
        three = np.stack([-np.ones_like(q), np.clip(centre, -1.0, 1.0), np.ones_like(q)], axis=1)
        first, among, last = np.moveaxis(summed(series, three), 1, 0)
        clipped = (np.stack([first, last]) < among - BENEATH) & grouped
        served = (np.stack([reach - centre, reach + centre]) <= 1.0) | clipped
        own_ends = np.stack([self.near[own] - half, self.near[own] + half])
        return GivenVariance(own, own_ends, series, served.all(axis=0) & (t >= -1.0), clipped)


def given(
    wholes: tuple[Whole, ...], rows: Index, variance: Array, ends: Array, grouped: Mask
) -> Iterator[GivenVariance]:
    """Give series of the mean of those of some sites that are served at nearly all points."""
    for each in wholes:
        inside = np.flatnonzero(np.isin(rows, each.rows))
        if not len(inside):
            continue
        own = np.searchsorted(each.rows, rows[inside])
        part = each.given(own, variance[:, inside], ends[..., inside], grouped[inside])
        good = np.mean(~part.served, axis=0) <= FEW
        if good.any():
            kept = part.served[:, good], part.clipped[..., good]
            own_ends, own_series = part.ends[..., good], part.series[..., good]
            yield GivenVariance(inside[good], own_ends, own_series, *kept)


def wholes(sites: Sites, rows: Index) -> tuple[Whole, ...]:
    """Lay series of sites, those that one follows."""
    found, left = list[Whole](), rows
    near, width = sites.near
    falls = sites.falls.astype(float)
    for (reach, least), degrees in product(REACHES, DEGREES):
        if not len(left):
            break
        x, t = (chebyshev.chebpts1(degree + 1) for degree in degrees)
        q = (least + 0.5 * (1.0 - least) * (t + 1.0))[:, None, None]
        mean = near[left] + reach * width[left] * x[None, :, None] / q
        value = sites.log_density(mean, width[left] ** 2 * (1.0 / q**2 - 1.0), left)
        scale = np.maximum(np.max(np.abs(value), axis=(0, 1)), 1.0)
        value = value - np.log(q) * falls[left]
        each = np.einsum("ax,bq,qxr->rba", *(transform(degree) for degree in degrees), value)
        size = np.abs(each) / scale[:, None, None]
        along_x, along_q = size.max(axis=1), size.max(axis=2)
        last = np.maximum(along_x[:, -3:].max(axis=1), along_q[:, -3:].max(axis=1))
        good = np.isfinite(each).all(axis=(1, 2)) & (last <= ENOUGH)
        rest = np.cumsum(along_x[:, ::-1], axis=1)[:, ::-1]
        end = np.full(len(left), degrees[0])
        for short in reversed([most for most in SHORT if most < degrees[0]]):
            end[rest[:, short + 1] <= NOTHING] = short
        for short in np.unique(end[good]).tolist():
            of = np.flatnonzero(good & (end == short))
            own = near[left[of]], width[left[of]], falls[left[of]]
            found.append(Whole(left[of], *own, reach, least, each[of, :, : short + 1]))
        left = left[~good]
    return tuple(found)
