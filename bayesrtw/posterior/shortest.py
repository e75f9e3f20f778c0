"""Shortest intervals of continuous distributions, many at once.

The shortest interval of probability c starts at the quantile of p that minimises Q(p + c) - Q(p); inside
the range of p that is where both ends have the same density, so that for a unimodal distribution it is the
highest-density interval. A distribution whose density is highest at the end of its support has the end
as one end of the interval.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import ConvergenceError

Array = NDArray[np.float64]

#: Shares of 1 - c that a first look takes for p; its best is between its neighbours. Between 0 and the
#: first share the search goes on with p itself, so that the tail of a skewed distribution is found.
LOOK = np.array(
    [0.0, 1e-6, 1e-3, 0.02, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.98, 0.999, 1 - 1e-6, 1.0]
)
#: Most steps of the search; halving alone needs 45 for the precision.
STEPS = 100
#: Error in p, and in the log of the ratio of densities, at which an interval is done.
PRECISION = 1e-14
EVEN = 1e-11


def shortest(
    quantile: Callable[[Array], Array],
    log_density: Callable[[Array], Array],
    probability: float,
    ends: tuple[Array, Array],
) -> tuple[Array, Array]:
    """Find shortest intervals.

    `quantile`, `log_density`, `ends` (quantity,); gives (quantity,).

    References
    ----------
    .. [1] Chen & Shao (1999), JCGS 8:69-92. doi:10.1080/10618600.1999.10474802
    """
    rest = 1.0 - probability

    def at(p: Array) -> tuple[Array, Array]:
        inside = np.clip(p, 1e-15, rest - 1e-15)
        low = np.where(p <= 0, ends[0], quantile(inside))
        high = np.where(p >= rest, ends[1], quantile(inside + probability))
        return low, high

    shares = LOOK * rest
    found = [at(np.full(ends[0].shape, share)) for share in shares]
    with np.errstate(invalid="ignore"):
        width = np.stack([high - low for low, high in found])
    best = np.argmin(np.where(np.isnan(width), np.inf, width), axis=0)
    left, right = shares[np.maximum(best - 1, 0)], shares[np.minimum(best + 1, len(shares) - 1)]

    def slope(p: Array) -> Array:
        """Log ratio of the densities at the ends: positive where p is too small."""
        low, high = at(p)
        with np.errstate(invalid="ignore"):
            ratio = log_density(high) - log_density(low)
        # Beyond the support, and where both are nil, the other end decides.
        return np.where(np.isnan(ratio), np.where(p <= 0, 1.0, -1.0), ratio)

    return at(_root(slope, left, right))


def _root(slope: Callable[[Array], Array], left: Array, right: Array) -> Array:
    """Close in on where falling functions vanish (Illinois steps); an end where they do not."""
    at_left, at_right = (np.clip(slope(p), -1e3, 1e3) for p in (left, right))
    p = np.where(at_left <= 0, left, right)
    done = (at_left <= 0) | (at_right >= 0)
    kept = np.zeros(p.shape)
    for step in range(STEPS):
        if np.all(done):
            return np.asarray(p)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = (left * at_right - right * at_left) / (at_right - at_left)
        # Every third step halves, so that a steep function cannot stall the search.
        new = np.where((step % 3 == 2) | ~(new > left) | ~(new < right), 0.5 * (left + right), new)
        p = np.where(done, p, new)
        seen = np.clip(slope(p), -1e3, 1e3)
        low = seen > 0
        # The end that stays twice in a row loses half its weight (Illinois).
        at_right = np.where(low, np.where(kept > 0, 0.5 * at_right, at_right), seen)
        at_left = np.where(low, seen, np.where(kept < 0, 0.5 * at_left, at_left))
        left, right = np.where(low, p, left), np.where(low, right, p)
        kept = np.where(low, 1.0, -1.0)
        done = done | (np.abs(seen) <= EVEN) | (right - left <= PRECISION)
    raise ConvergenceError("a shortest interval could not be found.")
