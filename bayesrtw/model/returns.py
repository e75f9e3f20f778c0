"""What one study says of return to work in several currencies, as one function of its log hazard ratio.

Counts at dates speak through their multinomial; everything else is normal around what the hazard ratio and
the study's own curve of return make of it, given the counts of the same people. The curve is integrated out.

A hazard ratio itself is not among them: it is efficient, so that given it nothing else that the same people
tell says more of the effect. [1]_

References
----------
.. [1] Hausman JA (1978). Econometrica 46:1251-1271. doi:10.2307/1913827
"""

import itertools
import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline, CubicSpline, make_interp_spline
from scipy.optimize import minimize
from scipy.special import logsumexp

from bayesrtw.evidence.hazards import ReturnCurve
from bayesrtw.model.currency import KINDS, Back, People, Report, Shape

Array = NDArray[np.float64]

#: Points of a look at where a curve may lie (place, shape), and how often it is narrowed.
LOOKED, NARROWED = (33, 17), 4
#: Points of rules, the first of which that differs by less than this share of the maximum from the next is
#: taken; or by less than so much more in logs, where there is next to nothing.
RULES, ALIKE = ((49, 41), (97, 81), (193, 161)), 3e-8
#: Where they do not: knots of a spline, and how far it reaches from the best estimate, at most and in SDs.
KNOTS, WITHIN = 241, (8.0, 40.0)
FAR_OFF = 1.0
#: Effects at which rules are compared, in SDs around the best estimate.
COMPARED: Final = np.array([-7.0, -5.0, -3.5, -2.0, -1.0, 0.0, 1.0, 2.0, 3.5, 5.0, 7.0, 9.0])
#: Log of the share of its maximum at which an integrand ends; SDs that priors reach.
END, REACH = 32.0, 7.0
#: Points of the prior of a level, and of shapes that are integrated there where hazards jump.
LEVELS, SHAPES = 1201, 1601
#: Levels beyond which nobody, or everybody, is back.
FURTHEST: Final = (-24.0, 16.0)
#: Effects that are integrated together.
TOGETHER = 32
#: Correlations of numbers of the same people, as a share of those of numbers without rounding or lost people:
#: one is never told by others exactly.
SAME: Final = 0.95
#: Nodes over what is in excess of the translation of counts.
EXCESS: Final = 9


@dataclass(frozen=True, eq=False)
class Returns:
    """Everything that one study reports, as a function of its log hazard ratio; see `OneStudy`.

    Attributes
    ----------
    name
        How messages call it.
    numbers
        Numbers that are normal.
    seen
        Counts at dates, if there are any.
    n
        People, shape (2,): comparison, programme.
    shape
        Curves that the comparison may have.
    excess
        Kind to the SD of log hazard ratios by which its numbers miss; ``counts`` among them.
    """

    name: str
    numbers: tuple[Report, ...]
    seen: Back | None
    n: Array
    shape: Shape
    excess: dict[str, float]

    @cached_property
    def day(self) -> float:
        """Day at which the curve is placed by its hazard; 0 where it is placed by its median."""
        # Where the hazard jumps, so does the density of a level at the median.
        if self.shape.cut and not self.flat:
            return 0.0
        if self.seen is not None:
            return float(self.seen.day[0])
        ratios = ("risk_ratio", "odds_ratio")
        return next((each.at for each in self.numbers if each.kind in ratios), 0.0)

    @cached_property
    def flat(self) -> bool:
        """Whether all that is told is of one date, so that only the level there counts."""
        days = {each.at for each in self.numbers}
        days |= set() if self.seen is None else set(self.seen.day.tolist())
        level = {"risk_ratio", "odds_ratio", "share"}
        return len(days) == 1 and {each.kind for each in self.numbers} <= level

    def log_joint(self, theta: Array, level: Array, log_shape: Array) -> Array:
        """Log density of all numbers given effect and curve; arguments broadcast."""
        curve = self.shape.curve(level, log_shape, self.day)
        if self.seen is None or not self.excess.get("counts"):
            return self._given(theta, theta, curve)
        nodes = zip(*self._gauss, strict=True)
        each = [self._given(theta, theta + by, curve) + log for by, log in nodes]
        return np.asarray(logsumexp(each, axis=0))

    def _given(self, theta: Array, counted: Array, curve: ReturnCurve) -> Array:
        """Log density of all numbers, where counts follow a log hazard ratio of their own."""
        found = np.asarray(0.0 if self.seen is None else self.seen.log(counted, curve))
        if not self.numbers:
            return found
        gaps = [each.value - KINDS[each.kind].mean(each, theta, curve) for each in self.numbers]
        slopes = self.joint.slopes
        if self.seen is not None:
            shares = self.seen.missed(counted, curve)
            gaps = [
                gap - sum(slope * own for slope, own in zip(row, shares, strict=True))
                for gap, row in zip(gaps, slopes.tolist(), strict=True)
            ]
        white = np.tensordot(self.joint.whitening, np.stack(np.broadcast_arrays(*gaps)), axes=1)
        return np.asarray(found - 0.5 * np.sum(white**2, axis=0))

    @cached_property
    def _gauss(self) -> tuple[Array, Array]:
        """Nodes and log weights over what is in excess of the translation of counts."""
        x, weight = np.polynomial.hermite_e.hermegauss(EXCESS)
        return x * self.excess["counts"], np.log(weight / weight.sum())

    @cached_property
    def best(self) -> tuple[float, float, float]:
        """Effect, level and shape near the maximum, numbers taken to be independent."""
        prior, (low, high) = self.shape, self._reach

        def missed(at: Array) -> float:
            theta, level, log_shape = (np.asarray(each) for each in at)
            curve = prior.curve(level, log_shape, self.day)
            found = float(prior.log_prior(level, log_shape, self.day) - 0.125 * theta**2)
            if self.seen is not None:
                found += float(self.seen.log(theta, curve))
            for each in self.numbers:
                se = each.se if math.isfinite(each.se) else self._rough(each)
                gap = (each.value - float(KINDS[each.kind].mean(each, theta, curve))) / se
                found -= 0.5 * gap**2
            return -found

        start = [0.0, 0.5 * (low + high), prior.shape[0]]
        if self.seen is not None and self.day:
            share = (self.seen.events[0, 0] + 0.5) / (self.seen.n[0] + 1.0)
            start[1] = math.log(-math.log1p(-share))
        start[1] = next((each.value for each in self.numbers if each.kind == "share"), start[1])
        found = minimize(
            missed, start, method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-7}
        ).x
        return float(found[0]), float(found[1]), float(found[2])

    @cached_property
    def spread(self) -> float:
        """SD of the effect, about, given the curve."""
        theta, place, log_shape = (np.asarray(each) for each in self.best)
        step = 1e-2
        bent = np.diff(self.log_joint(theta + step * np.arange(-1.0, 2.0), place, log_shape), n=2)
        return float(1.0 / math.sqrt(max(-float(bent[0]) / step**2, 1.0)))

    def _rough(self, report: Report) -> float:
        """SD of a number without one, about: for a start."""
        n = float(np.nanmin(np.where(np.isfinite(self.n), self.n, np.nan)))
        return (1.3 if report.kind == "quantile" else 0.5 * report.at) / math.sqrt(n)

    @cached_property
    def joint(self) -> "Together":
        """Whitening of the normal numbers given the counts, at the study's own best estimate."""
        theta, level, log_shape = self.best
        curve = self.shape.curve(np.asarray(level), np.asarray(log_shape), self.day)
        # Influence functions end at dates and horizons; at days of medians near those of the best estimate.
        ends = [each.at for each in self.numbers if each.at > 1.0]
        ends += [float(each) for each in ([] if self.seen is None else self.seen.day)]
        quantiles = any(each.kind in ("quantile", "median_ratio") for each in self.numbers)
        n = np.where(np.isfinite(self.n), self.n, 100.0)
        people = People.of(theta, curve, n, math.inf if quantiles else 1.0001 * max(ends))
        functions = [KINDS[each.kind].influence(people, each) for each in self.numbers]
        if self.seen is not None:
            functions += [
                people.share_back(day, arm) for arm in (0, 1) for day in self.seen.day.tolist()
            ]
        return _given(self, people, functions)

    @cached_property
    def _reach(self) -> tuple[float, float]:
        """Where the curve may be placed by its prior."""
        (mean, sd), (centre, spread) = self.shape.median, self.shape.shape
        ends = mean - REACH * sd, mean + REACH * sd
        if not self.day:
            return ends
        told = [
            math.log(float(self.shape.of(math.exp(end), centre + by).hazard(self.day)))
            for end in ends
            for by in (-3.0 * spread, 3.0 * spread)
        ]
        return max(min(told), FURTHEST[0]), min(max(told), FURTHEST[1])

    @cached_property
    def rule(self) -> tuple[int, int, bool]:
        """Points of place and shape that the integral over curves needs, and whether they are enough."""
        if self.shape.cut and not self.flat:
            return (*RULES[1], False)
        theta, values = self.best[0] + self.spread * COMPARED, np.zeros(0)
        if self.flat:
            return (*RULES[2], True)
        for rule, finer in itertools.pairwise(RULES):
            known = values if len(values) else self._integrals(theta, rule)
            values = self._integrals(theta, finer)
            differ = np.abs(known - values)
            near = np.exp(values - np.max(values))
            if np.all(np.minimum(differ * near, differ / FAR_OFF) < ALIKE):
                return (*rule, True)
        return (*RULES[2], False)

    def log(self, theta: Array) -> Array:
        """See `OneStudy`: the curve is integrated out."""
        *rule, enough = self.rule
        if enough:
            return self._integrals(theta, (rule[0], rule[1]))
        near = np.abs(theta - self.best[0]) < self._within
        found = np.empty(len(theta))
        found[near] = self._smooth(theta[near])
        found[~near] = self._integrals(theta[~near], RULES[0])
        return found

    @property
    def _within(self) -> float:
        """How far from the best estimate the spline reaches."""
        return min(WITHIN[0], WITHIN[1] * self.spread)

    @cached_property
    def _smooth(self) -> BSpline:
        """Log likelihood as a spline, where rules leave some 1e-6 of noise: hazards that jump, mean days."""
        theta = self.best[0] + np.linspace(-self._within, self._within, KNOTS)
        rule = self.rule
        return make_interp_spline(theta, self._integrals(theta, (rule[0], rule[1])), k=7)

    def _integrals(self, theta: Array, rule: tuple[int, int]) -> Array:
        """Log likelihood by trapezoid rules over place and shape, shape (point,)."""
        found, u = np.empty(len(theta)), np.linspace(0.0, 1.0, rule[0])[:, None]
        more = _resample(LOOKED[1], rule[1])
        for start in range(0, len(theta), TOGETHER):
            cut = slice(start, start + TOGETHER)
            shapes, low, high = self._home(theta[cut])
            if not self.flat:
                shapes, low, high = (each @ more for each in (shapes, low, high))
            place = low[:, None] + (high - low)[:, None] * u
            inside = self._density(theta[cut, None, None], place, shapes[:, None])
            inside = inside + np.log(high - low)[:, None] - math.log(rule[0] - 1)
            top = np.max(inside, axis=(1, 2))
            found[cut] = top + np.log(np.sum(np.exp(inside - top[:, None, None]), axis=(1, 2)))
            if not self.flat:
                found[cut] += np.log(shapes[:, 1] - shapes[:, 0])
        return found

    def _home(self, theta: Array) -> tuple[Array, Array, Array]:
        """Where curves live given effects: log shapes, and ends of the place at each, (effect, shape)."""
        centre, spread = self.shape.shape
        u, every = np.linspace(0.0, 1.0, LOOKED[0])[:, None], np.linspace(-1.0, 1.0, LOOKED[1])
        shapes = np.tile(
            centre + REACH * spread * (every if not self.flat else 0.0), (len(theta), 1)
        )
        shapes = shapes[:, :1] if self.flat else shapes
        low, high = (np.full(shapes.shape, end) for end in self._reach)
        for turn in range(NARROWED):
            place = low[:, None] + (high - low)[:, None] * u
            inside = self._density(theta[:, None, None], place, shapes[:, None])
            if turn == 0 and not self.flat:
                # Shapes that cannot be are left out, and those between are looked at instead.
                kept = np.max(inside, axis=1) > np.max(inside, axis=(1, 2))[:, None] - END
                first = np.maximum(np.argmax(kept, axis=1) - 1, 0)
                last = LOOKED[1] - np.argmax(kept[:, ::-1], axis=1)
                rows = np.arange(len(theta))
                ends = shapes[rows, first], shapes[rows, np.minimum(last, LOOKED[1] - 1)]
                shapes = ends[0][:, None] + (ends[1] - ends[0])[:, None] * (0.5 + 0.5 * every)
                continue
            # Each shape has ends of its own, as far from its best place as its column is not nothing.
            column = inside > np.max(inside, axis=1, keepdims=True) - END
            gap = (high - low) / (LOOKED[0] - 1)
            first = np.argmax(column, axis=1)
            last = LOOKED[0] - 1 - np.argmax(column[:, ::-1], axis=1)
            low, high = (
                np.maximum(low, low + gap * (first - 1.0)),
                np.minimum(high, low + gap * (last + 1.0)),
            )
        return shapes, low, high

    def _density(self, theta: Array, place: Array, log_shape: Array) -> Array:
        """Log density of numbers and curve; arguments broadcast."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            found = self.log_joint(theta, place, log_shape)
            if self.flat:
                found = found + self._level_prior(place)
            else:
                found = found + self.shape.log_prior(place, log_shape, self.day)
        return np.where(np.isnan(found), -np.inf, found)

    @cached_property
    def _level_prior(self) -> CubicSpline:
        """Log density of the level at the one day that counts: shapes are integrated in their prior."""
        count = SHAPES if self.shape.cut else SHAPES // 16
        (centre, spread), x = self.shape.shape, np.linspace(-REACH, REACH, count)
        level = np.linspace(*self._reach, LEVELS)
        prior = self.shape.log_prior(level[:, None], centre + spread * x, self.day)
        return CubicSpline(level, logsumexp(prior, axis=1) + math.log(spread * (x[1] - x[0])))

    def reports(self, theta: Array) -> None:
        """See `OneStudy`: what it would report is near its effect plus a normal error."""


class Together(NamedTuple):
    """Normal numbers given counts: slopes on gaps of shares, and a whitening of what is left."""

    slopes: Array
    whitening: Array
    sd: Array
    correlation: Array


@cache
def _resample(count: int, more: int) -> Array:
    """Matrix that takes values on an even grid to another with the same ends, along straight lines."""
    return np.stack(
        [
            np.interp(np.linspace(0.0, 1.0, more), np.linspace(0.0, 1.0, count), each)
            for each in np.eye(count)
        ]
    )


def _given(study: Returns, people: People, functions: list[Array]) -> Together:
    """Work out what normal numbers are given the counts of the same people."""
    size, count = len(study.numbers), len(functions)
    model = np.array(
        [
            [people.covariance(functions[i], functions[j]) for j in range(count)]
            for i in range(count)
        ]
    )
    sd = np.sqrt(np.diag(model))
    told = np.array([each.se for each in study.numbers])
    scale = np.r_[np.where(np.isfinite(told), told, sd[:size]), sd[size:]]
    correlation = SAME * model / np.outer(sd, sd)
    np.fill_diagonal(correlation, 1.0)
    whole = correlation * np.outer(scale, scale)
    # What the translation of a currency misses moves all its numbers together, by their slopes in theta.
    theta, level, log_shape = (np.asarray(each) for each in study.best)
    curve = study.shape.curve(level, log_shape, study.day)
    slope = np.zeros(size)
    for place, each in enumerate(study.numbers):
        ends = [float(KINDS[each.kind].mean(each, theta + by, curve)) for by in (1e-4, -1e-4)]
        slope[place] = (ends[0] - ends[1]) / 2e-4
    for kind in {each.kind for each in study.numbers}:
        own = slope * [each.kind == kind for each in study.numbers] * study.excess.get(kind, 0.0)
        whole[:size, :size] += np.outer(own, own)
    if count == size:
        slopes, left = np.zeros((size, 0)), whole
    else:
        between = model[size:, size:]
        slopes = np.linalg.solve(between, whole[size:, :size]).T
        left = whole[:size, :size] - slopes @ whole[size:, :size]
    lower = np.linalg.cholesky(left)
    return Together(slopes, np.linalg.inv(lower), scale[:size], correlation)
