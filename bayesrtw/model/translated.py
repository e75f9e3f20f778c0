"""What one row says of its effect, all of it together and each of its numbers alone."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from bayesrtw.evidence.hazards import ReturnCurve
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.currency import Back, Report
from bayesrtw.model.likelihood import Likelihood

Array = NDArray[np.float64]

#: Effects beyond which nobody asks where a likelihood ends, log scale.
MOST: Final = 30.0
#: Points of a first look at a likelihood, and its reach in SDs.
LOOKED, FAR = 161, 60.0
#: By how much a log likelihood must be higher at its maximum than far away.
RISES: Final = 1e-6
#: Kinds of numbers that one line tells together.
RATIOS: Final = ("risk_ratio", "odds_ratio", "share")
SHARES: Final = "back"
MEDIANS: Final = ("quantile", "median_ratio")
DAYS: Final = ("days", "days_difference")


class OneSaid(NamedTuple):
    """Something that a row reports, as a function of its effect."""

    said: str  #: What it is, in words.
    log: Callable[[Array], Array]  #: Its log likelihood at effects, shape (point,); any constant.
    near: tuple[float, float]  #: Somewhere near its maximum, and a scale.
    heard: bool = True  #: Whether the likelihood listens to it.

    def supported(self, probability: float) -> tuple[float, float, float] | None:
        """Give the effect of most support, and the ends of those that a likelihood ratio does not reject.

        Ends are at most 30 off, on the log scale; None where support has no maximum, as of an arm in which
        nobody returned.
        """
        centre, width = self.near
        theta = centre + width * np.sinh(np.linspace(-1.0, 1.0, LOOKED) * np.arcsinh(FAR / width))
        theta = np.clip(theta, -MOST, MOST)
        value = np.asarray(self.log(theta))
        best = int(np.argmax(value))
        if value[best] - max(value[0], value[-1]) < RISES:
            return None

        def at(effect: float) -> float:
            return float(self.log(np.array([effect]))[0])

        found = scipy.optimize.minimize_scalar(
            lambda effect: -at(effect), bounds=(theta[best - 1], theta[best + 1]), method="bounded",
            options={"xatol": 1e-7},
        )  # fmt: skip
        fall = 0.5 * float(ndtri(0.5 + probability / 2)) ** 2
        middle, least = float(found.x), -float(found.fun) - fall
        ends = []
        for side in (slice(best, None, -1), slice(best, None)):
            out = np.flatnonzero(value[side] < least)
            if not len(out):
                ends.append(float(theta[side][-1]))
                continue
            beyond = float(theta[side][int(out[0])])
            ends.append(
                scipy.optimize.brentq(lambda effect: at(effect) - least, middle, beyond, xtol=1e-8)
            )
        return middle, ends[0], ends[1]


class Spoken(NamedTuple):
    """What one row says: all that is heard together, and its numbers each alone, if there are several."""

    whole: OneSaid
    parts: tuple[OneSaid, ...]


class Speaks(Protocol):
    """A likelihood of rows that report their effects in several currencies."""

    def spoken(self, evidence: Evidence) -> tuple[Spoken, ...]:
        """Give what every row says."""

    def currencies(self, evidence: Evidence) -> list[tuple[str, ...]]:
        """Give the currencies that each row speaks in."""

    @property
    def assumed(self) -> str:
        """Say what is taken of hazards, a sentence without its point."""

    def treated(self, curve: ReturnCurve, theta: Array) -> ReturnCurve:
        """Give the curve of the programme by that of the comparison and an effect; they broadcast."""

    def drawn_curves(self, evidence: Evidence, theta: Array, seed: int) -> dict[int, ReturnCurve]:
        """Draw curves of the comparison, (draw,), of rows that tell one, given effects, (draw, row)."""


class OneCurrency(NamedTuple):
    """Numbers of a row that tell an effect by themselves."""

    said: str
    back: Back | None
    numbers: tuple[Report, ...]


def apart(back: Back | None, numbers: Sequence[Report]) -> list[OneCurrency]:
    """Take what a row reports apart: counts and ratios by date, medians with quartiles, days."""
    found = []
    for place, day in enumerate([] if back is None else back.day.tolist()):
        if back is not None:
            one = slice(place, place + 1)
            events, n = back.events[:, place].tolist(), back.n.tolist()
            said = f"{events[1]:g}/{n[1]:g} against {events[0]:g}/{n[0]:g} back by day {day:.0f}"
            if back.ratio:
                said = f"risk ratio {back.ratio:.2f} of being back by day {day:.0f}"
            dated = back._replace(day=back.day[one], events=back.events[:, one])
            found.append(OneCurrency(said, dated, ()))
    for day in dict.fromkeys(each.at for each in numbers if each.kind in RATIOS):
        own = tuple(each for each in numbers if each.kind in RATIOS and each.at == day)
        ratio = next((each for each in own if each.kind != "share"), None)
        if ratio is not None:
            name = ratio.kind.replace("_", " ")
            said = f"{name} {np.exp(ratio.value):.2f} of being back by day {day:.0f}"
            found.append(OneCurrency(said, None, own))
    for day in dict.fromkeys(each.at for each in numbers if each.kind == SHARES):
        own = tuple(each for each in numbers if each.kind == SHARES and each.at == day)
        share = {each.arm: -100.0 * np.expm1(-np.exp(each.value)) for each in own}
        said = f"{share[1]:.0f} % against {share[0]:.0f} % back by day {day:.0f}"
        found.append(OneCurrency(said, None, own))
    medians = tuple(each for each in numbers if each.kind in MEDIANS)
    halves = {each.arm: np.exp(each.value) for each in medians if each.at == 0.5}
    ratio = next((each for each in medians if each.kind == "median_ratio"), None)
    if ratio is not None:
        found.append(OneCurrency(f"ratio of medians {np.exp(ratio.value):.2f}", None, medians))
    elif len(halves) == 2:
        more = ", quartiles" * any(each.at != 0.5 for each in medians)
        said = f"medians {halves[1]:.0f} against {halves[0]:.0f} days{more}"
        found.append(OneCurrency(said, None, medians))
    days = tuple(each for each in numbers if each.kind in DAYS)
    means = {each.arm: each for each in days}
    if len(means) == 2:
        first, base = means[1], means[0]
        mean, least = (each.at * expit(each.value) for each in (first, base))
        said = f"{mean:.0f} against {least:.0f} days away of {first.at:.0f}"
        if first.kind == "days_difference":
            said = f"{first.value:+.0f} days away of {first.at:.0f}".replace("-", "−")
        found.append(OneCurrency(said, None, days))
    return found


def own_values(
    likelihood: Likelihood, evidence: Evidence, probability: float
) -> dict[int, tuple[float, float, float]]:
    """Give own values of rows without an estimate, by place: maximum and interval of their likelihoods."""
    speaks = likelihood.offers.speaks
    if speaks is None:
        return {}
    effect, se = (evidence.data[name].to_numpy().astype(float) for name in ("effect", "se"))
    silent = ~(np.isfinite(effect) & (se > 0))
    found = {}
    for row, spoken in enumerate(speaks.spoken(evidence) if silent.any() else ()):
        value = spoken.whole.supported(probability) if silent[row] else None
        if value is not None:
            found[row] = value
    return found
