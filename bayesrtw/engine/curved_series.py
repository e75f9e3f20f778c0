"""Kernels with Hermite series from weighted points, and what the series leave out.

Of points that a rule of one or two dimensions lays, one product with its polynomials gives the series along
every direction, since ``h_n(d'z) = sum_{a + b = n} sqrt(n! / (a! b!)) d_1^a d_2^b h_a(z_1) h_b(z_2)`` for a
unit vector d. A series around another centre and scale is a linear function of the one that is known.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bayesrtw.engine.cubature import rule
from bayesrtw.posterior.kernels import Kernels, blended
from bayesrtw.posterior.series import FAR, coefficients

Array = NDArray[np.float64]

#: Scales of kernels that are tried, in SDs, and what a series may leave out before the next one is.
SCALES, SERIES = (1.0, 1.3, 1.6, 2.0), 1e-8
#: The same for effects behind single rows, whose points are a short rule's: tails of their own gain nothing.
ROWS = 1e-4
#: Dimensions up to which a rule's polynomials give every direction.
DIRECTED = 2
#: Where the tails begin that get kernels of their own, in SDs of the middle.
AWAY = 6.0
#: Degree of series up to which tails get none of their own: rules that resolve no more tell nothing of tails.
SHORT = 14
#: Windows along a line: their edges, in SDs of the middle, how far apart, in edges, and the degree of series.
WINDOWS, STRIDE, FEW = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18), 2.0, 48
#: Cells of normals: how far apart, in SDs, and how unlike, in logs of variances; and the degree of their
#: series, whose coefficients have then fallen below 1e-8.
APART, UNLIKE, DEGREE = 0.7, 0.2, 16
#: Cells along a mean; a normal of less weight than this has none.
CELLS, TRIFLE = 1 << 20, 1e-13
#: What a series may leave out before it is none, in probability.
WILD = 0.1
#: Most that an orthonormal Hermite polynomial comes to under the normal density, whatever its degree: by
#: Cramer's inequality, |h_n(z)| <= 1.0864 exp(z^2 / 4).
MOST = 1.0864 / math.sqrt(2.0 * math.pi)
#: Numbers in one array of a recurrence: a few of them stay in the cache.
AT_ONCE = 16_384
#: A point with less than this share of the posterior has no kernel.
NEGLIGIBLE = 1e-11


class Hermite(NamedTuple):
    """Series of points around centres and scales: shapes (point,), (point,) and (point, degree + 1)."""

    mean: Array
    sd: Array
    series: Array

    def around(self, mean: Array, sd: Array) -> "Hermite":
        """Write the same points around other centres and scales."""
        found, step = np.empty_like(self.series), 1 + AT_ONCE // self.series.shape[1]
        rate, gap = (self.sd / sd)[:, None], ((self.mean - mean) / sd)[:, None]
        for start in range(0, len(found), step):
            some = slice(start, start + step)
            _rewrite(self.series[some], rate[some], gap[some], found[some])
        return Hermite(mean, sd, found)

    def matched(self) -> "Hermite":
        """Write them around their own means and SDs."""
        if self.series.shape[1] < 3:
            return self
        first, second = self.series[:, 1], self.series[:, 2]
        variance = 1.0 + math.sqrt(2.0) * second - first**2
        sd = self.sd * np.sqrt(np.where(variance > 0, variance, 1.0))
        return self.around(self.mean + self.sd * first, sd)


def _rewrite(series: Array, rate: Array, gap: Array, found: Array) -> None:
    """Write series (point, degree + 1) around centres and scales of their own, shape (point, 1)."""
    degree = series.shape[1] - 1
    root = np.sqrt(np.arange(degree + 2.0))
    # h_n of the new z as a combination of h_0 to h_n of the old z, by the recurrence of both.
    before, last = np.zeros((len(series), 1)), np.ones((len(series), 1))
    found[:, 0], climb = series[:, 0], rate * root[1:-1]
    for n in range(degree):
        each = np.zeros((len(series), n + 2))
        each[:, :-1] = gap * last
        each[:, : before.shape[1]] -= root[n] * before
        each[:, 1:] += climb[:, : n + 1] * last
        each[:, :n] += climb[:, :n] * last[:, 1:]
        each /= root[n + 1]
        before, last = last, each
        found[:, n + 1] = np.vecdot(last, series[:, : n + 2])


@lru_cache(maxsize=64)
def _widening(degree: int, wide: float) -> Array:
    """Give what makes series of a scale those of a wider one, shape (degree + 1, degree + 1)."""
    found, ones = np.empty((degree + 1, degree + 1)), np.ones((degree + 1, 1))
    _rewrite(np.eye(degree + 1), ones / wide, 0.0 * ones, found)
    return found


@lru_cache(maxsize=16)
def _polynomials(dimension: int, size: int) -> Array:
    """Products of orthonormal Hermite polynomials at the nodes of a rule, shape (node, product)."""
    laid = rule(dimension, size)
    each = np.ones((dimension, laid.degree + 1, len(laid.weight)))
    for z, own in zip(laid.node.T, each, strict=True):
        before = np.zeros_like(z)
        for n in range(laid.degree):
            last = before if n == 0 else own[n - 1]
            own[n + 1] = (z * own[n] - math.sqrt(n) * last) / math.sqrt(n + 1.0)
    if dimension == 1:
        return np.asarray(each[0].T)
    products = [each[0, n - b] * each[1, b] for n in range(laid.degree + 1) for b in range(n + 1)]
    return np.asarray(np.stack(products, axis=1))


@lru_cache(maxsize=16)
def _ways(degree: int) -> tuple[Array, Array, Array]:
    """Of each product of a degree up to one: both exponents, and the root of how many ways there are."""
    each = [(n - b, b, math.sqrt(math.comb(n, b))) for n in range(degree + 1) for b in range(n + 1)]
    first, second, root = np.array(each).T
    return first.astype(int), second.astype(int), root


class Directions:
    """Series of what a rule has seen, along every direction of the coefficients."""

    def __init__(self, size: int, centre: Array, factor: Array, share: Array) -> None:
        """Take shares of a rule's nodes, shape (point, node), around centres and factors of `Place`."""
        self._centre, self._factor = centre, factor
        self._each = share @ _polynomials(centre.shape[1], size)
        self._degree = rule(centre.shape[1], size).degree

    def along(self, row: Array) -> Hermite:
        """Give the series of ``row @ b``, shape (column,)."""
        d = np.einsum("jcd,c->jd", self._factor, row)
        sd = np.sqrt(np.sum(d * d, axis=1))
        unit = d / np.where(sd > 0, sd, 1.0)[:, None]
        powers = unit[:, :, None] ** np.arange(self._degree + 1.0)
        if unit.shape[1] == 1:
            return Hermite(self._centre @ row, sd, self._each * powers[:, 0])
        a, b, root = _ways(self._degree)
        each = self._each * root * powers[:, 0, a] * powers[:, 1, b]
        starts = np.cumsum(np.arange(self._degree + 1))
        return Hermite(self._centre @ row, sd, np.add.reduceat(each, starts, axis=1))


def kernels_of(
    x: Array,
    share: Array,
    mass: Array,
    degree: int,
    enough: float = SERIES,
    known: Hermite | None = None,
    *,
    line: bool = False,
) -> tuple[Kernels, NDArray[np.intp], float]:
    """Kernels of points with shares, (point, node); whose each is; and what their series leave out.

    Where one kernel a point leaves out more than enough, because a tail is heavy or a second mode lies far
    off, the tails get kernels of their own: smooth windows, which add up to one, divide the shares; nodes of
    a `line` tell ever narrower windows, short series none. Series of the points that are `known` need not be
    worked out.
    """
    every = np.arange(len(mass))
    made, left = _kernel(x, share, mass, degree, enough, known)
    ways, taken, total = [(Kernels(mass, *made), every)], np.zeros(len(mass), np.intp), np.sum(mass)
    for wide in () if degree <= SHORT else (math.inf, *(WINDOWS if line else ())):
        some = np.flatnonzero(left > enough)
        if mass @ left <= enough * total or not len(some):
            break
        low, middle, high = _quantiles(x[some], share[some], (0.16, 0.5, 0.84))
        unit = np.maximum(0.5 * (high - low), 1e-12 + 0.05 * made.sd[some, None])
        windows = _windows((x[some] - middle) / unit, share[some], wide)
        most = degree if wide == math.inf else min(degree, FEW)
        parts, point, new = _divided(x[some], share[some], mass[some], windows, most, enough)
        taken[some[new < left[some]]] = len(ways)
        left[some] = np.minimum(left[some], new)
        ways.append((parts, some[point]))
    kept = [taken[point] == place for place, (_, point) in enumerate(ways)]
    alive = [
        Kernels(own.weight[some], own.mean[some], own.sd[some], own.series[some])  # type: ignore[index]
        for (own, _), some in zip(ways, kept, strict=True)
        if some.any()
    ]
    points = [point[some] for (_, point), some in zip(ways, kept, strict=True)]
    whole = blended(alive, [1.0] * len(alive))
    return whole, np.concatenate(points), float(mass @ left / total)


def _windows(z: Array, share: Array, wide: float) -> Iterator[Array]:
    """Cut a line, in SDs of the middle, by windows that add up to one: tails apart, or many of a width."""
    if wide == math.inf:
        below, above = ndtr(-z - AWAY), ndtr(z - AWAY)
        yield from (1.0 - below - above, below, above)
        return
    held = share > TRIFLE
    low, high = np.min(z[held], initial=0.0), np.max(z[held], initial=0.0)
    before = np.ones_like(z)
    for cut in np.arange(low, high, STRIDE * wide):
        here = ndtr((z - cut) / wide)
        yield before - here
        before = here
    yield before


def _quantiles(x: Array, share: Array, levels: Sequence[float]) -> list[Array]:
    """Give quantiles of points with shares, (point, node), each of shape (point, 1)."""
    order = np.argsort(x, axis=1)
    upto = np.cumsum(np.take_along_axis(share, order, axis=1), axis=1)
    places = [np.argmax(upto >= level * upto[:, -1:], axis=1)[:, None] for level in levels]
    at = [np.take_along_axis(order, place, axis=1) for place in places]
    return [np.take_along_axis(x, each, axis=1) for each in at]


def _divided(
    x: Array, share: Array, mass: Array, windows: Iterable[Array], degree: int, enough: float
) -> tuple[Kernels, NDArray[np.intp], Array]:
    """Kernels of points under each of some windows; whose each is; and what series of a point leave out."""
    found, points, left = [], [], np.zeros(len(mass))
    for window in windows:
        part = share * window
        own = np.sum(part, axis=1)
        keep = np.flatnonzero(np.abs(mass * own) > NEGLIGIBLE)
        if len(keep):
            some = mass[keep] * own[keep]
            made, own_left = _kernel(x[keep], part[keep] / own[keep, None], some, degree, enough)
            found.append(Kernels(some, *made))
            points.append(keep)
            left[keep] += own_left * np.abs(own[keep])
    if not found:
        return (
            Kernels(mass[:0], mass[:0], mass[:0], mass[:0, None]),
            np.zeros(0, dtype=np.intp),
            left + math.inf,
        )
    return blended(found, [1.0] * len(found)), np.concatenate(points), left


def _kernel(
    x: Array,
    share: Array,
    mass: Array,
    degree: int,
    enough: float,
    known: Hermite | None = None,
) -> tuple[Hermite, Array]:
    """Centres, scales and series of points with shares, (point, node); and what each series leaves out.

    A posterior with tails heavier than those of its kernel needs a wider one: each takes the scale under
    which its last coefficients are smallest.
    """
    if known is None:
        mean = np.sum(share * x, axis=-1)
        sd = np.sqrt(np.maximum(np.sum(share * (x - mean[:, None]) ** 2, axis=-1), 0.0))
        unit = np.where(sd > 0, sd, 1.0)
        # A point without weight may lie as far away as it likes; no power of it may overflow.
        most = 10.0 ** (280.0 / max(degree, 1))
        z = np.clip((x - mean[:, None]) / unit[:, None], -most, most)
        # Nodes that a very wide prior lays far off hold rounding, of which a power would be all there is.
        noise = (np.abs(z) > FAR) & (share < TRIFLE)
        start = Hermite(mean, sd, coefficients(np.where(noise, 0.0, z), share, degree))
    else:
        start = known.matched()
    best, left = start.series.copy(), _last(start.series)
    scale, some = np.ones(len(left)), np.flatnonzero(left > enough)
    for wide in SCALES[1:]:
        if mass @ left <= enough * np.sum(mass) or not len(some):
            break
        new = start.series[some] @ _widening(start.series.shape[1] - 1, wide)
        over = _last(new)
        better = over < left[some]
        place = some[better]
        scale[place], best[place], left[place] = wide, new[better], over[better]
        some = np.flatnonzero(left > enough)
    # A series that does not fall off at all says less than the normal of its mean and SD.
    wild = left > WILD
    best[wild, 1:], scale[wild], left[wild] = 0.0, 1.0, 1.0
    found = Hermite(start.mean, scale * start.sd, best)
    return found, left


def _last(terms: Array) -> Array:
    """Bound what the last terms of each series add to the probability below any value, shape (point,)."""
    if terms.shape[1] < 4:
        return np.zeros(len(terms))
    most = MOST / math.sqrt(terms.shape[1] - 3.0)
    return np.asarray(most * np.max(np.abs(terms[:, -3:]), axis=1))


class ManyNormals:
    """A mixture of very many normals, each perhaps with a series, written as few kernels with series.

    Those of about one mean and variance, in cells that are laid once for all, become one kernel: with the
    mean e_m of the m-th Hermite polynomial under N(m, v), which follows from those before it, a coefficient
    a_k of one normal adds sqrt(n! / (k! (n - k)!)) a_k r^k e_(n - k) to the n-th of its cell, r the ratio of
    their scales, and such sums add up.
    """

    def __init__(self) -> None:
        self._keys: list[NDArray[np.intp]] = []
        self._sums: list[Array] = []

    def add(self, mass: Array, mean: Array, variance: Array, series: Array | None = None) -> None:
        """Add normals, arrays of one shape; `series` have one axis more, of their coefficients."""
        some = mass > TRIFLE
        mass, mean, variance = mass[some], mean[some], np.maximum(variance[some], 1e-280)
        wide = np.rint(np.log(variance) / UNLIKE)
        scale = np.exp(0.5 * UNLIKE * wide)
        near = np.rint(mean / (APART * scale))
        assert np.all(np.abs(near) < CELLS // 2)
        # The cells that hold a normal, found without a sort.
        low, left = wide.min(initial=0.0), near.min(initial=0.0)
        across = int(near.max(initial=0.0) - left) + 1
        key = ((wide - low) * across + near - left).astype(np.intp)
        held = np.bincount(key) > 0
        cell, keys = (np.cumsum(held) - 1)[key], np.flatnonzero(held)
        keys = (keys // across + int(low)) * CELLS + keys % across + int(left)
        ratio = np.sqrt(variance) / scale
        each = hermite_means(mass, mean / scale - APART * near, ratio**2 - 1.0, DEGREE)
        if series is not None:
            each = _with_series(each, series[some].T, ratio)
        sums = np.empty((DEGREE + 1, len(keys)))
        for n, term in enumerate(each):
            sums[n] = np.bincount(cell, term, len(keys))
        self._keys.append(keys)
        self._sums.append(sums)

    def kernels(self) -> Kernels:
        """Give what was added."""
        keys, place = np.unique(np.concatenate(self._keys), return_inverse=True)
        sums = np.zeros((len(keys), DEGREE + 1))
        np.add.at(sums, place, np.concatenate(self._sums, axis=1).T)
        wide = np.rint(keys / CELLS)
        scale = np.exp(0.5 * UNLIKE * wide)
        mass = sums[:, 0]
        return Kernels(mass, APART * (keys - wide * CELLS) * scale, scale, sums / mass[:, None])


def _with_series(plain: Iterator[Array], series: Array, ratio: Array) -> Iterator[Array]:
    """Give the same of normals with series (degree + 1, normal), `ratio` their scales over those of cells."""
    root = np.sqrt([float(math.factorial(n)) for n in range(DEGREE + 1)])
    most = min(len(series), DEGREE + 1)
    own = series[:most] * ratio ** np.arange(most)[:, None] / root[:most, None]
    means = np.empty((DEGREE + 1, len(ratio)))
    for n, term in enumerate(plain):
        np.divide(term, root[n], out=means[DEGREE - n])
        # A sum over both degrees, which together are n.
        some = min(n + 1, most)
        yield root[n] * np.einsum("kj,kj->j", own[:some], means[DEGREE - n :][:some])


def hermite_means(mass: Array, mean: Array, more: Array, degree: int) -> Iterator[Array]:
    """Means of orthonormal Hermite polynomials under N(mean, 1 + more), times a mass, from degree 0 on.

    Each is an array that those after it are made in.
    """
    before, last, spare = np.zeros_like(mean), np.array(mass), np.empty_like(mean)
    yield last
    for n in range(degree):
        np.multiply(mean, last, out=spare)
        before *= more
        before *= math.sqrt(n)
        spare += before
        spare *= 1.0 / math.sqrt(n + 1.0)
        before, last, spare = last, spare, before
        yield last


def series_of(share: Array, mean: Array, variance: Array) -> Hermite:
    """Write a mixture of normals at each node, (node, normal), as one kernel around its mean and SD.

    Means of Hermite polynomials are sums of ``E z^p more^q``, see `hermite_means`, which are one product of
    matrices. Shares at each node sum to one.
    """
    powers, wider = np.empty((DEGREE + 1, *mean.shape)), np.empty((DEGREE // 2 + 1, *mean.shape))
    centre = np.vecdot(share, mean)
    z = mean - centre[:, None]
    powers[0], wider[0] = share, 1.0
    np.multiply(share, z, out=powers[1])
    total = np.maximum(np.vecdot(share, variance) + np.vecdot(powers[1], z), 1e-280)
    sd = np.sqrt(total)
    z /= sd[:, None]
    powers[1] /= sd[:, None]
    np.divide(variance, total[:, None], out=wider[1])
    wider[1] -= 1.0
    for n in range(1, DEGREE):
        np.multiply(powers[n], z, out=powers[n + 1])
    for n in range(1, DEGREE // 2):
        np.multiply(wider[n], wider[1], out=wider[n + 1])
    means = powers.transpose(1, 0, 2) @ wider.transpose(1, 2, 0)
    return Hermite(centre, sd, means.reshape(len(sd), -1) @ _by_powers())


@lru_cache(maxsize=1)
def _by_powers() -> Array:
    """Give what each ``E z^p more^q`` adds to each mean, shape (p and q, degree + 1)."""
    found = np.zeros((DEGREE + 1, DEGREE // 2 + 1, DEGREE + 1))
    for n in range(DEGREE + 1):
        for q in range(n // 2 + 1):
            ways = math.factorial(q) * math.factorial(n - 2 * q) * 2**q
            found[n - 2 * q, q, n] = math.sqrt(math.factorial(n)) / ways
    return found.reshape(-1, DEGREE + 1)


def left_out(mass: Array, terms: Array) -> float:
    """Measure what series with some masses leave out, in probability."""
    most = MOST / math.sqrt(terms.shape[1]) * np.max(np.abs(terms[:, -2:]), axis=1)
    return float(mass @ most / np.sum(mass))
