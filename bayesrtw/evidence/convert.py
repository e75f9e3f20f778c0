"""Reported numbers to an effect and its standard error on the analysis scale.

Every function works on arrays of equal shape and names its equation. Equation numbers of Borenstein
et al. are those of *Introduction to Meta-Analysis* (2009), doi:10.1002/9780470743386; the Cochrane
Handbook is version 6 (2023), https://training.cochrane.org/handbook. Medians, change scores and
incomplete tables first pass through `bayesrtw.evidence.summaries`.

Quantiles of the normal distribution are SciPy's. The rest is written out here: PyMARE converts only
means and correlations, `scipy.stats.contingency` works on one table and gives no standard error, and
statsmodels' four formulas for risks, with which these agree, are too few for a dependency.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from bayesrtw.evidence.groups import (
    CONTINUITY,
    OF_GROUP,
    Array,
    Converted,
    contrast,
    corrected,
    exact_j,
    floats,
    found_of,
    log_hazard_of_median,
    of_counts,
)
from bayesrtw.evidence.measure import Measure


def normal_quantile(ci_level: ArrayLike) -> NDArray[np.float64]:
    """Half-width of a central normal interval in standard errors."""
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
    """Distance of an estimate from the centre of its interval, in half-widths."""
    x, a, b, off = (np.asarray(v, dtype=np.float64) for v in (estimate, low, high, rounding))
    centre_low = (measure.forward(a - off) + measure.forward(b - off)) / 2.0
    centre_high = (measure.forward(a + off) + measure.forward(b + off)) / 2.0
    beyond = np.maximum(
        measure.forward(x - off) - centre_high, centre_low - measure.forward(x + off)
    )
    half = (measure.forward(b) - measure.forward(a)) / 2.0
    return np.asarray(np.maximum(beyond, 0.0) / half)


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
        Borenstein 5.1 to 5.3, with `corrected` cells; NaN without any event, Cochrane Handbook 10.4.4.
    """
    return of_counts("log_risk_ratio", events_t, n_t, events_c, n_c, all_say_nothing=False)


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
        Borenstein 5.8 to 5.10, with `corrected` cells; NaN where nobody or everybody has the event.
    """
    return of_counts("log_odds_ratio", events_t, n_t, events_c, n_c)


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
        Borenstein 5.15 and 5.16. `corrected` cells enter the standard error only.
    """
    a, n1, c, n0 = floats(events_t, n_t, events_c, n_c)
    ac, n1c, cc, n0c = corrected(a, n1, c, n0)
    return Converted(
        a / n1 - c / n0, contrast(OF_GROUP["risk_difference"], (ac, n1c), (cc, n0c)).se
    )


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
        information of a binomial with this link. Cells are `corrected`; NaN where nobody or everybody has
        the event.

    References
    ----------
    .. [1] Woods, Hawkins & Scott (2010), BMC Medical Research Methodology 10:54.
       doi:10.1186/1471-2288-10-54
    .. [2] Perneger (2008), Contemporary Clinical Trials 29:762-766. PMID 18639651
    """
    return of_counts("log_hazard_ratio", events_t, n_t, events_c, n_c)


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
        event, 0.5 is added to the events of both; NaN where both have none.
    """
    a, c = floats(events_t, events_c)
    add = np.where((a == 0) | (c == 0), CONTINUITY, 0.0)
    found = contrast(OF_GROUP["log_rate_ratio"], (a + add, person_time_t), (c + add, person_time_c))
    return Converted(*(np.where((a == 0) & (c == 0), np.nan, part) for part in found))


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
    a, t1, c, t0 = floats(events_t, person_time_t, events_c, person_time_c)
    add = np.where((a == 0) | (c == 0), CONTINUITY, 0.0)
    return Converted(
        a / t1 - c / t0, contrast(OF_GROUP["rate_difference"], (a + add, t1), (c + add, t0)).se
    )


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
    return contrast(log_hazard_of_median, (median_t, events_t), (median_c, events_c))


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
    return contrast(OF_GROUP["mean_difference"], (mean_t, se_mean_t), (mean_c, se_mean_c))


def standardised_mean_difference(
    mean_t: ArrayLike,
    sd_t: ArrayLike,
    n_t: ArrayLike,
    mean_c: ArrayLike,
    sd_c: ArrayLike,
    n_c: ArrayLike,
) -> Converted:
    """Hedges' g, with the variance of RevMan.

    Parameters
    ----------
    mean_t, sd_t, n_t, mean_c, sd_c, n_c
        Mean, SD and people of each group.

    Returns
    -------
    Converted
        g = J d with the `exact_j`, Borenstein 4.18 to 4.23; se^2 = N / (n1 n0) + g^2 / (2 (N - 3.94)),
        Deeks & Higgins, *Statistical algorithms in Review Manager 5* (2010), continuous outcomes.
    """
    m1, s1, n1, m0, s0, n0 = floats(mean_t, sd_t, n_t, mean_c, sd_c, n_c)
    total = n1 + n0
    pooled = np.sqrt(((n1 - 1) * s1**2 + (n0 - 1) * s0**2) / (total - 2))
    g = (m1 - m0) / pooled * exact_j(total - 2)
    return found_of(g, total / (n1 * n0) + g**2 / (2 * (total - 3.94)))


def se_of_standardised(d: ArrayLike, n_t: ArrayLike, n_c: ArrayLike) -> Array:
    """Give the standard error of a standardised mean difference printed without one."""
    size, n1, n0 = floats(d, n_t, n_c)
    return np.asarray(np.sqrt(1 / n1 + 1 / n0 + size**2 / (2 * (n1 + n0))))


def standardised_of_t(t_value: ArrayLike, n_t: ArrayLike, n_c: ArrayLike) -> Converted:
    """Hedges' g from the t of a test between two groups.

    Parameters
    ----------
    t_value
        With its sign.
    n_t, n_c
        People of each group.

    Returns
    -------
    Converted
        g = J t sqrt(1 / n1 + 1 / n0), variance as in `standardised_mean_difference`.
    """
    t, n1, n0 = floats(t_value, n_t, n_c)
    return standardised_mean_difference(t * np.sqrt(1 / n1 + 1 / n0), 1.0, n1, 0.0, 1.0, n0)


def z_correlation(r: ArrayLike, n: ArrayLike) -> Converted:
    """Fisher's z of a correlation.

    Parameters
    ----------
    r
        Pearson's correlation, between -1 and 1.
    n
        People; > 3.

    Returns
    -------
    Converted
        artanh(r), variance 1 / (n - 3); Borenstein 6.2 and 6.3.
    """
    coefficient, size = floats(r, n)
    return found_of(np.arctanh(coefficient), 1 / np.where(size > 3, size - 3, np.nan))


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
    return contrast(OF_GROUP["log_ratio_of_means"], (mean_t, se_mean_t), (mean_c, se_mean_c))
