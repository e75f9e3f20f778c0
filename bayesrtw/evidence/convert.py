"""Reported numbers to an effect and its standard error on the analysis scale.

Every function works on arrays of equal shape and names its equation. Equation numbers of Borenstein
et al. are those of *Introduction to Meta-Analysis* (2009), doi:10.1002/9780470743386; the Cochrane
Handbook is version 6 (2023), https://training.cochrane.org/handbook.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from bayesrtw.evidence.measure import Measure

#: Added to every cell of a 2x2 table that holds a zero (Cochrane Handbook 10.4.4.2).
CONTINUITY: float = 0.5


class Converted(NamedTuple):
    """An effect and its standard error, both on the analysis scale, of equal shape."""

    effect: NDArray[np.float64]
    se: NDArray[np.float64]


def normal_quantile(ci_level: ArrayLike) -> NDArray[np.float64]:
    """Half-width of a central normal interval in standard errors.

    Parameters
    ----------
    ci_level
        Confidence level in (0, 1), e.g. 0.95.

    Returns
    -------
    ndarray
        1.959964 for 0.95.
    """
    return np.asarray(ndtri(0.5 + np.asarray(ci_level, dtype=np.float64) / 2.0))


def from_interval(
    estimate: ArrayLike, low: ArrayLike, high: ArrayLike, ci_level: ArrayLike, measure: Measure
) -> Converted:
    """Take an estimate and the width of its interval, on the measure's own scale.

    Parameters
    ----------
    estimate, low, high
        As printed (ratios for log measures).
    ci_level
        Confidence level of the interval, e.g. 0.95.
    measure
        Says whether the interval is symmetric on the log scale.

    Returns
    -------
    Converted
        se = (high - low) / (2 z), Cochrane Handbook 6.3.1 and 6.3.2.
    """
    width = measure.forward(high) - measure.forward(low)
    return Converted(measure.forward(estimate), width / (2.0 * normal_quantile(ci_level)))


def from_p_value(estimate: ArrayLike, p_value: ArrayLike, measure: Measure) -> Converted:
    """Take an estimate and its two-sided p value under a normal test of no effect.

    Parameters
    ----------
    estimate
        As printed (a ratio for log measures); not the null value.
    p_value
        Two-sided, in (0, 1).
    measure
        Says whether the test is on the log scale.

    Returns
    -------
    Converted
        se = |effect| / z, Cochrane Handbook 6.3.1.
    """
    effect = measure.forward(estimate)
    z = -ndtri(np.asarray(p_value, dtype=np.float64) / 2.0)
    return Converted(effect, np.abs(effect) / z)


def _cells(
    events_t: ArrayLike, n_t: ArrayLike, events_c: ArrayLike, n_c: ArrayLike
) -> tuple[NDArray[np.float64], ...]:
    a, n1, c, n0 = (np.asarray(v, dtype=np.float64) for v in (events_t, n_t, events_c, n_c))
    b, d = n1 - a, n0 - c
    zero = (a == 0) | (b == 0) | (c == 0) | (d == 0)
    add = np.where(zero, CONTINUITY, 0.0)
    return a + add, b + add, c + add, d + add


def log_risk_ratio(
    events_t: ArrayLike, n_t: ArrayLike, events_c: ArrayLike, n_c: ArrayLike
) -> Converted:
    """Log risk ratio from a 2x2 table.

    Parameters
    ----------
    events_t, n_t, events_c, n_c
        Events and people of the programme's and the comparison group.

    Returns
    -------
    Converted
        Borenstein 5.1 to 5.3; 0.5 is added to each cell of a table with an empty cell.
    """
    a, b, c, d = _cells(events_t, n_t, events_c, n_c)
    n1, n0 = a + b, c + d
    return Converted(np.log(a / n1) - np.log(c / n0), np.sqrt(1 / a - 1 / n1 + 1 / c - 1 / n0))


def log_odds_ratio(
    events_t: ArrayLike, n_t: ArrayLike, events_c: ArrayLike, n_c: ArrayLike
) -> Converted:
    """Log odds ratio from a 2x2 table.

    Parameters
    ----------
    events_t, n_t, events_c, n_c
        Events and people of the programme's and the comparison group.

    Returns
    -------
    Converted
        Borenstein 5.8 to 5.10; 0.5 is added to each cell of a table with an empty cell.
    """
    a, b, c, d = _cells(events_t, n_t, events_c, n_c)
    return Converted(np.log(a * d / (b * c)), np.sqrt(1 / a + 1 / b + 1 / c + 1 / d))


def risk_difference(
    events_t: ArrayLike, n_t: ArrayLike, events_c: ArrayLike, n_c: ArrayLike
) -> Converted:
    """Risk difference from a 2x2 table.

    Parameters
    ----------
    events_t, n_t, events_c, n_c
        Events and people of the programme's and the comparison group.

    Returns
    -------
    Converted
        Borenstein 5.15 and 5.16. The correction for empty cells enters the standard error only.
    """
    a, n1, c, n0 = (np.asarray(v, dtype=np.float64) for v in (events_t, n_t, events_c, n_c))
    ac, bc, cc, dc = _cells(a, n1, c, n0)
    variance = ac * bc / (ac + bc) ** 3 + cc * dc / (cc + dc) ** 3
    return Converted(a / n1 - c / n0, np.sqrt(variance))


def mean_difference(
    mean_t: ArrayLike, se_mean_t: ArrayLike, mean_c: ArrayLike, se_mean_c: ArrayLike
) -> Converted:
    """Difference of two independent means.

    Parameters
    ----------
    mean_t, mean_c
        Means in their unit.
    se_mean_t, se_mean_c
        Standard errors of the means (SD / sqrt(n)).

    Returns
    -------
    Converted
        Borenstein 4.2 and 4.5: variances of the means add (no equal-variance assumption).
    """
    effect = np.asarray(mean_t, dtype=np.float64) - np.asarray(mean_c, dtype=np.float64)
    return Converted(effect, np.hypot(se_mean_t, se_mean_c))


def standardised_mean_difference(
    mean_t: ArrayLike,
    sd_t: ArrayLike,
    n_t: ArrayLike,
    mean_c: ArrayLike,
    sd_c: ArrayLike,
    n_c: ArrayLike,
) -> Converted:
    """Hedges' adjusted g, as RevMan computes it.

    Parameters
    ----------
    mean_t, sd_t, n_t, mean_c, sd_c, n_c
        Mean, SD and people of each group.

    Returns
    -------
    Converted
        g = d (1 - 3 / (4 N - 9)), se^2 = N / (n1 n0) + g^2 / (2 (N - 3.94)); Deeks & Higgins,
        *Statistical algorithms in Review Manager 5* (2010), section on continuous outcomes.
    """
    n1, n0 = np.asarray(n_t, dtype=np.float64), np.asarray(n_c, dtype=np.float64)
    s1, s0 = np.asarray(sd_t, dtype=np.float64), np.asarray(sd_c, dtype=np.float64)
    total = n1 + n0
    pooled = np.sqrt(((n1 - 1) * s1**2 + (n0 - 1) * s0**2) / (total - 2))
    difference = np.asarray(mean_t, dtype=np.float64) - np.asarray(mean_c, dtype=np.float64)
    g = difference / pooled * (1 - 3 / (4 * total - 9))
    return Converted(g, np.sqrt(total / (n1 * n0) + g**2 / (2 * (total - 3.94))))
