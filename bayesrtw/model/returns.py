"""What one study says of return to work in several currencies, as one function of its log hazard ratio.

Counts at dates speak through their multinomial; everything else is normal around what the hazard ratio and
the study's own curve of return make of it, given the counts of the same people. The curve is integrated out.

A hazard ratio itself is not among them: it is efficient, so that given it nothing else that the same people
tell says more of the effect. [1]_

References
----------
.. [1] Hausman JA (1978). Econometrica 46:1251-1271. doi:10.2307/1913827
"""

import math
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Final, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.evidence.hazards import ReturnCurve
from bayesrtw.model.currency import KINDS, Back, BothArms, People, Report, Shape
from bayesrtw.model.curve import Even, LogLine
from bayesrtw.model.tabled import Tabled

Array = NDArray[np.float64]

#: Points of a look at where a curve may lie (place, shape), and how often it is narrowed.
LOOKED, NARROWED = (33, 33), 3
#: The same (effect, shape) for the ends of places that serve all effects together.
FEW = (9, 17)
#: Effects at which a study is looked at first, and how far from its best estimate; beyond, nothing changes.
FIRST, FAR = 81, 60.0
#: Log of the share of its maximum at which an integrand over curves ends, and at which effects do; change
#: of the logarithm below which it does not depend on the effect any more.
END, GONE, FLAT = 32.0, 40.0, 1e-12
#: The same for powers of a likelihood.
DEEPEST = 2000.0
#: Steps between effects that are integrated, in SDs given the curve and at most; fewest and most effects.
STEP, LONGEST, FEWEST, MOST = 0.5, 0.25, 33, 1601
#: What a spline through every other one may miss at those between: that through all misses some 1e-7.
SMOOTH = 1e-5
#: Points over places, and where they are levels alone; steps between shapes, in their SDs; fewest and most.
PLACES, ALONE, APART, SHAPES = 41, 193, 0.7, (9, 241)
#: Points of a Gauss-Legendre rule on each side of a kink.
BESIDE = 48
#: SDs that priors reach.
REACH = 7.0
#: Points of the prior of a level, and of shapes integrated there.
LEVELS, OVER = 1201, 101
#: Levels beyond which nobody, or everybody, is back.
FURTHEST: Final = (-24.0, 16.0)
#: Densities that are asked for together.
AT_ONCE = 400_000
#: Correlations of numbers of the same people, as a share of those of numbers without rounding or lost people:
#: one is never told by others exactly.
SAME: Final = 0.95
#: Nodes over what is in excess of the translation of counts reach so many of its SDs; steps, in SDs of what
#: is left of it given the counts.
EXCESS, CLOSE = 9.0, 1.0


@dataclass(frozen=True, eq=False)
class Returns:
    """Everything that one study reports, as a function of its log hazard ratio; see `OneStudy`."""

    name: str  #: How messages call it.
    numbers: tuple[Report, ...]  #: Numbers that are normal.
    seen: Back | None  #: Counts at dates, if there are any.
    n: Array  #: People, shape (2,): comparison, programme.
    shape: Shape  #: Curves that the comparison may have.
    #: Kind to the SD of log hazard ratios by which its numbers miss; ``counts`` among them.
    excess: dict[str, float]
    #: A day, and by how much the log hazard ratio is larger after it.
    change: tuple[float, float] = (0.0, 0.0)

    def arms(self, theta: Array, curve: ReturnCurve) -> BothArms:
        """Give what an effect and a curve make of both arms."""
        return BothArms.of(theta, curve, self.change)

    @cached_property
    def day(self) -> float:
        """Day at which the curve is placed by its hazard; 0 where it is placed by its median."""
        if self._dated or not self.by_arm:
            return self._dated
        days = [each.at for each in self.numbers if each.kind != "quantile"]
        return days[0] if days else math.exp(self.numbers[0].value)

    @cached_property
    def _dated(self) -> float:
        """Day of counts, ratios or shares; 0 if there are none."""
        if self.seen is not None:
            return float(self.seen.day[0])
        dated = ("risk_ratio", "odds_ratio", "back")
        return next((each.at for each in self.numbers if each.kind in dated), 0.0)

    @cached_property
    def by_arm(self) -> bool:
        """Whether every number is of one arm, so that both arms tell their own level of one smooth law."""
        kinds = {each.kind for each in self.numbers}
        kinked = bool(self.shape.cut or self.change[1]) and "quantile" in kinds
        return kinds <= {"share", "back", "quantile", "days"} and not (self.flat or kinked)

    def kinks(self, theta: Array, log_shape: Array) -> list[Array]:
        """Places at which a quantile of an arm lies where its hazard jumps; arguments broadcast."""
        if self.flat:
            return []
        cut, (change, later) = self.shape.cut, self.change
        levels = dict.fromkeys(
            (math.log(-math.log1p(-each.at)), each.arm)
            for report in self.numbers
            for each in report.quantiles()
        )
        found = []
        for level, arm in levels:
            if cut:
                early = min(change, cut) / cut if later else 1.0
                treated = theta + math.log(early + math.exp(later) * (1.0 - early))
                found.append(self._place(level - arm * treated, log_shape, cut))
            if arm and later:
                found.append(self._place(level - theta, log_shape, change))
        return found

    def _place(self, log_hazard: Array, log_shape: Array, at: float) -> Array:
        """Give the place of a curve by its log cumulative hazard at any day."""
        median = self.shape.median_of(log_hazard, log_shape, at)
        if not self.day:
            return median
        return np.log(self.shape.curve(median, log_shape, 0.0).hazard(self.day))

    @cached_property
    def flat(self) -> bool:
        """Whether all that is told is of one date, so that only the level there counts."""
        days = {each.at for each in self.numbers}
        days |= set() if self.seen is None else set(self.seen.day.tolist())
        if self.change[1] and max(days) > self.change[0]:
            return False
        level = {"risk_ratio", "odds_ratio", "share", "back"}
        return len(days) == 1 and {each.kind for each in self.numbers} <= level

    def log_joint(self, theta: Array, level: Array, log_shape: Array) -> Array:
        """Log density of all numbers given effect and curve; arguments broadcast."""
        curve = self.shape.curve(level, log_shape, self.day)
        if self.seen is None or not self.excess.get("counts"):
            return self._given(theta, theta, curve)
        nodes = zip(*self._beyond, strict=True)
        each = [self._given(theta, theta + by, curve) + log for by, log in nodes]
        return np.asarray(logsumexp(each, axis=0))

    def log_of_arm(self, arm: int, level: Array, log_shape: Array) -> Array:
        """Log density of what one arm tells, given its own curve; arguments broadcast; see `by_arm`."""
        curve, none = self.shape.curve(level, log_shape, self.day), np.zeros(())
        if not arm or self.seen is None or not self.excess.get("counts"):
            return self._given(none, none, curve, (arm,))
        nodes = zip(*self._beyond, strict=True)
        each = [self._given(none, by, curve, (arm,)) + log for by, log in nodes]
        return np.asarray(logsumexp(each, axis=0))

    def _given(
        self, theta: Array, counted: Array, curve: ReturnCurve, only: tuple[int, ...] = (0, 1)
    ) -> Array:
        """Log density of numbers of some arms, where counts follow a log hazard ratio of their own."""
        of_counts = self.arms(counted, curve)
        found = np.asarray(0.0 if self.seen is None else self.seen.log(of_counts, only))
        own = [place for place, each in enumerate(self.numbers) if each.arm in only or only[1:]]
        if not own:
            return found
        arms = self.arms(theta, curve)
        told = [self.numbers[place] for place in own]
        gaps = [each.value - KINDS[each.kind].mean(each, arms) for each in told]
        slopes = self.joint.slopes[own]
        if self.seen is not None:
            shares = self.seen.missed(of_counts)
            gaps = [
                gap - sum(slope * own for slope, own in zip(row, shares, strict=True))
                for gap, row in zip(gaps, slopes.tolist(), strict=True)
            ]
        found = found + float(np.sum(np.log(np.diag(self.joint.whitening)[own])))
        for row in self.joint.whitening[np.ix_(own, own)].tolist():
            white = sum(slope * gap for slope, gap in zip(row, gaps, strict=True) if slope)
            found = found - 0.5 * np.square(white)
        return np.asarray(found)

    @cached_property
    def _beyond(self) -> tuple[Array, Array]:
        """Even nodes and log weights over what is in excess of the translation of counts."""
        # Of n people nobody tells a log hazard ratio to less than 1 / sqrt(n).
        sd = self.excess["counts"]
        step = CLOSE / math.hypot(1.0 / sd, math.sqrt(self.seen.n[1] if self.seen else 0.0))
        count = math.ceil(EXCESS * sd / step)
        x = np.linspace(-EXCESS, EXCESS, 2 * count + 1)
        return x * sd, -0.5 * x**2 - float(logsumexp(-0.5 * x**2))

    @cached_property
    def best(self) -> tuple[float, float, float]:
        """Effect, level and shape near the maximum, numbers taken to be independent."""
        prior, (low, high) = self.shape, self._reach

        def missed(at: Array) -> float:
            theta, level = (np.asarray(each) for each in at[:2])
            log_shape = np.asarray(at[2] if prior.shape[1] else prior.shape[0])
            curve = prior.curve(level, log_shape, self.day)
            found = float(prior.log_place(level, log_shape, self.day) - 0.125 * theta**2)
            found += float(prior.log_law(log_shape))
            # Without a date the maximum is that over log medians.
            found += float(log_shape) if self.day > self._dated and not prior.cut else 0.0
            arms = self.arms(theta, curve)
            if self.seen is not None:
                found += float(self.seen.log(arms))
            for each in self.numbers:
                se = each.se if math.isfinite(each.se) else self._rough(each)
                gap = (each.value - float(KINDS[each.kind].mean(each, arms))) / se
                found -= 0.5 * gap**2
            return -found

        start = [0.0, 0.5 * (low + high), prior.shape[0]]
        if self.seen is not None and self.day:
            share = (self.seen.events[0, 0] + 0.5) / (self.seen.n[0] + 1.0)
            start[1] = math.log(-math.log1p(-share))
        start[1] = next((each.value for each in self.numbers if each.kind == "share"), start[1])
        found = scipy.optimize.minimize(
            missed, start, method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-7}
        ).x
        return (
            float(found[0]),
            float(found[1]),
            float(found[2] if prior.shape[1] else prior.shape[0]),
        )

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
            math.log(
                float(
                    self.shape.curve(np.asarray(end), np.asarray(centre + by), 0.0).hazard(self.day)
                )
            )
            for end in ends
            for by in (-3.0 * spread, 3.0 * spread)
        ]
        return max(min(told), FURTHEST[0]), min(max(told), FURTHEST[1])

    def log(self, theta: Array) -> Array:
        """See `OneStudy`: the curve is integrated out."""
        return self.own(theta)

    @cached_property
    def own(self) -> LogLine:
        """The log likelihood under the prior of the shape."""
        look, laid = self._look, self._laid
        far, near = look.value, laid.value
        low, high = float(laid.theta[0]), float(laid.theta[-1])
        line = scipy.interpolate.PchipInterpolator(look.theta, far)
        # The look is coarse: it goes on from where the rules end.
        at_ends = np.where(look.theta < self.best[0], near[0] - line(low), near[-1] - line(high))
        line = scipy.interpolate.PchipInterpolator(look.theta, far + at_ends)
        ends = float(look.theta[0]), float(look.theta[-1])
        return LogLine(Even.through(laid.theta, near), line, low, high, ends)

    def deep(self, theta: Array) -> Array:
        """See `OneStudy`: effects are looked at far beyond those of `log`."""
        return self._deeper(theta)

    @cached_property
    def _deeper(self) -> LogLine:
        """Lay effects beyond those of `own` as well."""
        own, value = self.own, self._look.value
        inside = np.flatnonzero(value > value.max() - DEEPEST)
        at = self._look.theta
        low, high = at[max(inside[0] - 1, 0)], at[min(inside[-1] + 1, FIRST - 1)]
        count = min(max(math.ceil((high - low) / LONGEST) + 1, FEWEST), MOST)
        laid = self._lay(np.linspace(low, high, count), far=True)
        line = Even.through(laid.theta, laid.value)
        return replace(own, far=LogLine(line, own.far, float(low), float(high), own.ends))

    @cached_property
    def _look(self) -> Tabled:
        """Look at effects far and wide, on coarse rules."""
        x = np.linspace(-1.0, 1.0, FIRST) * math.asinh(FAR / self.spread)
        theta = self.best[0] + self.spread * np.sinh(x)
        if self.flat:
            return self._levelled(theta)
        return self._tabled(theta, self._between(LOOKED[1]), PLACES // 2)

    @cached_property
    def _laid(self) -> Tabled:
        """Integrate over places at even effects wherever the study leaves any likelihood."""
        look = self._look
        value = look.value
        here = value > value.max() - GONE
        for side in (slice(None), slice(None, None, -1)):
            still = np.abs(value[side] - value[side][0]) < FLAT
            here[side][: max(int(np.argmin(still)) - 1, 0)] = False
        inside = np.flatnonzero(here)
        low, high = look.theta[max(inside[0] - 1, 0)], look.theta[min(inside[-1] + 1, FIRST - 1)]
        count = math.ceil((high - low) / min(STEP * self.spread, LONGEST)) + 1
        theta = np.linspace(low, high, min(max(count | 1, FEWEST), MOST))
        laid = self._lay(theta)
        while len(laid.theta) < MOST and not _smooth(laid.theta, laid.value):
            laid = laid.woven(self._lay(0.5 * (laid.theta[1:] + laid.theta[:-1]), laid))
        return laid

    def _lay(self, theta: Array, known: Tabled | None = None, *, far: bool = False) -> Tabled:
        """Integrate over places at effects; at the shapes of what is known, where it is to be woven in."""
        if self.flat:
            return self._levelled(theta)
        shapes = self._shapes(theta, far=far) if known is None else known.at
        return Tabled(theta, shapes, self._evenly(theta, shapes, PLACES, far=far), self._law)

    def _evenly(self, theta: Array, log_shape: Array, count: int, *, far: bool = False) -> Array:
        """Log of integrals over places at even effects and at shapes, shape (effect, shape).

        Effects that hardly any likelihood is left of, `far`, have no levels in common with others.
        """
        if far or not self.by_arm:
            return self._tabled(theta, log_shape, count).log
        rows, columns = (
            each[_spaced(len(each), most)]
            for each, most in zip((theta, log_shape), FEW, strict=True)
        )
        low, high = self._homes(rows, columns)
        # Effects and shapes that nothing is left of need no levels of their own.
        top = self._density(rows[:, None], 0.5 * (low + high), columns)
        top = top + self.shape.log_law(columns)
        alive = top > top.max() - GONE - 2.0 * END
        # What lives between two of them lives between the levels of both.
        alive = alive | np.r_[alive[1:], alive[:1] & False] | np.r_[alive[:1] & False, alive[:-1]]
        some = alive.any(axis=0)
        width = float(np.min((high - low)[alive]))
        low = np.where(alive, low, np.inf).min(axis=0) - 0.1 * width
        high = np.where(alive, high, -np.inf).max(axis=0) + 0.1 * width
        first, last = (np.interp(log_shape, columns[some], each[some]) for each in (low, high))
        apart = theta[1] - theta[0]
        fine = math.ceil(apart * count / width)
        step = apart / fine
        levels = math.ceil(float(np.max(last - first)) / step) + 1
        level = first + step * np.arange(levels)[:, None]
        moved = first + theta[0] + step * np.arange(levels + fine * (len(theta) - 1))[:, None]
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            one = self.log_of_arm(0, level, log_shape)
            one = one + self.shape.log_place(level, log_shape, self.day)
            two = self.log_of_arm(1, moved, log_shape)
            one, two = (np.where(np.isnan(each), -np.inf, each) for each in (one, two))
            tops = one.max(axis=0), two.max(axis=0)
            # Levels of the programme are those of the comparison and the effect: a sum over even levels.
            one, two = (
                np.exp(each - top).T.copy() for each, top in zip((one, two), tops, strict=True)
            )
            windows = np.lib.stride_tricks.sliding_window_view(two, levels, 1)[:, ::fine]
            whole = np.einsum("si,sji->js", one, windows)
            return np.asarray(np.log(whole * step) + tops[0] + tops[1])

    def _shapes(self, theta: Array, *, far: bool) -> Array:
        """Lay shapes at even steps wherever they matter."""
        if not self.shape.shape[1]:
            return self._between(1)
        first, last, step = self._alive(theta, far=far)
        count = min(max(math.ceil((last - first) / step) + 1, SHAPES[0]), SHAPES[1])
        return np.linspace(first, last, count)

    def _between(self, count: int) -> Array:
        """Give log shapes at even steps over all that may be: one where the shape is known."""
        mean, sd = self.shape.shape
        return mean + sd * np.linspace(-REACH, REACH, count) if sd else np.array([mean])

    def _law(self, log_shape: Array) -> Array:
        """Give logs of weights of log shapes at even steps."""
        if len(log_shape) == 1:
            return np.zeros(1)
        sd = self.shape.shape[1]
        step = (log_shape[1] - log_shape[0]) / (sd * math.sqrt(2.0 * math.pi))
        return np.asarray(math.log(step) + self.shape.log_law(log_shape))

    def _alive(self, theta: Array, *, far: bool) -> tuple[float, float, float]:
        """Give the shapes that matter at any of these effects, and steps that are fine enough."""
        some = np.linspace(theta[0], theta[-1], LOOKED[1] // 2)
        low, high = self._between(2).tolist()
        step = high - low
        for _ in range(NARROWED):
            shapes = np.linspace(low, high, LOOKED[1])
            inside = self._evenly(some, shapes, PLACES // 2, far=far)
            inside = inside + self.shape.log_law(shapes)
            kept = inside > inside.max(axis=1, keepdims=True) - END
            gap = shapes[1] - shapes[0]
            # A normal is above e^-32 of its maximum within 8 SDs.
            step = APART * (kept.sum(axis=1).min() + 1.0) * gap / 16.0
            alive = np.flatnonzero(kept.any(axis=0))
            low, high = (
                max(low, float(shapes[alive[0]] - 2.0 * gap)),
                min(high, float(shapes[alive[-1]] + 2.0 * gap)),
            )
        return low, high, min(step, APART * self.shape.shape[1])

    def _tabled(self, theta: Array, log_shape: Array, count: int) -> Tabled:
        """Integrate over places at effects and shapes."""
        rows, columns = (
            each[_spaced(len(each), most)]
            for each, most in zip((theta, log_shape), LOOKED, strict=True)
        )
        low, high = self._homes(rows, columns)
        low, high = (_between(each, rows, columns, theta, log_shape) for each in (low, high))
        return Tabled(theta, log_shape, self._over(theta, log_shape, low, high, count), self._law)

    def _over(self, theta: Array, log_shape: Array, low: Array, high: Array, count: int) -> Array:
        """Log of integrals over places between ends, shape (effect, shape)."""
        found = np.empty(low.shape)
        kinks = [np.clip(each, low, high) for each in self.kinks(theta[:, None], log_shape)]
        ends = np.stack([low, *(np.sort(kinks, axis=0) if kinks else ()), high])
        u, weight = _gauss(BESIDE) if kinks else _even(count)
        step = max(1, AT_ONCE // (len(u) * (len(ends) - 1) * len(log_shape)))
        for start in range(0, len(theta), step):
            cut = slice(start, start + step)
            first, width = (
                ends[:-1, cut].swapaxes(0, 1),
                np.diff(ends[:, cut], axis=0).swapaxes(0, 1),
            )
            place = (first[:, :, None] + width[:, :, None] * u[:, None]).reshape(
                -1, len(u) * width.shape[1], len(log_shape)
            )
            inside = self._density(theta[cut, None, None], place, log_shape)
            with np.errstate(divide="ignore"):
                each = (np.log(width)[:, :, None] + np.log(weight)[:, None]).reshape(place.shape)
            found[cut] = logsumexp(inside + each, axis=1)
        return found

    def _homes(self, theta: Array, log_shape: Array) -> tuple[Array, Array]:
        """Where places live given effects and shapes: their ends, each of shape (effect, shape)."""
        low, high = (np.full((len(theta), len(log_shape)), end) for end in self._reach)
        u = np.linspace(0.0, 1.0, LOOKED[0])[:, None]
        for _ in range(NARROWED):
            place = low[:, None] + (high - low)[:, None] * u
            inside = self._density(theta[:, None, None], place, log_shape)
            column = inside > inside.max(axis=1, keepdims=True) - END
            gap = (high - low) / (LOOKED[0] - 1)
            first = np.argmax(column, axis=1)
            last = LOOKED[0] - 1 - np.argmax(column[:, ::-1], axis=1)
            low, high = (
                np.maximum(low, low + gap * (first - 1.0)),
                np.minimum(high, low + gap * (last + 1.0)),
            )
        return low, high

    def _levelled(self, theta: Array) -> Tabled:
        """Lay densities over levels at effects, where nothing but the level counts."""
        low, high = self._homes(theta, np.zeros(1))
        place = low + (high - low) * np.linspace(0.0, 1.0, ALONE)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            inside = self.log_joint(theta[:, None], place, np.zeros(1))
        inside = np.where(np.isnan(inside), -np.inf, inside)
        return Tabled(theta, place, inside + np.log((high - low) / (ALONE - 1)), self._level)

    @cached_property
    def _level(self) -> "scipy.interpolate.CubicSpline":
        """Log density of levels at the one day that counts, over all shapes that may be."""
        shapes, level = self._between(OVER), np.linspace(*self._reach, LEVELS)
        log = self.shape.log_place(level[:, None], shapes, self.day) + self._law(shapes)
        return scipy.interpolate.CubicSpline(level, logsumexp(log, axis=1))

    def _density(self, theta: Array, place: Array, log_shape: Array) -> Array:
        """Log density of numbers and place given the shape; arguments broadcast."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            found = self.log_joint(theta, place, log_shape)
            if self.flat:
                found = found + self._level(place)
            else:
                found = found + self.shape.log_place(place, log_shape, self.day)
        return np.where(np.isnan(found), -np.inf, found)

    def reports(self, theta: Array) -> None:
        """See `OneStudy`: what it would report is near its effect plus a normal error."""


class Together(NamedTuple):
    """Normal numbers given counts: slopes on gaps of shares, and a whitening of what is left."""

    slopes: Array
    whitening: Array
    sd: Array
    correlation: Array


def _even(count: int) -> tuple[Array, Array]:
    """Nodes and weights of the trapezoid rule between 0 and 1."""
    return np.linspace(0.0, 1.0, count), np.full(count, 1.0 / (count - 1))


@cache
def _gauss(count: int) -> tuple[Array, Array]:
    """Nodes and weights of the Gauss-Legendre rule between 0 and 1."""
    x, weight = np.polynomial.legendre.leggauss(count)
    return 0.5 * (x + 1.0), 0.5 * weight


def _smooth(theta: Array, value: Array) -> bool:
    """Whether a spline through every other value gives those between."""
    missed = Even.through(theta[::2], value[::2])(theta[1::2]) - value[1::2]
    near = np.exp(0.5 * (value[1::2] - value.max()))
    return bool(np.max(np.abs(missed) * near) < SMOOTH)


def _spaced(count: int, most: int) -> NDArray[np.intp]:
    """Places of at most so many of a row, its ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp))


def _between(values: Array, rows: Array, columns: Array, at: Array, of: Array) -> Array:
    """Give what was seen at some rows and columns at more of them, along straight lines."""
    wide = np.stack([np.interp(of, columns, row) for row in values])
    return np.stack([np.interp(at, rows, column) for column in wide.T], axis=1)


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
        arms = [study.arms(theta + by, curve) for by in (1e-4, -1e-4)]
        ends = [float(KINDS[each.kind].mean(each, own)) for own in arms]
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
