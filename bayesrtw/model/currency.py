"""Kinds of numbers that tell of return to work: what an effect and a curve make of each, and how they vary.

Each is a functional of when people returned; the covariance of two numbers of the same people is the integral
of the product of their influence functions over the hazard. [1]_

References
----------
.. [1] Andersen PK, Borgan O, Gill RD, Keiding N (1993). Statistical Models Based on Counting Processes,
   chapters IV and VII. Springer.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from bayesrtw.evidence.hazards import LN2, PiecewiseReturn, ReturnCurve, WeibullReturn

Array = NDArray[np.float64]

#: Points of hazard on which influence functions are integrated.
POINTS: Final = 4000
#: Points of medians and shapes over which shares of returns are told, and SDs that they reach.
SPREAD, REACH = (801, 101), 6.0
#: Shares of returns that are kept for each SE of a hazard ratio, and fewest and most of them.
EACH, SHARES = 600.0, (256, 20_000)


class Shape(NamedTuple):
    """A family of curves with a level and a shape, and what is known of both in a study."""

    cut: float  #: Day at which the hazard changes; 0 for a Weibull law.
    #: median, shape: mean and SD of the logs of the median (days; with a cut, of the one that the hazard
    #: before it would make), and of the shape or of the later hazard over the earlier one.
    median: tuple[float, float]
    shape: tuple[float, float]

    def curve(self, place: Array, log_shape: Array, day: float) -> ReturnCurve:
        """Give curves by log hazard at a day or, where that is 0, by log median; arguments broadcast."""
        shape = np.exp(log_shape)
        median = np.exp(np.clip(self.median_of(place, log_shape, day) if day else place, -300, 300))
        if not self.cut:
            return WeibullReturn(median, shape)
        later = self.cut + (median - self.cut) / shape
        return PiecewiseReturn(np.where(median <= self.cut, median, later), shape, self.cut)

    def median_of(self, level: Array, log_shape: Array, day: float) -> Array:
        """Give log medians of curves by their log cumulative hazard at a day; arguments broadcast."""
        shape = np.exp(log_shape)
        if not self.cut:
            return np.asarray(math.log(day) + (math.log(LN2) - level) / shape)
        passed = PiecewiseReturn(1.0, shape, self.cut).passed(day)
        return np.asarray(np.log(LN2 * passed) - level)

    def log_law(self, log_shape: Array) -> Array:
        """Log density of log shapes, less its largest; 0 where the shape is known."""
        mean, sd = self.shape
        return -0.5 * ((log_shape - mean) / sd) ** 2 if sd else np.zeros_like(log_shape)

    def log_place(self, place: Array, log_shape: Array, day: float) -> Array:
        """Log density of a place, see `curve`, given the shape; arguments broadcast."""
        mean, sd = self.median
        median = self.median_of(place, log_shape, day) if day else place
        # The log median falls by this for each unit of a level.
        slope = 0.0 if self.cut or not day else 1.0
        scale = -0.5 * math.log(2.0 * math.pi) - math.log(sd)
        return np.asarray(
            scale - 0.5 * ((median - mean) / sd) ** 2 - slope * log_shape + 0.0 * place
        )


class Treated(NamedTuple):
    """A curve of return under hazard ratios before and after a day; arguments broadcast."""

    curve: ReturnCurve  #: Without the programme.
    #: before, after: hazard ratios.
    before: Array
    after: Array
    day: float  #: Day at which they change; 0 where they do not.

    def hazard(self, at: ArrayLike) -> Array:
        """Cumulative hazard by a date."""
        if not self.day:
            return np.asarray(self.curve.hazard(at) * self.before)
        whole = self.curve.hazard(at)
        early = np.minimum(whole, self.curve.hazard(self.day))
        return np.asarray(early * self.before + (whole - early) * self.after)

    def when(self, hazard: ArrayLike) -> Array:
        """Day by which a cumulative hazard is reached."""
        told = np.asarray(hazard, dtype=float)
        if not self.day:
            return self.curve.when(told / np.clip(self.before, 1e-60, 1e60))
        until = self.curve.hazard(self.day)
        early = told / self.before
        late = until + np.maximum(told - until * self.before, 0.0) / self.after
        return self.curve.when(np.where(early <= until, early, late))

    def days(self, horizon: ArrayLike, hazard_ratio: ArrayLike = 1.0) -> Array:
        """Mean days until return, none counted beyond a horizon."""
        ratio = np.asarray(hazard_ratio, dtype=float)
        before, after = self.before * ratio, self.after * ratio
        if not self.day or np.all(np.asarray(horizon) <= self.day):
            return self.curve.days(horizon, before)
        late = self.curve.days(horizon, after) - self.curve.days(self.day, after)
        until = self.curve.hazard(self.day)
        left = np.exp(np.minimum(until * (after - before), 700.0))
        # Nobody is away longer than all who are left at the day; where nearly nobody is, digits are lost.
        most = (np.asarray(horizon) - self.day) * np.exp(-until * before)
        return np.asarray(self.curve.days(self.day, before) + np.clip(left * late, 0.0, most))


class BothArms(NamedTuple):
    """What an effect and a curve make of both arms."""

    #: theta, later: log hazard ratio, and by how much it is larger after a day.
    theta: Array
    later: float
    #: comparison, programme: their curves.
    comparison: ReturnCurve
    programme: Treated

    @classmethod
    def of(cls, theta: Array, curve: ReturnCurve, change: tuple[float, float]) -> "BothArms":
        """Give both arms; `change` is a day and by how much the log hazard ratio is larger after it."""
        day, later = change
        with np.errstate(over="ignore"):
            treated = Treated(curve, np.exp(theta), np.exp(theta + later), day if later else 0.0)
        return cls(theta, later, curve, treated)

    def curve(self, arm: int) -> ReturnCurve:
        """Give an arm's curve: 0 for the comparison, 1 for the programme."""
        return self.programme if arm else self.comparison


@dataclass(frozen=True, slots=True, eq=False)
class Averaged:
    """A hazard ratio over a follow-up in which it changes: an average, weighed by who returns when."""

    name: str  #: How messages call it.
    #: effect, se: log hazard ratio.
    effect: float
    se: float
    later: float  #: By how much the log hazard ratio is larger after the change.
    #: share, chance: shares of returns that may come after it, and their probabilities, shape (part,).
    share: Array
    chance: Array

    @classmethod
    def of(
        cls,
        name: str,
        effect: float,
        se: float,
        shape: Shape,
        change: tuple[float, float],
        end: float,
    ) -> "Averaged":
        """Take a reported log hazard ratio over a follow-up of `end` days; see `Returns.change`."""
        day, later = change
        x, y = (np.linspace(-REACH, REACH, count) for count in SPREAD)
        (mean, sd), (centre, spread) = shape.median, shape.shape
        curve = shape.curve((mean + sd * x)[:, None], centre + spread * y, 0.0)
        early, whole = (-np.expm1(-np.minimum(curve.hazard(at), 700.0)) for at in (day, end))
        share = (1.0 - early / np.maximum(whole, 1e-300)).ravel()
        weight = np.exp(-0.5 * (x[:, None] ** 2 + y**2)).ravel()
        count = min(max(math.ceil(EACH * abs(later) / se), SHARES[0]), SHARES[1])
        place = np.minimum((np.clip(share, 0.0, 1.0) * count).astype(np.intp), count - 1)
        each, moved = (
            np.bincount(place, weights=own, minlength=count) for own in (weight, weight * share)
        )
        kept = each > 0
        return cls(name, effect, se, later, moved[kept] / each[kept], each[kept] / each.sum())

    @property
    def best(self) -> tuple[float, float]:
        """Give the likeliest effect, about, and its SD."""
        mean = float(self.chance @ self.share)
        sd = math.sqrt(float(self.chance @ (self.share - mean) ** 2))
        return self.effect - self.later * mean, math.hypot(self.se, self.later * sd)

    def log(self, theta: Array) -> Array:
        """See `OneStudy`."""
        gap = (self.effect - theta[:, None] - self.later * self.share) / self.se
        return np.asarray(logsumexp(np.log(self.chance) - 0.5 * gap**2, axis=1))

    def deep(self, theta: Array) -> Array:
        """See `OneStudy`: `log` is right everywhere."""
        return self.log(theta)

    def reports(self, theta: Array) -> None:
        """See `OneStudy`: what it would report is near its effect plus a normal error."""


class Report(NamedTuple):
    """One number of a study that is normal around what its hazard ratio makes of it."""

    kind: str  #: One of `KINDS`.
    #: value, se: on the scale of the kind; no `se` where it follows from people and curve.
    value: float
    se: float
    at: float  #: Day, horizon or share that it is about.
    #: 1 for the programme, 0 for the comparison; of differences of arms it says nothing.
    arm: int = 1

    def quantiles(self) -> list["Report"]:
        """Give the quantiles of arms that it is made of."""
        if self.kind == "median_ratio":
            return [Report("quantile", 0.0, 0.0, 0.5, arm) for arm in (0, 1)]
        return [self] if self.kind == "quantile" else []


class Kind(NamedTuple):
    """What a kind of number is of an effect and a curve, and its influence functions in both arms."""

    mean: Callable[[Report, BothArms], Array]
    influence: Callable[["People", Report], Array]


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Two arms of people on a grid of the comparison's cumulative hazard, for influence functions."""

    theta: float  #: Log hazard ratio.
    curve: ReturnCurve  #: Of the comparison.
    n: Array  #: People, shape (2,): comparison, programme.
    day: Array  #: Grid, shape (point,).
    step: Array  #: Increments of the comparison's cumulative hazard, shape (point,).

    @classmethod
    def of(cls, theta: float, curve: ReturnCurve, n: Array, end: float) -> "People":
        """Lay the grid up to a day; at most to where hardly anybody is left."""
        last = min(float(curve.hazard(end)), 25.0) if math.isfinite(end) else 25.0
        # Even steps of the square root: fine where nearly all are still away.
        root = np.linspace(0.0, math.sqrt(last), POINTS + 1)
        middle = 0.5 * (root[1:] + root[:-1])
        return cls(theta, curve, n, curve.when(middle**2), np.diff(root**2))

    def left(self) -> Array:
        """Shares not yet back, shape (arm, point)."""
        hazard = self.curve.hazard(self.day)
        return np.exp(-hazard * np.exp(np.array([[0.0], [self.theta]])))

    def covariance(self, first: Array, second: Array) -> float:
        """Covariance of two numbers with influence functions of shape (arm, point)."""
        rate = self.step * np.exp(np.array([[0.0], [self.theta]]))
        each = np.sum(first * second * self.left() * rate, axis=1)
        return float(np.sum(each / self.n))

    def share_back(self, day: float, arm: int) -> Array:
        """Influence of an arm's share of people back by a day."""
        found, left = np.zeros((2, len(self.day))), self.left()[arm]
        end = math.exp(-float(self.curve.hazard(day)) * math.exp(self.theta * arm))
        found[arm] = np.where(self.day <= day, end / left, 0.0)
        return found

    def rate(self, day: float, arm: int) -> float:
        """Density of returning at a day in an arm."""
        step = 1e-5 * day
        slope = float(self.curve.hazard(day + step) - self.curve.hazard(day - step)) / (2.0 * step)
        ratio = math.exp(self.theta * arm)
        return slope * ratio * math.exp(-float(self.curve.hazard(day)) * ratio)


def _log_back(day: float, curve: ReturnCurve) -> Array:
    """Log share back by a day."""
    return np.log(-np.expm1(-np.clip(curve.hazard(day), 1e-300, 700.0)))


def _log_odds(day: float, curve: ReturnCurve) -> Array:
    """Log odds of being back by a day."""
    hazard = np.clip(curve.hazard(day), 1e-300, 1e30)
    return np.asarray(np.log(-np.expm1(-hazard)) + hazard)


def _quantile(share: float, curve: ReturnCurve) -> Array:
    """Log of the day by which a share is back."""
    return np.log(np.clip(curve.when(np.asarray(-math.log1p(-share))), 1e-300, 1e300))


def _influence_quantile(people: People, share: float, arm: int) -> Array:
    day = float(people.curve.when(-math.log1p(-share) / math.exp(people.theta * arm)))
    return -people.share_back(day, arm) / (people.rate(day, arm) * day)


def _influence_days(people: People, horizon: float, arm: int) -> Array:
    """Influence of a restricted mean: minus what is still to come of it, over who is left."""
    found, left = np.zeros((2, len(people.day))), people.left()[arm]
    ratio = math.exp(people.theta * arm)
    until = people.curve.days(np.minimum(people.day, horizon), ratio)
    found[arm] = -(float(people.curve.days(horizon, ratio)) - until) / left
    return found


def _both(
    one: Callable[[People, float, int], Array], scale: Callable[[People, float, int], float]
) -> Callable[[People, Report], Array]:
    """Influence of a difference of two arms of the same functional, each over a scale."""

    def found(people: People, report: Report) -> Array:
        parts = [one(people, report.at, arm) / scale(people, report.at, arm) for arm in (0, 1)]
        return np.asarray(parts[1] - parts[0])

    return found


def _log_odds_away(share: Array) -> Array:
    """Log odds of a share of a time that is spent away."""
    share = np.clip(share, 1e-300, 1.0)
    return np.asarray(np.log(share) - np.log(np.maximum(1.0 - share, 1e-16)))


def _away_rate(people: People, horizon: float, arm: int) -> float:
    """Slope of mean days in the log odds of the share that is spent away."""
    share = float(people.curve.days(horizon, math.exp(people.theta * arm))) / horizon
    return horizon * share * (1.0 - share)


def _share(people: People, day: float, arm: int) -> float:
    return -math.expm1(-float(people.curve.hazard(day)) * math.exp(people.theta * arm))


def _binomial(people: People, day: float, arm: int) -> float:
    share = _share(people, day, arm)
    return share * (1.0 - share)


def _cloglog_rate(people: People, day: float, arm: int) -> float:
    """Slope of a share in its complementary log-log."""
    hazard = float(people.curve.hazard(day)) * math.exp(people.theta * arm)
    return hazard * math.exp(-hazard)


_SHARE: Final = Kind(
    lambda own, arms: np.log(np.maximum(arms.curve(own.arm).hazard(own.at), 1e-300)),
    lambda people, own: people.share_back(own.at, own.arm) / _cloglog_rate(people, own.at, own.arm),
)

#: Kinds of numbers: logs of ratios and of days (medians, quartiles), complementary log-logs of shares, days
#: (log odds of the share of a time that is spent away), differences of days.
KINDS: Final[dict[str, Kind]] = {
    "risk_ratio": Kind(
        lambda own, arms: _log_back(own.at, arms.programme) - _log_back(own.at, arms.comparison),
        _both(People.share_back, _share),
    ),
    "odds_ratio": Kind(
        lambda own, arms: _log_odds(own.at, arms.programme) - _log_odds(own.at, arms.comparison),
        _both(People.share_back, _binomial),
    ),
    "share": _SHARE,
    "back": _SHARE,
    "quantile": Kind(
        lambda own, arms: _quantile(own.at, arms.curve(own.arm)),
        lambda people, own: _influence_quantile(people, own.at, own.arm),
    ),
    "median_ratio": Kind(
        lambda _, arms: _quantile(0.5, arms.programme) - _quantile(0.5, arms.comparison),
        _both(lambda people, _, arm: _influence_quantile(people, 0.5, arm), lambda *_: 1.0),
    ),
    "days": Kind(
        lambda own, arms: _log_odds_away(arms.curve(own.arm).days(own.at) / own.at),
        lambda people, own: (
            _influence_days(people, own.at, own.arm) / _away_rate(people, own.at, own.arm)
        ),
    ),
    "days_difference": Kind(
        lambda own, arms: arms.programme.days(own.at) - arms.comparison.days(own.at),
        _both(_influence_days, lambda *_: 1.0),
    ),
}


class Back(NamedTuple):
    """People back at work by dates: first returns, so that they never fall."""

    day: Array  #: Ascending, shape (date,).
    events: Array  #: Shape (2, date): comparison, programme.
    n: Array  #: People, shape (2,).
    ratio: float = 0.0  #: The ratio of shares that they were made of; 0 where people were counted.

    def log(self, arms: BothArms, only: Sequence[int] = (0, 1)) -> Array:
        """Log probability of the counts, or of those of one arm; the numbers of both broadcast."""
        found: Array | float = 0.0
        for arm in only:
            events, n = self.events[arm], self.n[arm]
            curve, last = arms.curve(arm), 0.0
            before: Array = np.zeros(())
            for day, total in zip(self.day.tolist(), events.tolist(), strict=True):
                hazard = np.clip(curve.hazard(day), 1e-300, 700.0)
                if total > last:
                    between = np.maximum(hazard - before, 1e-300)
                    found = found + (total - last) * (np.log(-np.expm1(-between)) - before)
                before, last = hazard, total
            found = found - (n - last) * before
        return np.asarray(found)

    def missed(self, arms: BothArms) -> list[Array]:
        """Shares that were seen minus those that effect and curve make, one an arm and date."""
        return [
            events / n + np.expm1(-np.clip(arms.curve(arm).hazard(day), 0.0, 700.0))
            for arm, n in enumerate(self.n.tolist())
            for day, events in zip(self.day.tolist(), self.events[arm].tolist(), strict=True)
        ]
