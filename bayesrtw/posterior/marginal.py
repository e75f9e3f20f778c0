"""The posterior of one hyperparameter alone: Legendre series of its density between the nodes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from bayesrtw.posterior.axis import Axis
from bayesrtw.posterior.nodes import Nodes, rule

Array = NDArray[np.float64]

#: Points of the table that a quantile starts from, most Newton steps after it, and the error in
#: probability at which they stop.
TABLE = 513
STEPS = 12
PRECISION = 1e-13

#: Legendre coefficients below this share of the largest one are rounding and are dropped.
ROUNDING = 1e-16

#: A moment whose integral converges more slowly than this power is not reported.
MARGIN = 0.2

#: Least and most nodes on which the marginal distribution of an inner hyperparameter is kept: its range
#: spans those of all its densities, and under a heavy tail may be a hundred times as long as they are wide.
MARGINAL = (256, 2048)

#: What the series of a marginal distribution may leave out before it gets more nodes.
LEFT_OUT = 1e-10

#: Nodes up to which the polynomials of a rule are kept: two megabytes.
KEPT = 512

#: Coefficients at the end of a series that tell how much it leaves out.
LAST = 8

#: Densities of an inner hyperparameter that are summed at once: their series stay in the cache.
ROWS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """The continuous posterior of one hyperparameter, as a Legendre series of its density in u."""

    axis: Axis  #: The coordinate.
    #: low, high: its range.
    low: float
    high: float
    density: Array  #: Legendre coefficients of the density on x in [-1, 1].
    cumulative: Array  #: Legendre coefficients of its integral from -1.

    def cdf(self, value: Array) -> Array:
        """P(hyperparameter <= value)."""
        return np.asarray(np.clip(legendre.legval(self._place(value), self.cumulative), 0.0, 1.0))

    def sf(self, value: Array) -> Array:
        """P(hyperparameter > value), integrated from above: nothing cancels but in the series itself."""
        from_above = -legendre.legint(self.density, lbnd=1)
        return np.asarray(np.clip(legendre.legval(self._place(value), from_above), 0.0, 1.0))

    def _place(self, value: Array) -> Array:
        """Say where values stand on the series' [-1, 1]."""
        u = self.axis.coordinate(np.asarray(value, dtype=np.float64))
        return np.clip(2.0 * (u - self.low) / (self.high - self.low) - 1.0, -1.0, 1.0)

    def quantile(self, q: Array) -> Array:
        """Invert the distribution function."""
        wanted = np.asarray(q, dtype=np.float64)
        table, powers = _table(len(self.cumulative))
        levels = np.maximum.accumulate(powers @ self.cumulative)
        place = np.clip(np.searchsorted(levels, wanted), 1, TABLE - 1)
        lower, upper = table[place - 1], table[place]
        x = np.clip(self._between(wanted, levels, place), lower, upper)
        found = self._refined(wanted.reshape(-1), *(each.reshape(-1) for each in (x, lower, upper)))
        return self.axis.value(
            self.low + 0.5 * (self.high - self.low) * (found.reshape(wanted.shape) + 1.0)
        )

    def _refined(self, wanted: Array, x: Array, lower: Array, upper: Array) -> Array:
        """Take Newton steps inside brackets, for those points that still move."""
        both = np.stack([self.cumulative, np.append(self.density, 0.0)], axis=-1)
        found, left = x.copy(), np.arange(len(x))
        for _ in range(STEPS):
            level, slope = legendre.legval(x, both)
            error = level - wanted
            lower, upper = np.where(error < 0, x, lower), np.where(error > 0, x, upper)
            with np.errstate(divide="ignore", invalid="ignore"):
                step = x - error / slope
            x = np.where((step >= lower) & (step <= upper), step, 0.5 * (lower + upper))
            found[left] = x
            # After a Newton step the error is about its square over the probability of the tail.
            tail = np.minimum(wanted, 1.0 - wanted)
            moving = (error * error >= PRECISION * tail) | (x != step)
            moving &= np.abs(error) >= PRECISION
            if not np.any(moving):
                break
            left, x, wanted = left[moving], x[moving], wanted[moving]
            lower, upper = lower[moving], upper[moving]
        return found

    def log_density(self, value: Array) -> Array:
        """Log density of the hyperparameter on its own scale."""
        u = self.axis.coordinate(np.asarray(value, dtype=np.float64))
        density = np.maximum(
            legendre.legval(self._place(value), self.density), np.finfo(float).tiny
        )
        stretch = math.log(2.0 / (self.high - self.low))
        return np.asarray(np.log(density) + stretch - self.axis.log_jacobian(u))

    def _between(self, wanted: Array, levels: Array, place: NDArray[np.intp]) -> Array:
        """Interpolate the quantile function between the points of a table, with its slopes."""
        rise = levels[place] - levels[place - 1]
        share = np.divide(
            wanted - levels[place - 1], rise, out=np.full_like(wanted, 0.5), where=rise > 0
        )
        table, powers = _table(len(self.cumulative))
        slopes = 1.0 / np.maximum(powers[:, : len(self.density)] @ self.density, 1e-300)
        left, right = table[place - 1], table[place]
        a, b = slopes[place - 1] * rise, slopes[place] * rise
        width = right - left
        # Where the density is all but zero the cubic would overshoot: slopes beyond three chords
        # are held there (Fritsch & Carlson 1980, doi:10.1137/0717021).
        a, b = np.minimum(a, 3.0 * width), np.minimum(b, 3.0 * width)
        rest = 1.0 - share
        return np.asarray(
            left * rest**2 * (1 + 2 * share)
            + right * share**2 * (1 + 2 * rest)
            + a * share * rest**2
            - b * share**2 * rest
        )


@cache
def _table(count: int) -> tuple[Array, Array]:
    """Points of the table, and Legendre polynomials up to a count there."""
    points = -np.cos(np.linspace(0.0, math.pi, TABLE))
    return points, np.asarray(legendre.legvander(points, count - 1), dtype=np.float64)


def _basis(count: int) -> Array:
    """Legendre polynomials at the nodes of a rule, shape (node, degree); small ones are kept."""
    return _kept_basis(count) if count <= KEPT else _new_basis(count)


def _new_basis(count: int) -> Array:
    return np.asarray(legendre.legvander(rule(count)[0], count - 1), dtype=np.float64)


_kept_basis = lru_cache(maxsize=8)(_new_basis)


def series(weight: Array, axis: Axis, low: float, high: float) -> Distribution:
    """Interpolate a posterior between the nodes of a Gauss-Legendre rule: `weight` (node,)."""
    count = weight.shape[-1]
    # weight_j = density(x_j) * w_j, so the projection on P_k needs no further weights.
    coefficients = (np.arange(count) + 0.5) * (weight @ _basis(count))
    large = np.flatnonzero(np.abs(coefficients) > ROUNDING * np.max(np.abs(coefficients)))
    coefficients = np.asarray(coefficients[: large[-1] + 1])
    cumulative = np.asarray(legendre.legint(coefficients, lbnd=-1), dtype=np.float64)
    return Distribution(axis, low, high, coefficients, cumulative)


@dataclass(frozen=True, slots=True, eq=False)
class Marginal:
    """Marginal posterior of one hyperparameter on a Gauss-Legendre rule."""

    weight: Array  #: Share of each node of the rule, shape (node,).
    #: low, high: range of the coordinate.
    low: float
    high: float


def marginals(found: Nodes, axes: Sequence[Axis]) -> tuple[Marginal, ...]:
    """Marginal posteriors of every hyperparameter of a single problem."""
    weight = np.exp(found.log_weight).reshape(found.counts)
    first = found.ranges[0]
    outer = weight.reshape(found.counts[0], -1).sum(axis=1)
    kept = [Marginal(outer, float(first.low), float(first.high))]
    for place in range(1, len(axes)):
        count = found.counts[place]
        lead = int(np.prod(found.counts[:place]))
        each = weight.reshape(lead, count, -1).sum(axis=2)
        low, high = found.ranges[place].low.reshape(lead), found.ranges[place].high.reshape(lead)
        kept.append(_mixed(each, low, high, count))
    return tuple(kept)


def blended_marginal(
    parts: Sequence[Distribution], share: Sequence[float]
) -> tuple[Axis, Marginal]:
    """Mix distributions of one hyperparameter with given probabilities: one marginal on a coordinate."""
    axis, count = parts[0].axis, MARGINAL[0]
    ends = [axis.coordinate(part.axis.value(np.array([part.low, part.high]))) for part in parts]
    low, high = float(min(end[0] for end in ends)), float(max(end[1] for end in ends))
    while True:
        points, w = rule(count)
        u = low + 0.5 * (high - low) * (points + 1.0)
        value, weight = axis.value(u), np.zeros(count)
        for part, own, (first, last) in zip(parts, share, ends, strict=True):
            inside = (u >= first) & (u <= last)
            weight[inside] += own * np.exp(part.log_density(value[inside]))
        weight *= w * np.exp(axis.log_jacobian(u))
        weight /= weight.sum()
        if count == MARGINAL[1] or last_terms(weight[:, None]) <= LEFT_OUT:
            return axis, Marginal(weight, low, high)
        count *= 2


def unresolved(found: Nodes, place: int) -> float:
    """Bound what the series of a marginal posterior leaves out of its distribution function."""
    weight, count = np.exp(found.log_weight).reshape(found.counts), found.counts[place]
    each = weight.reshape(math.prod(found.counts[:place]), count, -1).sum(axis=2)
    # A coefficient of the density is one of its integral over 2 degree + 1, twice; see `series`.
    return float(np.max(np.sum(np.abs(each @ _last(count)), axis=0)))


def last_terms(each: Array) -> float:
    """Give the largest of the last coefficients of functions of one hyperparameter.

    `each` (node, function).
    """
    return float(np.max(np.abs(each.T @ _last(len(each)))))


def _last(count: int) -> Array:
    """Give the last `LAST` polynomials at the nodes of a rule, shape (node, degree)."""
    return _basis(count)[:, max(count - LAST, 0) :]


def _mixed(each: Array, low: Array, high: Array, count: int) -> Marginal:
    """Sum densities that live on ranges of their own onto one rule over all of them."""
    carried = each.sum(axis=1) > ROUNDING
    each, low, high = each[carried], low[carried], high[carried]
    bottom, top = float(np.min(low)), float(np.max(high))
    x, _ = rule(count)
    coefficients = (np.arange(count) + 0.5) * (each @ legendre.legvander(x, count - 1))
    count = MARGINAL[0]
    while True:
        points, w = rule(count)
        u = bottom + 0.5 * (top - bottom) * (points + 1.0)
        weight = np.maximum(_summed(coefficients, low, high, u), 0.0) * w
        weight = weight / weight.sum()
        if count == MARGINAL[1] or last_terms(weight[:, None]) <= LEFT_OUT:
            return Marginal(weight, bottom, top)
        count *= 2


def _summed(coefficients: Array, low: Array, high: Array, u: Array) -> Array:
    """Sum densities that live on ranges of their own at shared points, shape (point,), up to a factor."""
    density = np.zeros(len(u))
    for start in range(0, len(low), ROWS):
        part = slice(start, start + ROWS)
        z = 2.0 * (u - low[part, None]) / (high - low)[part, None] - 1.0
        inside = np.abs(z) <= 1.0
        values = legendre.legval(
            np.where(inside, z, 0.0), coefficients[part].T[..., None], tensor=False
        )
        density += np.sum(np.where(inside, values / (high - low)[part, None], 0.0), axis=0)
    return density
