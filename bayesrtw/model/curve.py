"""Likelihoods of single units that are no normals, as sums of normals, so that every integral is closed.

A curve L(theta) is laid on an even grid of step h. Normals of SD 1.2 h around the grid's points, with weights
that make their sum equal L at every point, equal it between points as well: for a normal L of SD 3 h, and
for what counts give, to some 1e-9. The weights are L filtered by fixed coefficients, since the grid is even.
With zero events a curve does not fall on one side; it goes on there as a normal distribution function.
Integrals of L against a normal then are sums of normal densities and one distribution function.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import scipy
from numpy.polynomial import hermite_e
from numpy.typing import NDArray
from scipy.special import log_ndtr, logsumexp

from bayesrtw.errors import EngineRefusal

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Log likelihood of a unit at effects, shape (point,); any constant.
Log = Callable[[Array], Array]

#: SD of the normals in steps of the grid; steps of the grid in the least SD of a curve; longest step, since
#: logistic curves have poles at a distance of pi.
WIDE, FINE, LONGEST = 1.2, 3.0, 0.35
#: A normal with less than this share of the largest weight is none of a unit's `parts`.
NEGLIGIBLE = 1e-12
#: Log of what is left out at the ends of a curve, against its maximum.
DROP = 34.0
#: SD, in steps, of the distribution function that carries on a curve that does not fall; how near the curve
#: must be to its limit there.
EDGE, FLAT = 4.0, 1e-11
#: Log of the least share of its maximum that is told from nothing.
LEAST = 1e5
#: Points on which a curve is first looked at, and how far.
FIRST, FAR = 161, 3000.0
#: Most normals of one curve.
MOST = 4000
#: Relative errors between the grid's points that are wanted and allowed, where the log of a curve is not less
#: than this below its maximum; and by how much finer grids are tried for it.
WANTED, ALLOWED, KEPT = 1e-7, 1e-6, -12.0
#: The last two are for log links, where probabilities end at 1 and a high derivative jumps at no effect.
FINER = (1.0, 1.4, 2.0, 3.0, 6.0, 12.0)
#: Where an integral is less than this share of the maximum (in logs), sums have lost digits: it is taken from
#: the logarithm of the likelihood. The first is for normals narrower than so many steps, which take a
#: Gauss-Hermite rule of so many nodes; the second for others, which take the trapezoid rule.
DEEP, DEEPER, NARROW, NODES = -10.0, -16.0, 2.0, 31
#: Points of the search for where a wide one lives, and of the rule there.
SEARCHED, FOLLOWED = 33, 41
#: Intervals more than one that the first and the last polynomial of a spline of degree 7 serve.
ENDS = 3
#: Numbers in one intermediate array.
AT_ONCE = 500_000
#: The same where curves are summed together: such arrays stay in the cache.
TOGETHER = 100_000
LOG_2PI = math.log(2.0 * math.pi)


class Edge(NamedTuple):
    """How a curve goes on where it does not fall: ``level * Phi(side * (place - theta) / sd)``."""

    level: float
    place: float
    sd: float
    side: float


@dataclass(frozen=True, slots=True, eq=False)
class Even:
    """A spline of degree 7 through points at even distances, asked in a tenth of the time of scipy's."""

    #: first, step: of the grid.
    first: float
    step: float
    #: Where each of its polynomials begins, shape (piece,): those at the ends serve four intervals.
    start: Array
    coefficients: Array  #: Of each, highest degree first, shape (8, piece).

    @classmethod
    def through(cls, x: Array, values: Array) -> "Even":
        """Lay it."""
        laid = scipy.interpolate.PPoly.from_spline(
            scipy.interpolate.make_interp_spline(x, values, k=7).tck
        )
        some = np.diff(laid.x) > 0
        return cls(float(x[0]), float(x[1] - x[0]), laid.x[:-1][some], laid.c[:, some].copy())

    def __call__(self, at: Array) -> Array:
        """Give it at points of any shape within its grid."""
        piece = ((at - self.first) * (1.0 / self.step)).astype(np.intp) - ENDS
        np.clip(piece, 0, len(self.start) - 1, out=piece)
        away = at - self.start[piece]
        found = self.coefficients[0][piece]
        for each in self.coefficients[1:]:
            found *= away
            found += each[piece]
        return np.asarray(found)


@dataclass(frozen=True, slots=True, eq=False)
class LogLine:
    """The logarithm of a curve: near its maximum to some 1e-9, far from it as a look showed it.

    Beyond all that was looked at, `ends`, it stays where it is: a polynomial would rise there again.
    """

    near: Callable[[Array], Array]
    far: Callable[[Array], Array]
    low: float
    high: float
    ends: tuple[float, float]

    def __call__(self, theta: Array) -> Array:
        """Give it at effects of any shape."""
        found = self.near(np.clip(theta, self.low, self.high))
        away = (theta < self.low) | (theta > self.high)
        if away.any():
            found[away] = self.far(np.clip(theta[away], *self.ends))
        return np.asarray(found)


@dataclass(frozen=True, slots=True, eq=False)
class LogCurve:
    """The likelihood of one unit, maximum 1: normals around a grid, and edges."""

    weight: Array  #: Of each normal, shape (part,).
    #: first, step: the grid.
    first: float
    step: float
    edges: tuple[Edge, ...]  #: None, one or two.
    log_scale: float  #: Log of the maximum that was taken out.
    #: Its logarithm between, and far beyond, the points of the grid: for integrals that are next to nothing.
    log: "LogLine"

    @property
    def centre(self) -> Array:
        """Centres of the normals, shape (part,)."""
        return np.asarray(self.first + self.step * np.arange(len(self.weight)))

    @property
    def sd(self) -> float:
        """SD of the normals."""
        return WIDE * self.step

    def parts(self, low: float, high: float) -> tuple[Array, Array, Array]:
        """Give weights, centres and variances of normals, (part,), edges among them as far as two ends."""
        kept = self.weight > NEGLIGIBLE * np.max(self.weight, initial=0.0)
        found: list[tuple[Array, Array, Array]] = [
            (self.weight[kept], self.centre[kept], np.full(int(kept.sum()), self.sd**2))
        ]
        for edge in self.edges:
            step = 0.5 * edge.sd
            reach = (
                max(edge.side * (edge.place - (low if edge.side > 0 else high)), 0.0)
                + 8.0 * edge.sd
            )
            count = np.arange(min(math.ceil(reach / step), MOST)) + 0.5
            at = np.asarray(edge.place - edge.side * step * count)
            found.append((np.full(len(at), edge.level * step), at, np.full(len(at), edge.sd**2)))
        weight, centre, variance = (np.concatenate(each) for each in zip(*found, strict=True))
        return weight, centre, variance

    def log_integral(self, mean: Array, variance: Array) -> Array:
        """Log of the integral of the curve times N(theta; mean, variance), shapes (point,)."""
        if not variance.any():
            return self.log(mean) + self.log_scale
        found = np.empty(len(mean))
        chunk = max(1, AT_ONCE // max(len(self.weight), 1))
        for start in range(0, len(mean), chunk):
            cut = slice(start, start + chunk)
            found[cut] = self.value(mean[cut], variance[cut])
        found, deep = logs(found, variance, self.step)
        if deep.any():
            found[deep] = self.deep(mean[deep], variance[deep])
        return found + self.log_scale

    def deep(self, mean: Array, variance: Array) -> Array:
        """Log of integrals from the logarithm of the likelihood, where sums have lost digits."""
        found, sd = np.empty(len(mean)), np.sqrt(variance)
        narrow = sd < NARROW * self.step
        x, weight = _gauss()
        at = mean[narrow, None] + sd[narrow, None] * x
        found[narrow] = logsumexp(self.log(at) + weight, axis=1)
        if not narrow.all():
            found[~narrow] = self._far(mean[~narrow], sd[~narrow])
        return found

    def _far(self, mean: Array, sd: Array) -> Array:
        """Log of integrals that live between normal and curve: a grid finds where, another follows."""

        def log(theta: Array) -> Array:
            return self.log(theta) - 0.5 * ((theta - mean[:, None]) / sd[:, None]) ** 2

        middle = self.centre[np.argmax(self.weight)]
        theta = mean[:, None] + (middle - mean[:, None]) * np.linspace(0.0, 1.0, SEARCHED)
        for _ in range(2):
            best = np.argmax(log(theta), axis=1)
            at = theta[np.arange(len(theta)), best]
            gap = np.abs(theta[:, 1] - theta[:, 0])
            theta = at[:, None] + gap[:, None] * np.linspace(-1.0, 1.0, SEARCHED)
        step = np.minimum(0.2 * sd, self.step)[:, None]
        low, here, high = (log(at[:, None] + sign * step)[:, 0] for sign in (-1.0, 0.0, 1.0))
        width = 1.0 / np.sqrt(np.maximum((2.0 * here - low - high) / step[:, 0] ** 2, sd**-2))
        t = np.linspace(-9.0, 9.0, FOLLOWED)
        each = log(at[:, None] + width[:, None] * t)
        whole = logsumexp(each, axis=1) + np.log(width * (t[1] - t[0]) / sd)
        return np.asarray(whole - 0.5 * LOG_2PI)

    def value(self, mean: Array, variance: Array) -> Array:
        """Give the integral by its sum, shape (point,)."""
        total = variance + self.sd**2
        found = np.zeros(len(mean))
        if len(self.weight):
            # Exponents of an even grid are of second degree in its index.
            gap = (self.first - mean) / np.sqrt(total)
            rate = self.step / np.sqrt(total)
            z = gap[:, None] + rate[:, None] * np.arange(len(self.weight))
            np.multiply(z, z, out=z)
            z *= -0.5
            np.exp(z, out=z)
            found = (z @ self.weight) / np.sqrt(2.0 * math.pi * total)
        for edge in self.edges:
            z = edge.side * (edge.place - mean) / np.sqrt(variance + edge.sd**2)
            found = found + edge.level * np.exp(log_ndtr(z))
        return np.asarray(found)


def logs(found: Array, variance: Array, step: Array | float) -> tuple[Array, NDArray[np.bool_]]:
    """Give logs of integrals whose sums are known, and say which have lost digits."""
    with np.errstate(divide="ignore"):
        found = np.log(np.maximum(found, 0.0))
    narrow = variance < (NARROW * step) ** 2
    return found, found < np.where(narrow, DEEP, DEEPER)


class Packed(NamedTuple):
    """Curves of like many normals, whose integrals are summed together."""

    rows: Index  #: Which units, ascending, shape (row,).
    weight: Array  #: Of normals, shape (row, part); 0 beyond those that a curve has.
    #: first, step, sd: grids, shape (row,).
    first: Array
    step: Array
    sd: Array
    log_scale: Array  #: Logs of the maxima that were taken out, shape (row,).
    #: Level, place, SD and side of edges, shape (4, row, 2); of level 0 where there is none.
    edges: Array

    def value(self, own: Index, mean: Array, variance: Array) -> Array:
        """Give the integrals of some of the curves, shape (point, row); see `LogCurve.value`."""
        found = np.zeros(mean.shape)
        weight, first, step = self.weight[own], self.first[own], self.step[own]
        place = np.arange(float(weight.shape[1]))
        total = variance + self.sd[own] ** 2
        # exp(-z^2 / 2) with the half inside the squares.
        scale = 1.0 / np.sqrt(2.0 * total)
        gap, rate = (first - mean) * scale, step * scale
        chunk = max(1, TOGETHER // max(weight.size, 1))
        for start in range(0, len(mean), chunk):
            cut = slice(start, start + chunk)
            z = gap[cut, :, None] + rate[cut, :, None] * place
            np.multiply(z, z, out=z)
            np.negative(z, out=z)
            np.exp(z, out=z)
            found[cut] = np.matmul(z.transpose(1, 0, 2), weight[..., None])[..., 0].T
        found *= scale / math.sqrt(math.pi)
        level, at, sd, side = self.edges[:, own]
        for which in range(2):
            here = np.flatnonzero(level[:, which])
            if len(here):
                z = side[here, which] * (at[here, which] - mean[:, here])
                z = z / np.sqrt(variance[:, here] + sd[here, which] ** 2)
                found[:, here] += level[here, which] * np.exp(log_ndtr(z))
        return found


def packed(laid: Sequence[LogCurve]) -> tuple[Packed, ...]:
    """Sort curves by how many normals they have, to the next power of two."""
    lengths = np.array([len(each.weight) for each in laid])
    bins = np.ceil(np.log2(np.maximum(lengths, 16)))
    found = []
    for of in np.unique(bins):
        rows = np.flatnonzero(bins == of)
        weight, edges = np.zeros((len(rows), int(lengths[rows].max()))), np.ones((4, len(rows), 2))
        edges[0] = 0.0
        for place, row in enumerate(rows.tolist()):
            weight[place, : lengths[row]] = laid[row].weight
            for which, edge in enumerate(laid[row].edges):
                edges[:, place, which] = edge
        own = [laid[row] for row in rows.tolist()]
        numbers = np.array([[each.first, each.step, each.sd, each.log_scale] for each in own])
        first, step, sd, log_scale = numbers.T
        found.append(Packed(rows, weight, first, step, sd, log_scale, edges))
    return tuple(found)


def curve(log: Log, start: float, width: float, name: str = "") -> LogCurve:
    """Lay the likelihood of one unit as normals."""
    far = math.asinh(FAR / width)
    theta = np.asarray(start + width * np.sinh(np.linspace(-far, far, FIRST)))
    value, ends = log(theta), (float(theta[0]), float(theta[-1]))
    value = np.maximum(value, np.max(value) - LEAST)
    if value.max() - value.min() < FLAT:
        level = float(value.max())
        always = (Edge(1.0, start, 1.0, 1.0), Edge(1.0, start, 1.0, -1.0))
        flat = scipy.interpolate.CubicSpline(theta, value - level)
        return LogCurve(
            np.zeros(0), start, 1.0, always, level, LogLine(flat, flat, -FAR, FAR, ends)
        )
    top = float(value.max())
    # Slopes that are next to nothing have reciprocals that overflow, which makes them nothing.
    with np.errstate(over="ignore", divide="ignore"):
        far_off = scipy.interpolate.PchipInterpolator(theta, value - top)
    made, moved = None, math.inf
    for finer in FINER:
        grid = _extent(theta, value - top, finer)
        if math.ceil((grid.high - grid.low) / grid.step) > MOST:
            break
        made, moved = _made(log, grid, top, LogLine(far_off, far_off, *ends, ends))
        if moved <= WANTED:
            break
    if made is None or not moved <= ALLOWED:
        raise EngineRefusal(
            f"{name}: normals reproduce the likelihood to {moved:.0e} only (at most {ALLOWED:.0e}); use "
            "Nuts() or, where that needs them as well (return_to_work), leave the row out."
        )
    return made


class _Grid(NamedTuple):
    """Ends, step and edges of an even grid."""

    low: float
    high: float
    step: float
    edges: tuple[Edge, ...]


def _made(log: Log, at: _Grid, top: float, far: LogLine) -> tuple[LogCurve, float]:
    """Lay normals on a grid, and measure what they miss between its points."""
    count = math.ceil((at.high - at.low) / at.step) + 1
    grid = np.asarray(at.low + at.step * np.arange(count))
    laid = np.maximum(log(grid) - top, -LEAST)
    rest = np.zeros(count)
    for edge in at.edges:
        rest = rest + log_ndtr(edge.side * (grid - edge.place) / edge.sd)
    taps = _taps()
    weight = at.step * np.convolve(np.exp(laid + rest), taps)[len(taps) // 2 :][:count]
    half = np.asarray(grid[:-1] + 0.5 * at.step)
    both, values = np.empty(2 * count - 1), np.empty(2 * count - 1)
    both[::2], both[1::2], values[::2] = grid, half, laid
    values[1::2] = truth = np.maximum(log(half) - top, -LEAST)
    line = LogLine(Even.through(both, values), far.far, at.low, float(grid[-1]), far.ends)
    made = LogCurve(weight, at.low, at.step, at.edges, top, line)
    kept = truth > KEPT
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(made.value(half[kept], np.zeros(int(kept.sum()))))
    moved = float(np.max(np.abs(found - truth[kept]), initial=0.0))
    return made, moved if math.isfinite(moved) else math.inf


def _extent(theta: Array, value: Array, finer: float) -> _Grid:
    """Lay a grid for a curve that was looked at."""
    inside = np.flatnonzero(value > -DROP)
    slope = np.diff(value) / np.diff(theta)
    middle = 0.5 * (theta[1:] + theta[:-1])
    bend = -np.diff(slope) / np.diff(middle)
    near = bend[max(inside[0] - 1, 0) : inside[-1]]
    sharpest = float(np.max(near, initial=1e-12))
    step = min(1.0 / (FINE * math.sqrt(sharpest)), LONGEST) / finer
    ends, edges = [], []
    for side, end, last in ((1.0, inside[0], 0), (-1.0, inside[-1], len(theta) - 1)):
        if end != last:
            ends.append(float(theta[int(end - side)]))
            continue
        away = np.flatnonzero(np.abs(np.expm1(value - value[last])) > FLAT)
        place = float(theta[int((away[0] if side > 0 else away[-1]) - side)])
        edges.append(Edge(math.exp(value[last]), place, EDGE * step, side))
        ends.append(place - side * 9.0 * EDGE * step)
    low, high = ends
    return _Grid(low, high, step, tuple(edges))


@cache
def _gauss() -> tuple[Array, Array]:
    """Nodes and log weights of the rule for narrow normals."""
    x, weight = hermite_e.hermegauss(NODES)
    return x, np.log(weight / weight.sum())


@cache
def _taps() -> Array:
    """Filter that makes weights of values: the inverse of sampling normals of SD `WIDE` steps on a grid."""
    size = 512
    place = np.minimum(np.arange(size), size - np.arange(size))
    kernel = np.exp(-0.5 * (place / WIDE) ** 2) / (WIDE * math.sqrt(2.0 * math.pi))
    inverse = np.fft.ifft(1.0 / np.fft.fft(kernel)).real
    return np.asarray(np.concatenate([inverse[-120:], inverse[:121]]))
