"""What an effect changes on the scales that people state: of 1000, days, ratios, differences."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import scipy
from numpy.typing import NDArray

from bayesrtw.decision.baseline import BaselinePoints
from bayesrtw.decision.risks import MEASURES, effect_for, per_thousand, risk
from bayesrtw.errors import SpecError
from bayesrtw.evidence.hazards import days_regained
from bayesrtw.evidence.measure import Measure
from bayesrtw.posterior.kernels import Kernels

Array = NDArray[np.float64]

#: Halvings that find the effect of days, from everything that a log ratio can be: to 1e-13.
HALVINGS: Final = 50
LARGEST: Final = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """A scale on which a change is counted, and how an effect moves along it from each baseline."""

    name: str  #: ``per_1000``, ``days``, ``ratio`` or ``difference``.
    title: str  #: What is counted, in words.
    #: From an effect and a baseline, which broadcast, to a change.
    change: Callable[[Array, Array], Array]
    #: The inverse: from a change and a baseline to the effect, infinite where none goes so far.
    effect: Callable[[Array, Array], Array]
    #: level, weight: baselines in rising order, and their shares, shape (point,).
    level: Array
    weight: Array
    rising: bool  #: Whether a larger effect is a larger change.
    good: bool | None  #: Whether a larger change is good; None where nobody stated it.
    null: float = 0.0  #: The change of no effect.
    log: bool = False  #: Whether it is a ratio.
    #: Baselines at which the probability of a larger change jumps, where effects end at a risk of 0 or 1.
    cuts: Callable[[float], tuple[float, ...]] = lambda _: ()


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """The distribution of a change: of an effect, and independently of it of the baseline."""

    theta: Kernels  #: The effect, analysis scale.
    scale: Scale  #: On which it is counted.

    def above(self, x: float) -> float:
        """Give the probability of a larger change."""
        found = float(self.scale.weight @ self._tail(x, self.scale.level))
        found += sum(self._beside(x, cut) for cut in self.scale.cuts(x))
        return float(np.clip(found, 0.0, 1.0))

    def _tail(self, x: float, level: Array) -> Array:
        """Give the probability of a larger change at each of some baselines."""
        above = self.theta.above(self.scale.effect(np.asarray(x, dtype=np.float64), level))
        return above if self.scale.rising else 1.0 - above

    def _beside(self, x: float, cut: float) -> float:
        """Correct the sum over points for a jump between two of them, which it takes for half way."""
        level, weight = self.scale.level, self.scale.weight
        place = int(np.searchsorted(level, cut))
        if not 0 < place < len(level):
            return 0.0
        near = np.array([level[place - 1], cut, level[place]])
        odds = np.log(near) - np.log1p(-near)
        share = (odds[1] - odds[0]) / (odds[2] - odds[0])
        left, right = self._tail(x, cut * np.array([1 - 1e-9, 1 + 1e-9]))
        return float((share - 0.5) * (left - right) * 0.5 * (weight[place - 1] + weight[place]))

    def quantile(self, q: float) -> float:
        """Give a quantile."""
        theta = self.theta.quantile(q if self.scale.rising else 1.0 - q)
        # It lies between what the effect's own quantile comes to at the least and at the most of baselines.
        each = np.sort(np.atleast_1d(self.scale.change(theta, self.scale.level)))
        low, high = float(each[0]), float(each[-1])
        if not high - low > 1e-12 * max(abs(low), abs(high), 1.0):
            return low

        def gap(x: float) -> float:
            return self.above(x) - (1.0 - q)

        if gap(low) <= 0:
            return low
        if gap(high) >= 0:
            return high
        return float(scipy.optimize.brentq(gap, low, high, xtol=1e-10 * (high - low)))

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Draw independently: gives (count,)."""
        theta = self.theta.sample(count, rng)
        point = rng.choice(len(self.scale.weight), size=count, p=self.scale.weight)
        return self.scale.change(theta, self.scale.level[point])


#: Measures that tell people of 1000, or events in 1000 of person-time, and the baseline that each moves.
PER_1000: Final = {
    **dict.fromkeys(MEASURES, "risk"),
    "log_rate_ratio": "rate",
    "rate_difference": "rate",
}

#: Measures that tell days, and the baseline that each needs.
OF_DAYS: Final = {
    **dict.fromkeys(MEASURES, "risk"),
    "log_ratio_of_means": "mean",
    "log_ratio_of_medians": "median",
    "mean_difference": "",
    "rmst_difference": "",
    "standardised_mean_difference": "sd",
}

#: The measure that moves a whole curve of return.
HAZARD: Final = "log_hazard_ratio"

#: What a curve of return needs besides its source.
CURVE: Final = " with risk, day and shape (of next-trial: --risk, --by-day and --shape)"

#: The one baseline of a scale that needs none.
_NONE: Final = np.ones(1)


def of_1000(measure: Measure, benefit: str, points: BaselinePoints) -> Scale:
    """Count people of 1000 who have the event."""
    needs = PER_1000.get(measure.name)
    if needs is None:
        raise SpecError(
            f"per_1000 is of measures that move a risk or a rate, {', '.join(PER_1000)}; effects are in "
            f"{measure.name}."
        )
    if points.of != needs:
        raise SpecError(f"per_1000 needs a baseline {needs}; a {points.of} is stated.")
    good = None if not benefit else benefit == "higher"
    if needs == "rate":
        by_ratio = measure.ratio
        return Scale(
            "per_1000",
            "more events in 1000 of person-time",
            lambda e, level: 1000.0 * (level * np.expm1(e) if by_ratio else e + 0.0 * level),
            lambda c, level: _log1p(c / (1000.0 * level)) if by_ratio else c / 1000.0 + 0.0 * level,
            points.level,
            points.weight,
            rising=True,
            good=good,
        )
    day = f" by day {points.day:g}" if points.day is not None else ""
    return Scale(
        "per_1000",
        f"more of 1000{day}",
        partial(per_thousand, measure.name),
        lambda change, level: effect_for(measure.name, level + change / 1000.0, level),
        points.level,
        points.weight,
        rising=True,
        good=good,
        cuts=_ends if measure.name in _ENDING else lambda _: (),
    )


#: Measures of which no effect comes near a risk of 0 or 1 slowly: they end there.
_ENDING: Final = ("log_risk_ratio", "risk_difference")


def _ends(x: float) -> tuple[float, ...]:
    """Give the risks from which a change of 1000 leads to a risk of 1, or of 0."""
    return tuple(each for each in (1.0 - x / 1000.0, -x / 1000.0) if 0 < each < 1)


def of_days(
    measure: Measure, benefit: str, unit: str, points: BaselinePoints | None, horizon: float = 365.0
) -> Scale:
    """Count days regained."""
    if not benefit:
        raise SpecError("days regained need a direction of benefit; state which effects are good.")
    sign = 1.0 if benefit == "higher" else -1.0
    own = partial(Scale, "days", good=True)
    if OF_DAYS.get(measure.name) == "":
        if unit != "days":
            told = f"are in {unit}" if unit else "have no stated unit"
            raise SpecError(
                f"differences {told}, and differences of days alone tell days. Where they are of days, state "
                "unit = 'days' of the [[outcome]] in a dataset.toml (of a table --unit days, in Python "
                "unit=). Where they are not, zones stand on difference, and neither a baseline nor stakes "
                "can be used."
            )
        return own(
            "days regained",
            lambda e, _: sign * e,
            lambda c, level: sign * c * level,
            _NONE,
            _NONE,
            sign > 0,
        )
    needs = OF_DAYS.get(measure.name, "")
    if not needs:
        raise SpecError(
            f"effects are in {measure.name}, which tells no days; hazard ratios of returning and shares "
            "back by a day do with a curve, and differences of days, ratios of mean or median days and "
            "standardised differences."
        )
    if points is None or points.of != needs:
        raise SpecError(
            f"days of a {measure.title.lower()} need a baseline {needs}; "
            f"{'none' if points is None else f'a {points.of}'} is stated. State it, with its source, as "
            f"[decision.baseline]{CURVE if needs == 'risk' else ''}."
        )
    if needs == "risk":
        if benefit != "higher":
            raise SpecError(
                f"days regained follow from a {measure.title.lower()} of returning, where higher is good; "
                "here lower is."
            )
        points.curve(points.level)  # which says what is missing
        change = partial(_regained, points, horizon, measure.name)

        def lost(level: Array) -> Array:
            return points.curve(level).days(horizon)

        return own(
            f"days regained of {horizon:g}",
            change,
            partial(_halved, change, lost, horizon),
            points.level,
            points.weight,
            rising=True,
            cuts=partial(_lost_by, lost, horizon) if measure.name in _ENDING else lambda _: (),
        )
    if needs in ("mean", "median"):
        return own(
            "days regained",
            lambda e, level: sign * level * np.expm1(e),
            lambda c, level: _log1p(sign * c / level),
            points.level,
            points.weight,
            sign > 0,
        )
    return own(
        "days regained",
        lambda e, level: sign * level * e,
        lambda c, level: sign * c / level,
        points.level,
        points.weight,
        sign > 0,
    )


def as_ratio(measure: Measure, benefit: str) -> Scale:
    """Count the ratio itself."""
    if not measure.ratio:
        raise SpecError(
            f"effects are in {measure.name}, which is no ratio; use days or difference."
        )
    return Scale(
        "ratio",
        measure.title.lower(),
        lambda e, level: level * np.exp(e),
        lambda c, level: level * np.log(c),
        _NONE,
        _NONE,
        rising=True,
        good=None if not benefit else benefit == "higher",
        null=1.0,
        log=True,
    )


def as_difference(measure: Measure, benefit: str, unit: str) -> Scale:
    """Count the difference itself, in its unit."""
    if measure.link.name != "identity" or measure.groups != 2:
        raise SpecError(
            f"effects are in {measure.name}, which is no difference"
            + ("; use above_ratio or below_ratio." if measure.ratio else " of two groups.")
        )
    return Scale(
        "difference",
        f"{measure.title.lower()}{f', {unit}' if unit else ''}",
        lambda e, level: level * e,
        lambda c, level: level * c,
        _NONE,
        _NONE,
        rising=True,
        good=None if not benefit else benefit == "higher",
    )


def _regained(
    points: BaselinePoints, horizon: float, name: str, effect: Array, level: Array
) -> Array:
    """Give days regained; a share back by the day is a curve's under the hazard ratio that leads to it."""
    if name != HAZARD:
        effect = effect_for(HAZARD, risk(name, effect, level), level)
    return days_regained(points.curve(level), horizon, np.exp(effect))


def _lost_by(lost: Callable[[Array], Array], horizon: float, x: float) -> tuple[float, ...]:
    """Give the risks at which a change of days is all that is lost, or leaves nobody back."""

    def beyond(level: float, days: float) -> float:
        return float(lost(np.asarray(level))) - days

    ends = 1e-12, 1.0 - 1e-12
    inside = (
        days for days in (x, x + horizon) if beyond(ends[1], days) < 0 < beyond(ends[0], days)
    )
    return tuple(float(scipy.optimize.brentq(beyond, *ends, (days,))) for days in inside)


def _log1p(x: Array) -> Array:
    """Give log(1 + x), minus infinity where the mean would be nothing or less."""
    return np.asarray(np.where(x > -1, np.log1p(np.maximum(x, -1 + 1e-16)), -np.inf))


def _halved(
    change: Callable[[Array, Array], Array],
    lost: Callable[[Array], Array],
    horizon: float,
    wanted: Array,
    level: Array,
) -> Array:
    """Find the effects of days by halving; infinite beyond what can be regained or lost."""
    base = lost(level)
    to = wanted + np.zeros_like(base)
    low, high = np.full(to.shape, -LARGEST), np.full(to.shape, LARGEST)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        less = change(middle, level) < to
        low, high = np.where(less, middle, low), np.where(less, high, middle)
    found = 0.5 * (low + high)
    return np.where(to >= base, np.inf, np.where(to <= base - horizon, -np.inf, found))
