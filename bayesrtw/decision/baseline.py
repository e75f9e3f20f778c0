"""What happens without the programme in the people that a decision is about: stated, with its uncertainty."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainccinv, betaincinv, expit, logit, ndtr, ndtri

from bayesrtw.engine.fitted import Expects
from bayesrtw.errors import SpecError, shown
from bayesrtw.evidence.counts import counts
from bayesrtw.evidence.hazards import LN2, WeibullReturn
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import UNIT, Prior
from bayesrtw.model.defaults import default_terms
from bayesrtw.model.single import BinomialSingle
from bayesrtw.model.spec import NEW, Model
from bayesrtw.question.asked import Subject
from bayesrtw.question.predict import expected_at, expects

Array = NDArray[np.float64]

#: Points at which a distribution of baselines is weighed: levels of its quantiles, evenly over a standard
#: normal variable, where sums over even steps are exact to far more digits than are printed.
STEPS: Final = np.linspace(-6.0, 6.0, 241)

#: Numbers that may be stated of people without the programme.
NUMBERS: Final = ("risk", "rate", "mean", "median", "sd")

#: Measures of one group whose predicted value is a risk.
OF_RISK: Final = ("logit_proportion", "log_proportion", "arcsine_proportion")


@dataclass(frozen=True, slots=True, eq=False)
class BaselinePoints:
    """A distribution of baselines, as weighed points.

    Attributes
    ----------
    level
        Risks in (0, 1), or other numbers > 0, shape (point,).
    weight
        Shares, shape (point,); they sum to one.
    of
        One of `NUMBERS`.
    source
        Where it is from.
    day
        Day by which a risk is counted; None where nobody said.
    shape
        Of the Weibull law by which people return; None where nobody stated it.
    """

    level: Array
    weight: Array
    of: str
    source: str
    day: float | None = None
    shape: float | None = None

    def __post_init__(self) -> None:
        order = np.argsort(self.level)
        for name in ("level", "weight"):
            object.__setattr__(self, name, getattr(self, name)[order])

    def curve(self, level: ArrayLike) -> WeibullReturn:
        """Give return without the programme.

        Parameters
        ----------
        level
            Risks by the day that is stated, any shape.

        Returns
        -------
        WeibullReturn
            With a median for each.

        Raises
        ------
        SpecError
            If day or shape is not stated, or the level is no risk.
        """
        if self.of != "risk" or self.day is None or self.shape is None:
            raise SpecError(
                "days need a curve of return: state risk, the day that it is counted by, and shape, 1 for a "
                "hazard that does not change."
            )
        hazard = -np.log1p(-np.asarray(level, dtype=np.float64))
        return WeibullReturn(self.day * (LN2 / hazard) ** (1 / self.shape), self.shape)

    def quantile(self, q: float) -> float:
        """Give a quantile.

        Parameters
        ----------
        q
            Probability in (0, 1).

        Returns
        -------
        float
            On the scale of the levels.
        """
        upto = np.cumsum(self.weight) - 0.5 * self.weight
        # Between points on the scale on which they are even.
        return float(np.interp(ndtri(q), ndtri(np.clip(upto, 1e-12, 1 - 1e-12)), self.level))


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedBaseline:
    """What happens without the programme in the people that a decision is about.

    Parameters
    ----------
    source
        Where the number is from, such as a register with its year; it stands beside every result.
    risk
        Risk of the event, in (0, 1).
    rate
        Events in one unit of person-time, > 0, for rate ratios and differences.
    mean, median
        Mean or median days of absence, > 0, for ratios of them.
    sd
        Standard deviation of days of absence in the people, > 0, for standardised differences.
    interval
        Both ends of the 95 % interval of one of these; nothing where it is taken for certain.
    events, n
        Events among so many people of a cohort, in place of `risk`: its posterior after Jeffreys' prior.
    prior
        Of the risk, in place of the others.
    comparison_groups
        In place of the others the risk that the comparison groups of the pooled rows predict for a new one.
    day
        Day by which the event is counted, > 0.
    shape
        Of the Weibull law by which people return, > 0; below 1 who is away for long returns more slowly.
    horizon
        Days over which days regained are counted, > 0.
    """

    source: str
    risk: float | None = None
    rate: float | None = None
    mean: float | None = None
    median: float | None = None
    sd: float | None = None
    interval: tuple[float, ...] = ()
    events: int | None = None
    n: int | None = None
    prior: Prior | None = None
    comparison_groups: bool = False
    day: float | None = None
    shape: float | None = None
    horizon: float = 365.0

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise SpecError(
                "source is empty: say where the baseline is from; it stands beside the result."
            )
        ways = [name for name in (*NUMBERS, "prior") if getattr(self, name) is not None]
        ways += ["events"] * (self.events is not None or self.n is not None)
        ways += ["comparison_groups"] * self.comparison_groups
        if len(ways) != 1:
            raise SpecError(
                f"a baseline is stated in one way; found {', '.join(ways) or 'none'}: give "
                f"{shown(NUMBERS, len(NUMBERS))}, with its interval if there is one, events with n, prior, "
                "or comparison_groups = true."
            )
        if self.risk is not None and not 0 < self.risk < 1:
            raise SpecError(f"risk must lie in (0, 1); found {self.risk!r}.")
        for name in (*NUMBERS[1:], "day", "shape", "horizon"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise SpecError(f"{name} must be positive; found {value!r}.")
        if self.interval:
            self._check_interval()
        if ways == ["events"] and not (
            self.events is not None
            and self.n is not None
            and 0 <= self.events <= self.n
            and self.n > 0
        ):
            raise SpecError(
                f"events must lie between 0 and n; found events={self.events!r} and n={self.n!r}."
            )
        if self.prior is not None and self.prior.support != UNIT:
            raise SpecError("prior of a risk must lie in (0, 1); choose a beta prior.")

    def _check_interval(self) -> None:
        """Refuse an interval that is none around what is stated."""
        stated = [getattr(self, name) for name in NUMBERS if getattr(self, name) is not None]
        end = 1.0 if self.risk is not None else math.inf
        if (
            not stated
            or len(self.interval) != 2
            or not 0 < self.interval[0] < stated[0] < self.interval[1] < end
        ):
            raise SpecError(
                f"interval is {list(self.interval)!r}; give both ends of the 95 % interval around the number "
                "that is stated, within its scale."
            )

    def points(self, evidence: Evidence | None = None) -> BaselinePoints:
        """Weigh what is stated at points.

        Parameters
        ----------
        evidence
            The pooled rows, where their comparison groups tell.

        Returns
        -------
        BaselinePoints
            One for what is taken for certain.

        Raises
        ------
        SpecError
            If the comparison groups of the rows have no counts.
        """
        if self.comparison_groups:
            if evidence is None:
                raise SpecError("comparison_groups needs the rows whose groups these are.")
            return predicted(*of_comparison_groups(evidence), source=self.source, like=self)
        of = next((name for name in NUMBERS if getattr(self, name) is not None), "risk")
        level, weight = self._weighed()
        return BaselinePoints(level, weight, of, self.source.strip(), self.day, self.shape)

    def _weighed(self) -> tuple[Array, Array]:
        """Give levels and shares of what is stated."""
        even = np.exp(-0.5 * STEPS**2)
        if self.prior is not None:
            level = self.prior.ppf(ndtr(STEPS))
        elif self.events is not None and self.n is not None:
            some, rest = self.events + 0.5, self.n - self.events + 0.5
            # From the nearer tail: one minus a probability loses its digits.
            lower, upper = (
                betaincinv(some, rest, ndtr(STEPS)),
                betainccinv(some, rest, ndtr(-STEPS)),
            )
            level = np.where(STEPS < 0, lower, upper)
        else:
            each = (getattr(self, name) for name in NUMBERS)
            middle = next(number for number in each if number is not None)
            if not self.interval:
                return np.array([middle]), np.ones(1)
            forward, back = (logit, expit) if self.risk is not None else (np.log, np.exp)
            low, high = forward(np.array(self.interval))
            # What is stated is the middle, and both ends are kept: a normal on either side of it.
            side = np.where(STEPS < 0, forward(middle) - low, high - forward(middle))
            level = back(forward(middle) + side / ndtri(0.975) * STEPS)
        tiny = np.finfo(np.float64).tiny
        other = any(getattr(self, name) is not None for name in NUMBERS[1:])
        most = np.inf if other else np.nextafter(1.0, 0.0)
        return np.clip(level, tiny, most), even / even.sum()


def predicted(
    model: Subject | Expects,
    evidence: Evidence | None = None,
    *,
    source: str,
    like: StatedBaseline | None = None,
) -> BaselinePoints:
    """Give the risk that single groups predict for a new one: with heterogeneity, not their mean alone.

    Parameters
    ----------
    model, evidence
        Of proportions of single groups, a model with rows or a synthesis.
    source
        Where they are from; it stands beside every result.
    like
        Whose day and shape hold; none unless given.

    Returns
    -------
    BaselinePoints
        Of risks.

    Raises
    ------
    SpecError
        If the numbers are no proportions, or the model has no pooled mean.
    """
    whole = expects(model, evidence)
    measure = whole.evidence.measure
    if measure.name not in OF_RISK:
        raise SpecError(
            f"numbers are in {measure.name}; a baseline risk is predicted from {', '.join(OF_RISK)}."
        )
    if not whole.model.has_mean:
        raise SpecError("the model has no intercept, so there is no pooled mean; add one.")
    new = expected_at(whole, NEW[whole.model.pooled], {})
    level = np.asarray(measure.back(new.quantile(ndtr(STEPS))), dtype=np.float64)
    inside = np.clip(level, np.finfo(np.float64).tiny, np.nextafter(1.0, 0.0))
    even = np.exp(-0.5 * STEPS**2)
    day, shape = (like.day, like.shape) if like is not None else (None, None)
    return BaselinePoints(inside, even / even.sum(), "risk", source.strip(), day, shape)


def of_comparison_groups(evidence: Evidence) -> tuple[Model, Evidence]:
    """Give the comparison groups of rows by themselves, with a model of their proportions."""
    import pandas as pd  # noqa: PLC0415

    seen = counts(evidence, 2)
    known = np.all(np.isfinite(seen.events) & np.isfinite(seen.size), axis=0)
    study = evidence.data["study"].to_numpy().astype(str)
    shared = (
        evidence.data["shared_control"].to_numpy().astype(str)
        if "shared_control" in evidence.data
        else np.full(evidence.size, "")
    )
    groups: dict[tuple[str, ...], tuple[float, float]] = {}
    for row in np.flatnonzero(known).tolist():
        events, size = float(seen.events[1, row]), float(seen.size[1, row])
        own = (
            (study[row], shared[row])
            if shared[row] not in ("", "nan")
            else (study[row], f"{events:g}/{size:g}")
        )
        before = groups.get(own, (0.0, 0.0))
        groups[own] = max(before, (events, size), key=lambda each: each[1])
    if len(groups) < 2:
        raise SpecError(
            f"{evidence.where}: {len(groups)} comparison group has counts; a risk is predicted from two or "
            "more: state risk, or events with n."
        )
    columns = {name: name for name in ("study", "events", "n")}
    frame = pd.DataFrame([(own[0], *told) for own, told in groups.items()], columns=list(columns))
    alone = Evidence.from_frame(frame, columns=columns, measure="logit_proportion")
    return Model(terms=default_terms(alone, levels=2), likelihood=BinomialSingle()), alone
