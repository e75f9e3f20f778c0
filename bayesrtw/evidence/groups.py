"""What one group tells of itself, and what two tell of their difference.

Nearly every measure of two independent groups is a number of one group less that of the other, and its
variance the sum of theirs. What a group brings to a variance is also the covariance of two estimates
that share it.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, ndtri

#: Added to every cell of a 2x2 table that holds a zero (Cochrane Handbook 10.4.4.2).
CONTINUITY: float = 0.5


class Converted(NamedTuple):
    """An effect and its standard error, both on the analysis scale, of equal shape."""

    effect: NDArray[np.float64]
    se: NDArray[np.float64]


Array = NDArray[np.float64]

#: A number of one group with its standard error, from what is printed of that group.
OfGroup = Callable[..., Converted]


def floats(*values: ArrayLike) -> tuple[Array, ...]:
    """Bring numbers to arrays."""
    return tuple(np.asarray(value, dtype=np.float64) for value in values)


def found_of(value: ArrayLike, variance: ArrayLike) -> Converted:
    """Put a number and its variance together.

    Parameters
    ----------
    value, variance
        On the analysis scale.

    Returns
    -------
    Converted
        With the root of the variance.
    """
    return Converted(*floats(value, np.sqrt(variance)))


def _proportion(events: ArrayLike, n: ArrayLike) -> Converted:
    """Proportion with its binomial variance; of two groups Borenstein 5.15 and 5.16."""
    e, size = floats(events, n)
    return found_of(e / size, e * (size - e) / size**3)


def _log_proportion(events: ArrayLike, n: ArrayLike) -> Converted:
    """Logarithm of a proportion, delta method; of two groups Borenstein 5.1 to 5.3."""
    e, size = floats(events, n)
    return found_of(np.log(e / size), 1 / e - 1 / size)


def _logit_proportion(events: ArrayLike, n: ArrayLike) -> Converted:
    """Logit of a proportion, delta method; of two groups Borenstein 5.8 to 5.10."""
    e, size = floats(events, n)
    return found_of(np.log(e / (size - e)), 1 / e + 1 / (size - e))


def _arcsine_proportion(events: ArrayLike, n: ArrayLike) -> Converted:
    """Arcsine of the root of a proportion, whose variance depends on n alone (Anscombe 1948)."""
    e, size = floats(events, n)
    return found_of(np.arcsin(np.sqrt(e / size)), 1 / (4 * size))


def _log_cumulative_hazard(events: ArrayLike, n: ArrayLike) -> Converted:
    """Logarithm of the hazard summed over follow-up, delta method; Woods, Hawkins & Scott (2010)."""
    e, size = floats(events, n)
    hazard = -np.log1p(-e / size)
    return found_of(np.log(hazard), e / ((size - e) * size * hazard**2))


def _rate(events: ArrayLike, person_time: ArrayLike) -> Converted:
    e, time = floats(events, person_time)
    return found_of(e / time, e / time**2)


def _log_rate(events: ArrayLike, person_time: ArrayLike) -> Converted:
    """Logarithm of a rate, delta method; of two groups Cochrane Handbook 10.8."""
    e, time = floats(events, person_time)
    return found_of(np.log(e / time), 1 / e)


def _mean(mean: ArrayLike, se_mean: ArrayLike) -> Converted:
    """Mean with its standard error; of two groups Borenstein 4.2 and 4.5."""
    return Converted(*floats(mean, se_mean))


def _log_mean(mean: ArrayLike, se_mean: ArrayLike) -> Converted:
    """Logarithm of a mean, delta method; of two Friedrich et al. (2008), doi:10.1186/1471-2288-8-32."""
    m, se = floats(mean, se_mean)
    return Converted(np.log(m), se / m)


def _log_sd(sd: ArrayLike, n: ArrayLike) -> Converted:
    """Nakagawa et al. (2015), equations 7 and 8, doi:10.1111/2041-210X.12309."""
    s, size = floats(sd, n)
    return found_of(np.log(s) + 1 / (2 * (size - 1)), 1 / (2 * (size - 1)))


def _log_cv(mean: ArrayLike, sd: ArrayLike, n: ArrayLike) -> Converted:
    """Senior et al. (2020), doi:10.1002/jrsm.1423: Nakagawa et al. less the bias of the log mean."""
    m, s, size = floats(mean, sd, n)
    of_sd, of_mean = 1 / (2 * (size - 1)), s**2 / (size * m**2)
    return found_of(np.log(s / m) + of_sd - of_mean / 2, of_sd + of_mean)


def _log_median(median: ArrayLike, q1: ArrayLike, q3: ArrayLike, n: ArrayLike) -> Converted:
    """Logarithm of a median of log-normal values, whose variance is pi sigma^2 / (2 n)."""
    m, low, high, size = floats(median, q1, q3, n)
    sigma = np.log(high / low) / (2 * ndtri(0.75))
    return found_of(np.log(m), np.pi * sigma**2 / (2 * size))


def log_hazard_of_median(median: ArrayLike, events: ArrayLike) -> Converted:
    """Logarithm of an exponential hazard from a median, but for a constant.

    Parameters
    ----------
    median, events
        Median time to the event, and events, of the group.

    Returns
    -------
    Converted
        See `bayesrtw.evidence.convert.log_hazard_ratio_of_medians`.
    """
    m, e = floats(median, events)
    return found_of(-np.log(m), 1 / (e * np.log(2.0) ** 2))


def _standardised_change(
    change: ArrayLike, sd_baseline: ArrayLike, n: ArrayLike, correlation: ArrayLike
) -> Converted:
    """Mean change in SDs before it; Becker (1988), Morris (2008), doi:10.1177/1094428106291059."""
    c, s, size, r = floats(change, sd_baseline, n, correlation)
    g = exact_j(size - 1) * c / s
    return found_of(g, 2 * (1 - r) / size + g**2 / (2 * size))


#: Measure, to the number of one group that it is made of: of two groups it is their difference, and the
#: variance of a group that two estimates share is their covariance. Variances of logarithms, logits and
#: hazards are those of the delta method.
OF_GROUP: Final[dict[str, OfGroup]] = {
    "log_hazard_ratio": _log_cumulative_hazard,
    "log_risk_ratio": _log_proportion,
    "log_odds_ratio": _logit_proportion,
    "log_rate_ratio": _log_rate,
    "log_ratio_of_means": _log_mean,
    "log_ratio_of_medians": _log_median,
    "log_variability_ratio": _log_sd,
    "log_cv_ratio": _log_cv,
    "mean_difference": _mean,
    "standardised_mean_change_difference": _standardised_change,
    "risk_difference": _proportion,
    "rate_difference": _rate,
    "rmst_difference": _mean,
    "logit_proportion": _logit_proportion,
    "log_proportion": _log_proportion,
    "arcsine_proportion": _arcsine_proportion,
    "log_cumulative_hazard": _log_cumulative_hazard,
    "log_rate": _log_rate,
    "mean": _mean,
}


def exact_j(df: ArrayLike) -> Array:
    """Factor that takes the bias off a standardised mean difference."""
    (m,) = floats(df)
    return np.asarray(np.exp(gammaln(m / 2) - gammaln((m - 1) / 2)) / np.sqrt(m / 2))


def contrast(of_group: OfGroup, t: tuple[ArrayLike, ...], c: tuple[ArrayLike, ...]) -> Converted:
    """Take the number of one group from that of another, independent one.

    Parameters
    ----------
    of_group
        Gives the number of one group.
    t, c
        What it takes, of the programme's and of the comparison group.

    Returns
    -------
    Converted
        The difference; variances add.
    """
    one, other = of_group(*t), of_group(*c)
    return Converted(one.effect - other.effect, np.hypot(one.se, other.se))


def corrected(
    events_t: ArrayLike, n_t: ArrayLike, events_c: ArrayLike, n_c: ArrayLike
) -> tuple[Array, Array, Array, Array]:
    """Add 0.5 to each cell of a table with an empty cell, Cochrane Handbook 10.4.4.2."""
    a, n1, c, n0 = floats(events_t, n_t, events_c, n_c)
    zero = (a == 0) | (a == n1) | (c == 0) | (c == n0)
    add = np.where(zero, CONTINUITY, 0.0)
    return a + add, n1 + 2 * add, c + add, n0 + 2 * add


def of_counts(measure: str, *cells: ArrayLike, all_say_nothing: bool = True) -> Converted:
    """Compare two proportions; NaN where nobody, or everybody, has the event.

    Parameters
    ----------
    measure
        A key of `OF_GROUP` that takes events and people.
    *cells
        Events and people of the programme's and the comparison group.
    all_say_nothing
        Whether a table in which everybody has the event says nothing either.

    Returns
    -------
    Converted
        From `corrected` cells.
    """
    a, n1, c, n0 = floats(*cells)
    silent = (a == 0) & (c == 0)
    if all_say_nothing:
        silent |= (a == n1) & (c == n0)
    a, n1, c, n0 = corrected(a, n1, c, n0)
    found = contrast(OF_GROUP[measure], (a, n1), (c, n0))
    return Converted(*(np.where(silent, np.nan, part) for part in found))
