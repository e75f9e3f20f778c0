"""Uniformity of ranks: exact simultaneous bands for a distribution function, and P values.

The empirical distribution function of N independent uniform values is looked at in K - 1 equidistant
points. In each its count is binomial, and a band takes the central part of every binomial distribution
that leaves out the same share gamma; gamma is as large as it can be with the wanted probability that the
whole function stays inside (Saeilynoja, Buerkner & Vehtari 2022, *Statistics and Computing* 32:32,
doi:10.1007/s11222-022-10090-6). That probability is computed, not simulated: the counts are a Poisson
walk that ends at N, whose distribution is carried from point to point inside the band (Moscovich & Nadler
2017, *Statistics & Probability Letters* 123:177-182, doi:10.1016/j.spl.2016.11.027). So levels such as
1 - 0.05/500 are as easy as 95 %.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

#: Most points in which a distribution function is looked at. Between two of them at 10,000 values lies
#: a tenth of a per cent, a fifth of the standard error in the middle.
MOST_POINTS = 1_000

#: A Poisson step is at most its mean plus this many SDs plus `LONGEST`: beyond is less than 1e-25.
SPREADS = 12.0
LONGEST = 40

#: Halvings of the range of log gamma: gamma is found to 1e-6 of itself.
HALVINGS = 25

#: A count is beyond a bound also where rounding alone would put it inside.
TIES = 1e-9


def stays(lower: Counts, upper: Counts, count: int) -> float:
    """Probability that the counts of uniform values stay inside bounds: `lower`, `upper` (point,)."""
    from scipy import stats  # noqa: PLC0415 - half a second, which most commands do not need

    if np.any(lower > upper):
        return 0.0
    points = len(lower) + 1
    mean = count / points
    longest = int(mean + SPREADS * np.sqrt(mean)) + LONGEST
    step = stats.poisson.pmf(np.arange(min(longest, count) + 1), mean)
    state, base = np.ones(1), 0
    for low, high in zip(lower.tolist(), upper.tolist(), strict=True):
        grown = np.convolve(state, step)
        # The next state runs over low .. high; what the walk cannot reach has probability 0.
        state = np.zeros(high - low + 1)
        first, last = max(low, base), min(high, base + len(grown) - 1)
        if last < first:
            return 0.0
        state[first - low : last - low + 1] = grown[first - base : last - base + 1]
        base = low
    rest = count - base - np.arange(len(state))
    reached = np.where((rest >= 0) & (rest < len(step)), step[np.clip(rest, 0, len(step) - 1)], 0.0)
    return min(1.0, float(state @ reached) / float(stats.poisson.pmf(count, count)))


def bounds(count: int, points: int, gamma: float) -> tuple[Counts, Counts]:
    """Bounds of the counts that leave out a share of every binomial distribution: gives (point,)."""
    from scipy import stats  # noqa: PLC0415 - half a second, which most commands do not need

    places = np.arange(1, points) / points
    share = min(0.5, 0.5 * gamma * (1.0 + TIES))
    lower = np.asarray(stats.binom.ppf(share, count, places)).astype(np.int64)
    # Counts above a point are those below its mirror image.
    return lower, count - lower[::-1]


@lru_cache(maxsize=256)
def share_outside(count: int, points: int, level: float) -> float:
    """Share gamma that a band leaves out at each point so that it holds everywhere together."""
    low, high = np.log((1.0 - level) / points), np.log(1.0 - level)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if stays(*bounds(count, points, float(np.exp(middle))), count) >= level:
            low = middle
        else:
            high = middle
    return float(np.exp(low))


def look(values: Array, cells: int = 0) -> tuple[int, Counts]:
    """Count values up to equidistant points: `values` (replicate,)."""
    points = cells or min(len(values), MOST_POINTS)
    places = np.arange(1, points) / points
    # Ranks are multiples of 1 / cells: half a cell keeps rounding out of the comparison.
    edge = places + (0.5 / cells if cells else 0.0)
    return points, np.searchsorted(np.sort(values), edge, side="right").astype(np.int64)


def p_value(values: Array, cells: int = 0) -> float:
    """Probability that uniform values leave narrower bands than these do."""
    from scipy import stats  # noqa: PLC0415 - half a second, which most commands do not need

    count = len(values)
    points, counts = look(values, cells)
    places = np.arange(1, points) / points
    below = stats.binom.cdf(counts, count, places)
    above = stats.binom.cdf(count - counts, count, 1.0 - places)
    gamma = 2.0 * min(0.5, float(np.min(below)), float(np.min(above)))
    return float(max(0.0, 1.0 - stays(*bounds(count, points, gamma), count)))


def band(count: int, points: int, level: float) -> tuple[Array, Array, Array]:
    """Simultaneous band of the empirical distribution function of uniform values.

    Parameters
    ----------
    count, points, level
        As in `share_outside`.

    Returns
    -------
    tuple of ndarray, shape (point + 2,)
        Places 0, 1/K, ..., 1 and the lower and upper end there.
    """
    lower, upper = bounds(count, points, share_outside(count, points, level))
    places = np.arange(points + 1) / points
    ends = np.array([0.0]), np.array([1.0])
    return (
        places,
        np.concatenate([ends[0], lower / count, ends[1]]),
        np.concatenate([ends[0], upper / count, ends[1]]),
    )


def excess(values: Array, level: float, cells: int = 0) -> float:
    """How far values leave a band.

    Parameters
    ----------
    values, cells
        As in `look`.
    level
        Of the band, in (0, 1).

    Returns
    -------
    float
        Largest distance of their distribution function from the band, as a probability; 0 inside.
    """
    count = len(values)
    points, counts = look(values, cells)
    lower, upper = bounds(count, points, share_outside(count, points, level))
    return float(max(0, np.max(lower - counts), np.max(counts - upper)) / count)
