"""Reported numbers to an effect and its standard error on the analysis scale.

Every function works on arrays of equal shape and names its equation. Equation numbers of Borenstein
et al. are those of *Introduction to Meta-Analysis* (2009), doi:10.1002/9780470743386; the Cochrane
Handbook is version 6 (2023), https://training.cochrane.org/handbook. Medians, change scores and
incomplete tables first pass through `bayesrtw.evidence.summaries`.

Quantiles of the normal distribution are SciPy's. The rest is written out here: PyMARE converts only
means and correlations, `scipy.stats.contingency` works on one table and gives no standard error, and
statsmodels' four formulas for risks, with which these agree, are too few for a dependency.
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


def from_z(estimate: ArrayLike, z: ArrayLike, measure: Measure) -> Converted:
    """Take an estimate and its Wald statistic.

    Parameters
    ----------
    estimate
        As printed (a ratio for log measures); not the null value.
    z
        Estimate over standard error, on the analysis scale; not 0. Its sign is not used, since many
        papers print it without one.
    measure
        Says whether the test is on the log scale.

    Returns
    -------
    Converted
        se = |effect| / |z|, Cochrane Handbook 6.3.1.
    """
    effect = measure.forward(estimate)
    return Converted(effect, np.abs(effect) / np.abs(np.asarray(z, dtype=np.float64)))


def asymmetry(
    estimate: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    measure: Measure,
    rounding: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    """Distance of an estimate from the centre of its interval, in half-widths.

    Parameters
    ----------
    estimate, low, high
        As printed (ratios for log measures); low < high.
    measure
        Says on which scale the interval ought to be symmetric.
    rounding
        Most by which rounding may have changed each of the three numbers, less than any ratio: the
        result is what no choice of unprinted digits can remove.

    Returns
    -------
    ndarray
        0 for a Wald interval, which `from_interval` takes it to be; 1 for an estimate at an end.
    """
    x, a, b, off = (np.asarray(v, dtype=np.float64) for v in (estimate, low, high, rounding))
    centre_low = (measure.forward(a - off) + measure.forward(b - off)) / 2.0
    centre_high = (measure.forward(a + off) + measure.forward(b + off)) / 2.0
    beyond = np.maximum(
        measure.forward(x - off) - centre_high, centre_low - measure.forward(x + off)
    )
    half = (measure.forward(b) - measure.forward(a)) / 2.0
    return np.asarray(np.maximum(beyond, 0.0) / half)


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


def from_o_minus_e(o_minus_e: ArrayLike, variance: ArrayLike) -> Converted:
    """Log odds or log hazard ratio from observed minus expected events and their variance.

    Parameters
    ----------
    o_minus_e
        Events observed in the programme's group minus those expected under no effect.
    variance
        Hypergeometric variance of that difference (of a log-rank test summed over times); > 0.

    Returns
    -------
    Converted
        effect = (O - E) / V, se = 1 / sqrt(V): a log hazard ratio if the numbers come from a
        log-rank test, a log Peto odds ratio if from counts. Parmar et al. [1]_, Tierney et al. [2]_,
        Cochrane Handbook 6.8.2, 10.4.2 and 10.9.

    References
    ----------
    .. [1] Parmar, Torri & Stewart (1998), Statistics in Medicine 17:2815-2834.
    .. [2] Tierney et al. (2007), Trials 8:16. doi:10.1186/1745-6215-8-16
    """
    v = np.asarray(variance, dtype=np.float64)
    return Converted(np.asarray(o_minus_e, dtype=np.float64) / v, 1.0 / np.sqrt(v))


def log_peto_odds_ratio(
    events_t: ArrayLike, n_t: ArrayLike, events_c: ArrayLike, n_c: ArrayLike
) -> Converted:
    """Log odds ratio of a 2x2 table by Peto's one-step method.

    Parameters
    ----------
    events_t, n_t, events_c, n_c
        Events and people of the programme's and the comparison group; at least 1 person in each.

    Returns
    -------
    Converted
        `from_o_minus_e` with E = n1 m / N and V = n1 n0 m (N - m) / (N^2 (N - 1)), m events in all;
        Yusuf et al. [1]_, Cochrane Handbook 10.4.2. An empty cell needs no correction; a table in
        which nobody or everybody has the event says nothing and gives NaN.

    References
    ----------
    .. [1] Yusuf, Peto, Lewis, Collins & Sleight (1985), Progress in Cardiovascular Diseases
       27:335-371. doi:10.1016/S0033-0620(85)80003-7
    """
    a, n1, c, n0 = (np.asarray(v, dtype=np.float64) for v in (events_t, n_t, events_c, n_c))
    total, events = n1 + n0, a + c
    variance = n1 * n0 * events * (total - events) / (total**2 * (total - 1))
    informative = np.where(variance > 0, variance, np.nan)
    # (ad - bc) / N is O - E without subtracting like numbers
    return from_o_minus_e((a * (n0 - c) - (n1 - a) * c) / total, informative)


def complementary_log_log(
    events_t: ArrayLike, n_t: ArrayLike, events_c: ArrayLike, n_c: ArrayLike
) -> Converted:
    """Log hazard ratio from the people with an event by the end of one follow-up.

    Under proportional hazards the survivor functions are powers of one another, so that the ratio of
    hazards is the ratio of the logarithms of the shares without an event. Everybody must have been
    followed equally long.

    Parameters
    ----------
    events_t, n_t, events_c, n_c
        People with an event and all people of the programme's and the comparison group.

    Returns
    -------
    Converted
        log(-log(1 - p1)) - log(-log(1 - p0)), Woods et al. [1]_, Perneger [2]_; the variance by the
        delta method, p / (n (1 - p) log(1 - p)^2) for each group, which is the inverse Fisher
        information of a binomial with this link. 0.5 is added to each cell of a table with an empty cell.

    References
    ----------
    .. [1] Woods, Hawkins & Scott (2010), BMC Medical Research Methodology 10:54.
       doi:10.1186/1471-2288-10-54
    .. [2] Perneger (2008), Contemporary Clinical Trials 29:762-766. PMID 18639651
    """
    a, b, c, d = _cells(events_t, n_t, events_c, n_c)
    hazard1, hazard0 = -np.log1p(-a / (a + b)), -np.log1p(-c / (c + d))
    variance = a / (b * (a + b) * hazard1**2) + c / (d * (c + d) * hazard0**2)
    return Converted(np.log(hazard1) - np.log(hazard0), np.sqrt(variance))


def log_rate_ratio(
    events_t: ArrayLike, person_time_t: ArrayLike, events_c: ArrayLike, person_time_c: ArrayLike
) -> Converted:
    """Log rate ratio from events and person-time.

    Parameters
    ----------
    events_t, person_time_t, events_c, person_time_c
        Events (a person may have several) and time at risk of each group, in one unit.

    Returns
    -------
    Converted
        log(a / T1) - log(c / T0), variance 1/a + 1/c; Cochrane Handbook 10.8. Where a group has no
        event, 0.5 is added to the events of both.
    """
    a, c = (np.asarray(v, dtype=np.float64) for v in (events_t, events_c))
    add = np.where((a == 0) | (c == 0), CONTINUITY, 0.0)
    a, c = a + add, c + add
    effect = np.log(a / np.asarray(person_time_t, dtype=np.float64)) - np.log(
        c / np.asarray(person_time_c, dtype=np.float64)
    )
    return Converted(effect, np.sqrt(1 / a + 1 / c))


def rate_difference(
    events_t: ArrayLike, person_time_t: ArrayLike, events_c: ArrayLike, person_time_c: ArrayLike
) -> Converted:
    """Rate difference from events and person-time.

    Parameters
    ----------
    events_t, person_time_t, events_c, person_time_c
        Events (a person may have several) and time at risk of each group, in one unit.

    Returns
    -------
    Converted
        a / T1 - c / T0 per unit of time, variance a / T1^2 + c / T0^2; Cochrane Handbook 10.8. Where
        a group has no event, 0.5 is added to both for the standard error only.
    """
    a, c = (np.asarray(v, dtype=np.float64) for v in (events_t, events_c))
    t1, t0 = (np.asarray(v, dtype=np.float64) for v in (person_time_t, person_time_c))
    add = np.where((a == 0) | (c == 0), CONTINUITY, 0.0)
    return Converted(a / t1 - c / t0, np.sqrt((a + add) / t1**2 + (c + add) / t0**2))


def log_hazard_ratio_of_medians(
    median_t: ArrayLike, events_t: ArrayLike, median_c: ArrayLike, events_c: ArrayLike
) -> Converted:
    """Log hazard ratio from median times to an event, if survival is exponential.

    Parameters
    ----------
    median_t, median_c
        Median time to the event in each group, in one unit; > 0.
    events_t, events_c
        Events of each group; > 0.

    Returns
    -------
    Converted
        effect = log(median_c / median_t), se^2 = (1 / events_t + 1 / events_c) / log(2)^2.

    Notes
    -----
    An exponential hazard is log(2) / median. A sample median has variance 1 / (4 n f^2), f the density
    there [1]_, and log(2)^2 = 0.48 turns that into the variance of its logarithm: a median holds half of
    what the times themselves hold, for which 1/events alone would stand. It is exact where everybody
    has the event; under exponential censoring of half, two thirds or four fifths of the people it is
    1.33, 1.29 or about 0.8 times the true variance. Even so, medians are a poor substitute for
    hazard ratios [2]_.

    References
    ----------
    .. [1] Simes (1987), Statistics in Medicine 6:11-29. doi:10.1002/sim.4780060104
    .. [2] Michiels et al. (2005), International Journal of Technology Assessment in Health Care
       21:119-125. doi:10.1017/S0266462305050154
    """
    d1, d0 = np.asarray(events_t, dtype=np.float64), np.asarray(events_c, dtype=np.float64)
    effect = np.log(np.asarray(median_c, dtype=np.float64)) - np.log(
        np.asarray(median_t, dtype=np.float64)
    )
    return Converted(effect, np.sqrt(1 / d1 + 1 / d0) / np.log(2.0))


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


def log_ratio_of_means(
    mean_t: ArrayLike, se_mean_t: ArrayLike, mean_c: ArrayLike, se_mean_c: ArrayLike
) -> Converted:
    """Log ratio of two independent means.

    Parameters
    ----------
    mean_t, mean_c
        Means in their unit; > 0.
    se_mean_t, se_mean_c
        Standard errors of the means (SD / sqrt(n)).

    Returns
    -------
    Converted
        log(m1 / m0), variance (se1 / m1)^2 + (se0 / m0)^2; Friedrich et al. [1]_.

    References
    ----------
    .. [1] Friedrich, Adhikari & Beyene (2008), BMC Medical Research Methodology 8:32.
       doi:10.1186/1471-2288-8-32
    """
    m1, m0 = np.asarray(mean_t, dtype=np.float64), np.asarray(mean_c, dtype=np.float64)
    se1, se0 = np.asarray(se_mean_t, dtype=np.float64), np.asarray(se_mean_c, dtype=np.float64)
    return Converted(np.log(m1) - np.log(m0), np.hypot(se1 / m1, se0 / m0))
