"""What papers print instead of means, SDs and counts, turned into means, SDs and counts.

`bayesrtw.evidence.convert` goes on from there. Every function works on arrays of equal shape; the Cochrane
Handbook is version 6 (2023), https://training.cochrane.org/handbook.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri


class MeanSD(NamedTuple):
    """A mean and a standard deviation, in the unit of the values, of equal shape."""

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]


class Table2x2(NamedTuple):
    """Events and people of the programme's and the comparison group, of equal shape; not rounded."""

    events_t: NDArray[np.float64]
    n_t: NDArray[np.float64]
    events_c: NDArray[np.float64]
    n_c: NDArray[np.float64]


#: A negative discriminant is rounding, not a contradiction, down to this share of its terms: the
#: terms carry a few units of 2.2e-16 each.
ROUNDING = 1e-14


def mean_and_sd(
    median: ArrayLike,
    n: ArrayLike,
    *,
    minimum: ArrayLike = np.nan,
    q1: ArrayLike = np.nan,
    q3: ArrayLike = np.nan,
    maximum: ArrayLike = np.nan,
) -> MeanSD:
    """Mean and SD of normal values from their median with quartiles, range or both.

    Notes
    -----
    SD / sqrt(n) understates the standard error of such a mean: for normal values its variance is
    1.16 times SD^2 / n from quartiles, and near that of the median, 1.57 times, from a range of many.

    References
    ----------
    .. [1] Luo, Wan, Liu & Tong (2018), Statistical Methods in Medical Research 27:1785-1805.
       doi:10.1177/0962280216669183
    .. [2] Wan, Wang, Liu & Tong (2014), BMC Medical Research Methodology 14:135.
       doi:10.1186/1471-2288-14-135
    """
    a, b, m, c, d, size = (
        np.asarray(v, dtype=np.float64) for v in (minimum, q1, median, q3, maximum, n)
    )
    range_sd = (d - a) / (2 * ndtri((size - 0.375) / (size + 0.25)))
    quartile_sd = (c - b) / (2 * ndtri((0.75 * size - 0.125) / (size + 0.25)))
    middle, ends = (b + c) / 2, (a + d) / 2
    w = 4 / (4 + size**0.75)
    from_range = w * ends + (1 - w) * m
    w = 0.7 + 0.39 / size
    from_quartiles = w * middle + (1 - w) * m
    w1, w2 = 2.2 / (2.2 + size**0.75), 0.7 - 0.72 / size**0.55
    from_both = w1 * ends + w2 * middle + (1 - w1 - w2) * m
    mean = _first(from_both, from_quartiles, from_range)
    return MeanSD(mean, _first((range_sd + quartile_sd) / 2, quartile_sd, range_sd))


def skewness(
    median: ArrayLike,
    n: ArrayLike,
    *,
    minimum: ArrayLike = np.nan,
    q1: ArrayLike = np.nan,
    q3: ArrayLike = np.nan,
    maximum: ArrayLike = np.nan,
) -> NDArray[np.float64]:
    """Skewness shown by a median in its quartiles or range, over the value that says "not normal".

    References
    ----------
    .. [1] Shi et al. (2023), Statistical Methods in Medical Research 32:1338-1360.
       doi:10.1177/09622802231172043
    """
    a, b, m, c, d, size = (
        np.asarray(v, dtype=np.float64) for v in (minimum, q1, median, q3, maximum, n)
    )
    ends, middle = np.abs(a + d - 2 * m) / (d - a), np.abs(b + c - 2 * m) / (c - b)
    from_range = ends / (1 / np.log(size + 9) + 2.5 / (size + 1))
    from_quartiles = middle / (2.65 / np.sqrt(size) - 6 / size**2)
    scaled = 2.65 * np.log(0.6 * size) / np.sqrt(size) * ends
    from_both = np.maximum(scaled, middle) / (3 / np.sqrt(size) - 40 / size**3)
    return _first(from_both, from_quartiles, from_range)


def _first(*choices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take, element by element, the first choice that is there."""
    found = choices[0]
    for choice in choices[1:]:
        found = np.where(np.isnan(found), choice, found)
    return np.asarray(found)


def sd_of_change(
    sd_baseline: ArrayLike, sd_final: ArrayLike, correlation: ArrayLike
) -> NDArray[np.float64]:
    """SD of changes from the SDs before and after."""
    s0, s1 = np.asarray(sd_baseline, dtype=np.float64), np.asarray(sd_final, dtype=np.float64)
    r = np.asarray(correlation, dtype=np.float64)
    # the difference of the SDs is squared apart, so that r near 1 does not cancel
    return np.sqrt((s0 - s1) ** 2 + 2 * (1 - r) * s0 * s1)


def correlation_of_change(
    sd_baseline: ArrayLike, sd_final: ArrayLike, sd_change: ArrayLike
) -> NDArray[np.float64]:
    """Correlation of values before and after from the three SDs of a group."""
    s0, s1 = np.asarray(sd_baseline, dtype=np.float64), np.asarray(sd_final, dtype=np.float64)
    change = np.asarray(sd_change, dtype=np.float64)
    return (s0**2 + s1**2 - change**2) / (2 * s0 * s1)


def table_from_margins(
    n_t: ArrayLike, n_c: ArrayLike, events: ArrayLike, odds_ratio: ArrayLike
) -> Table2x2:
    """2x2 table with given margins and odds ratio.

    Notes
    -----
    Of the two ways to write that root the one without a difference of like numbers is taken.
    """
    n1, n0, m, ratio = (np.asarray(v, dtype=np.float64) for v in (n_t, n_c, events, odds_ratio))
    square, linear, constant = 1 - ratio, n0 - m + ratio * (n1 + m), ratio * n1 * m
    root = np.sqrt(np.maximum(linear**2 + 4 * square * constant, 0.0))
    steady = linear >= 0
    divisor = np.where(steady & (linear + root > 0), linear + root, 1.0)
    leading = np.where(steady, 1.0, square)
    a = np.where(steady, 2 * constant / divisor, (root - linear) / (2 * leading))
    a = np.clip(a, np.maximum(0.0, m - n0), np.minimum(n1, m))
    return Table2x2(a, n1, m - a, n0)


def tables_from_odds_ratio(
    n_t: ArrayLike, n_c: ArrayLike, odds_ratio: ArrayLike, se: ArrayLike
) -> tuple[Table2x2, Table2x2]:
    """Both 2x2 tables that have the given groups, odds ratio and standard error.

    Notes
    -----
    With o the odds in the comparison group, 1/a + 1/b + 1/c + 1/d = se^2 is
    (OR / n1 + 1 / n0) o^2 + (2 / n1 + 2 / n0 - se^2) o + 1 / (n1 OR) + 1 / n0 = 0. Rounding of what is
    printed weighs on the counts, the more so near a risk of one half [2]_.

    References
    ----------
    .. [1] Di Pietrantonj (2006), Statistics in Medicine 25:2299-2322. doi:10.1002/sim.2287
    .. [2] Veroniki et al. (2013), Research Synthesis Methods 4:78-94. doi:10.1002/jrsm.1061
    """
    n1, n0, ratio, s = (np.asarray(v, dtype=np.float64) for v in (n_t, n_c, odds_ratio, se))
    square, constant = ratio / n1 + 1 / n0, 1 / (n1 * ratio) + 1 / n0
    linear = s**2 - 2 / n1 - 2 / n0
    inside = linear**2 - 4 * square * constant
    solvable = (linear > 0) & (inside > -ROUNDING * linear**2)
    root = np.sqrt(np.where(solvable, np.maximum(inside, 0.0), np.nan))
    rare, common = 2 * constant / (linear + root), (linear + root) / (2 * square)
    return _table(rare, ratio, n1, n0), _table(common, ratio, n1, n0)


def _table(
    odds: NDArray[np.float64],
    ratio: NDArray[np.float64],
    n1: NDArray[np.float64],
    n0: NDArray[np.float64],
) -> Table2x2:
    odds1 = ratio * odds
    return Table2x2(n1 * odds1 / (1 + odds1), n1, n0 * odds / (1 + odds), n0)
