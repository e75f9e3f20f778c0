"""Curves of return to work, and what a hazard ratio does to them: risks, medians and days on one scale."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray
from scipy.special import gamma, gammainc

from bayesrtw.errors import EvidenceError

Array = NDArray[np.float64]

LN2 = math.log(2.0)
#: Days of a month.
MONTH = 365.25 / 12.0
#: Cumulative hazards that are told from none, and from all.
LEAST, MOST = 1e-300, 1e30
#: Cumulative hazard below which a restricted mean is a series.
FEW = 1e-3


class ReturnCurve(Protocol):
    """When people return to work: a cumulative hazard of days, whose numbers may be arrays."""

    def hazard(self, at: ArrayLike) -> Array:
        """Cumulative hazard of returning by a date; days."""

    def when(self, hazard: ArrayLike) -> Array:
        """Day by which a cumulative hazard is reached."""

    def days(self, horizon: ArrayLike, hazard_ratio: ArrayLike = 1.0) -> Array:
        """Mean days until return, none counted beyond a horizon: the restricted mean."""


@dataclass(frozen=True, slots=True, eq=False)
class WeibullReturn:
    """Times to return with the hazard of a Weibull law, ``H(t) = ln 2 (t / median)^shape``.

    Attributes
    ----------
    median
        Day by which half of the people are back.
    shape
        Below 1 the hazard falls: who is away for long returns more slowly.

    Examples
    --------
    >>> curve = WeibullReturn(median=90.0, shape=0.8)
    >>> round(float(back(curve, 365)), 3), round(float(back(curve, 365, hazard_ratio=1.25)), 3)
    (0.881, 0.93)
    """

    median: ArrayLike
    shape: ArrayLike = 1.0

    def __post_init__(self) -> None:
        _require_positive(median=self.median, shape=self.shape)

    def hazard(self, at: ArrayLike) -> Array:
        ratio = np.asarray(at, dtype=float) / np.asarray(self.median, dtype=float)
        return np.asarray(LN2 * ratio ** np.asarray(self.shape, dtype=float))

    def when(self, hazard: ArrayLike) -> Array:
        share = np.asarray(hazard, dtype=float) / LN2
        powered = share ** (1.0 / np.asarray(self.shape, dtype=float))
        return np.asarray(np.asarray(self.median, dtype=float) * powered)

    def days(self, horizon: ArrayLike, hazard_ratio: ArrayLike = 1.0) -> Array:
        k = np.asarray(self.shape, dtype=float)
        end = np.clip(self.hazard(horizon) * np.asarray(hazard_ratio, dtype=float), LEAST, MOST)
        # The integral of exp(-H): an incomplete gamma function of H at the horizon; a series of a small H.
        some = np.maximum(end, FEW)
        share = gamma(1.0 + 1.0 / k) * gammainc(1.0 / k, some) * some ** (-1.0 / k)
        series = 1.0 - end / (k + 1.0) + end**2 / (4.0 * k + 2.0) - end**3 / (18.0 * k + 6.0)
        return np.asarray(np.asarray(horizon, dtype=float) * np.where(end < FEW, series, share))


@dataclass(frozen=True, slots=True, eq=False)
class PiecewiseReturn:
    """Times to return with one hazard until a date and another after it.

    Attributes
    ----------
    median
        Day by which half of the people are back.
    later
        Hazard after the date as a multiple of that before it.
    cut
        The date, days.

    Examples
    --------
    >>> curve = PiecewiseReturn(median=90.0, later=0.5, cut=120.0)
    >>> round(float(back(curve, 90.0)), 3)
    0.5
    """

    median: ArrayLike
    later: ArrayLike = 1.0
    cut: float = 90.0

    def __post_init__(self) -> None:
        _require_positive(median=self.median, later=self.later, cut=self.cut)

    def passed(self, at: ArrayLike) -> Array:
        """Give days, those after the cut weighed by the later hazard."""
        day = np.asarray(at, dtype=float)
        return np.asarray(np.minimum(day, self.cut) + self.later * np.maximum(day - self.cut, 0.0))

    def hazard(self, at: ArrayLike) -> Array:
        return np.asarray(LN2 * self.passed(at) / self.passed(self.median))

    def when(self, hazard: ArrayLike) -> Array:
        passed = np.asarray(hazard, dtype=float) * self.passed(self.median) / LN2
        after = (passed - self.cut) / np.asarray(self.later, dtype=float)
        return np.where(passed <= self.cut, passed, self.cut + after)

    def days(self, horizon: ArrayLike, hazard_ratio: ArrayLike = 1.0) -> Array:
        first = LN2 / self.passed(self.median) * np.asarray(hazard_ratio, dtype=float)
        day = np.asarray(horizon, dtype=float)
        near, far = np.minimum(day, self.cut), np.maximum(day - self.cut, 0.0)
        left = np.exp(-first * near)
        return np.asarray(_lost(first, near) + left * _lost(first * self.later, far))


def _lost(rate: Array, days: Array) -> Array:
    """Mean days until return within some days at a constant rate."""
    passed = np.clip(rate * days, LEAST, MOST)
    return np.asarray(days * -np.expm1(-passed) / passed)


def back(curve: ReturnCurve, at: ArrayLike, hazard_ratio: ArrayLike = 1.0) -> Array:
    """Share of people who are back at work by a date.

    Parameters
    ----------
    curve
        Of the people without the programme.
    at
        Days.
    hazard_ratio
        Of the programme; the arguments broadcast.

    Returns
    -------
    ndarray
        ``1 - exp(-H(t) HR)``.

    Raises
    ------
    EvidenceError
        If a day is negative, or the hazard ratio is not positive.
    """
    _require_days(at=at)
    _require_ratio(hazard_ratio)
    return np.asarray(-np.expm1(-curve.hazard(at) * np.asarray(hazard_ratio, dtype=float)))


def median_under(curve: ReturnCurve, hazard_ratio: ArrayLike) -> Array:
    """Day by which half of the people are back under a hazard ratio.

    Parameters
    ----------
    curve
        Of the people without the programme.
    hazard_ratio
        Of the programme.

    Returns
    -------
    ndarray
        Days; for a Weibull law ``median HR^(-1 / shape)``.

    Raises
    ------
    EvidenceError
        If the hazard ratio is not positive.
    """
    _require_ratio(hazard_ratio)
    return curve.when(LN2 / np.asarray(hazard_ratio, dtype=float))


def days_regained(curve: ReturnCurve, horizon: ArrayLike, hazard_ratio: ArrayLike) -> Array:
    """Days of work that a programme wins until a horizon: the difference of restricted means.

    Parameters
    ----------
    curve
        Of the people without the programme.
    horizon
        Days.
    hazard_ratio
        Of the programme.

    Returns
    -------
    ndarray
        Days; positive where people return sooner. Recurrent absence is taken to be negligible.

    Raises
    ------
    EvidenceError
        If the horizon or the hazard ratio is negative.
    """
    _require_days(horizon=horizon)
    if not np.all(np.asarray(hazard_ratio, dtype=float) >= 0):  # 0 and infinity are limits here.
        raise EvidenceError(f"a hazard ratio must not be negative; found {hazard_ratio!r}.")
    return curve.days(horizon) - curve.days(horizon, hazard_ratio)


def risk_ratio_at(curve: ReturnCurve, at: ArrayLike, hazard_ratio: ArrayLike) -> Array:
    """Ratio of the shares who are back by a date.

    Parameters
    ----------
    curve, at, hazard_ratio
        As of `back`.

    Returns
    -------
    ndarray
        Tends to 1 as nearly everybody returns, whatever the hazard ratio.

    Raises
    ------
    EvidenceError
        If a day is negative, or the hazard ratio is not positive.
    """
    return back(curve, at, hazard_ratio) / back(curve, at)


def odds_ratio_at(curve: ReturnCurve, at: ArrayLike, hazard_ratio: ArrayLike) -> Array:
    """Ratio of the odds of being back by a date.

    Parameters
    ----------
    curve, at, hazard_ratio
        As of `back`.

    Returns
    -------
    ndarray
        Grows with the date beyond the hazard ratio.

    Raises
    ------
    EvidenceError
        If a day is negative, or the hazard ratio is not positive.
    """
    _require_days(at=at)
    _require_ratio(hazard_ratio)
    first, second = curve.hazard(at) * np.asarray(hazard_ratio, dtype=float), curve.hazard(at)
    return np.asarray(np.exp(first - second) * np.expm1(-first) / np.expm1(-second))


def hazard_ratio_of_risks(programme: ArrayLike, comparison: ArrayLike) -> Array:
    """Hazard ratio that makes one share of people back by a date of another, whatever the curve before it.

    Parameters
    ----------
    programme, comparison
        Shares in (0, 1) at the same date.

    Returns
    -------
    ndarray
        ``log(1 - p1) / log(1 - p0)``.

    Raises
    ------
    EvidenceError
        If a share is not in (0, 1).
    """
    shares = np.broadcast_arrays(programme, comparison)
    if any(np.any((each <= 0) | (each >= 1)) for each in shares):
        raise EvidenceError("shares of people who are back must lie between 0 and 1.")
    return np.asarray(np.log1p(-shares[0]) / np.log1p(-shares[1]))


def hazard_ratio_of_risk_ratio(risk_ratio: ArrayLike, comparison: ArrayLike) -> Array:
    """Hazard ratio of a risk ratio at a date, given the share who are back without the programme.

    Parameters
    ----------
    risk_ratio
        Of being back by the date.
    comparison
        Share without the programme, in (0, 1).

    Returns
    -------
    ndarray
        See `hazard_ratio_of_risks`.

    Raises
    ------
    EvidenceError
        If a share, or the share with the programme that follows, is not in (0, 1).
    """
    share = np.asarray(comparison, dtype=float)
    return hazard_ratio_of_risks(np.asarray(risk_ratio, dtype=float) * share, share)


def hazard_ratio_of_odds_ratio(odds_ratio: ArrayLike, comparison: ArrayLike) -> Array:
    """Hazard ratio of an odds ratio at a date, given the share who are back without the programme.

    Parameters
    ----------
    odds_ratio
        Of being back by the date.
    comparison
        Share without the programme, in (0, 1).

    Returns
    -------
    ndarray
        See `hazard_ratio_of_risks`.

    Raises
    ------
    EvidenceError
        If a share is not in (0, 1).
    """
    share, ratio = np.asarray(comparison, dtype=float), np.asarray(odds_ratio, dtype=float)
    return hazard_ratio_of_risks(ratio * share / (1.0 - share + ratio * share), share)


def hazard_ratio_of_medians(programme: ArrayLike, comparison: ArrayLike, shape: ArrayLike) -> Array:
    """Hazard ratio of two medians of a Weibull law.

    Parameters
    ----------
    programme, comparison
        Days by which half of the people are back.
    shape
        Of the law.

    Returns
    -------
    ndarray
        ``(median1 / median0)^(-shape)``.
    """
    _require_positive(programme=programme, comparison=comparison, shape=shape)
    ratio = np.asarray(programme, dtype=float) / np.asarray(comparison, dtype=float)
    return np.asarray(ratio ** (-np.asarray(shape, dtype=float)))


def hazard_ratio_of_days(curve: ReturnCurve, horizon: float, difference: float) -> float:
    """Hazard ratio that makes a difference of restricted mean days.

    Parameters
    ----------
    curve
        Of the people without the programme.
    horizon
        Days over which absence is counted.
    difference
        Mean days with the programme minus those without; negative where people return sooner.

    Returns
    -------
    float
        The hazard ratio.

    Raises
    ------
    EvidenceError
        If no hazard ratio makes that difference over so many days.
    """
    base = float(curve.days(horizon))
    if not -base < difference < horizon - base:
        raise EvidenceError(
            f"a difference of {difference:g} days cannot be over a horizon of {horizon:g} days, of which "
            f"{base:.1f} are lost without the programme; check the horizon and the unit."
        )

    def gap(log_ratio: float) -> float:
        return float(curve.days(horizon, math.exp(log_ratio))) - base - difference

    return math.exp(scipy.optimize.brentq(gap, -60.0, 60.0, xtol=1e-12))


def risk_ratio_of_hazard_ratio(hazard_ratio: ArrayLike) -> Array:
    """Risk ratio of a hazard ratio where no risk is known, by the minimax rule.

    Parameters
    ----------
    hazard_ratio
        Of a common outcome.

    Returns
    -------
    ndarray
        ``(1 - 2^-sqrt(HR)) / (1 - 2^-sqrt(1 / HR))``. [1]_

    References
    ----------
    .. [1] VanderWeele TJ (2020). Biometrics 76:746-752. doi:10.1111/biom.13197
    """
    root = np.sqrt(np.asarray(hazard_ratio, dtype=float))
    return np.asarray((1.0 - 0.5**root) / (1.0 - 0.5 ** (1.0 / root)))


def weibull_through(shares: Mapping[float, float]) -> WeibullReturn:
    """Weibull curve through shares of people who are back by some dates.

    Parameters
    ----------
    shares
        Date in days to share in (0, 1); two or more. With more than two, nearest on the complementary
        log-log scale.

    Returns
    -------
    WeibullReturn
        The curve.

    Raises
    ------
    EvidenceError
        If there are fewer than two dates, or shares do not grow with them.

    Examples
    --------
    >>> curve = weibull_through({90: 0.5, 365: 0.881})
    >>> round(float(curve.median)), round(float(curve.shape), 2)
    (90, 0.8)
    """
    day, share = (np.array(each, dtype=float) for each in zip(*sorted(shares.items()), strict=True))
    inside = np.all((share > 0) & (share < 1)) and np.all(day > 0)
    if len(day) < 2 or not inside or np.any(np.diff(share) <= 0):
        raise EvidenceError(
            "a curve needs shares in (0, 1) at two dates or more, which grow with the date."
        )
    told = np.log(-np.log1p(-share))

    shape, level = np.polyfit(np.log(day), told, 1).tolist()
    return WeibullReturn(math.exp((math.log(LN2) - level) / shape), shape)


def _require_days(**days: ArrayLike) -> None:
    """Refuse days before the first."""
    for name, value in days.items():
        if not np.all(np.asarray(value, dtype=float) >= 0):
            raise EvidenceError(f"{name} is in days and must not be negative; found {value!r}.")


def _require_ratio(hazard_ratio: ArrayLike) -> None:
    """Refuse hazard ratios that are not positive."""
    if not np.all(np.asarray(hazard_ratio, dtype=float) > 0):
        raise EvidenceError(f"a hazard ratio must be positive; found {hazard_ratio!r}.")


def _require_positive(**numbers: ArrayLike) -> None:
    """Refuse numbers that are not positive and finite."""
    for name, value in numbers.items():
        each = np.asarray(value, dtype=float)
        if not np.all((each > 0) & np.isfinite(each)):
            raise EvidenceError(f"{name} must be positive and finite; found {value!r}.")
