"""What a selection adds to the density of rows that are seen together, given the coefficients.

Rows of a group share an effect, and each is seen by its own result: a group is seen as it is with the
probability that all its rows are, over its effect. The weights of what was reported do not depend on it, so
that only the normalising integral is over the effect, by the trapezium rule.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bayesrtw.model.selection import Thinning

Array = NDArray[np.float64]
Index = NDArray[np.intp]

LOG_2PI = np.log(2.0 * np.pi)

#: Reach of a group's effect in its own SDs, and how many nodes are laid within it. The trapezium rule for a
#: normal times steps whose widths are 1 / r_i SDs is off by exp(-2 pi^2 / (h^2 (1 + sum r_i^2))) at a step h.
REACH, COUNTS, RIGHT = 6.5, (15, 23, 35, 53, 81, 121, 181), 1e-9
#: Most numbers in one array.
AT_ONCE = 100_000


def of_groups(
    thinning: Thinning,
    mean: Array,
    variance: Array,
    rows: Index,
    at: Mapping[str, Array],
    group: Index,
    sd: Array,
    se: Array,
) -> Array:
    """Add up the log factors of groups.

    `mean`, `variance`, `sd` (point, ..., row); `rows`, `group`, `se` (row,); gives (point, ...).
    """
    _, group, size = np.unique(group, return_inverse=True, return_counts=True)
    single = size[group] == 1
    variance = np.broadcast_to(variance, mean.shape)
    wide = (variance + sd**2)[..., single]
    found = np.sum(thinning.log_factor(mean[..., single], wide, rows[single], at), axis=-1)
    for place in np.flatnonzero(size > 1):
        own = np.flatnonzero(group == place)
        spread = np.broadcast_to(sd, mean.shape)[..., own]
        scatter = variance[..., own] + se[own] ** 2
        wanted = nodes_needed(
            np.max(np.sum(spread**2 / scatter, axis=-1), axis=tuple(range(1, mean.ndim - 1)))
        )
        for count in np.unique(wanted):
            here = np.flatnonzero(wanted == count)
            some = {name: value[here] if len(value) > 1 else value for name, value in at.items()}
            total = np.zeros((len(here), *mean.shape[1:-1]))
            centre, wide, apart = mean[here][..., own], spread[here], variance[here][..., own]
            z, weight = normal_rule(int(count))
            step = max(1, AT_ONCE // max(centre.size, 1))
            for first in range(0, len(z), step):
                cut = slice(first, first + step)
                lead = (-1, *(1,) * centre.ndim)
                moved = centre + z[cut].reshape(lead) * wide
                each = thinning.log_factor(moved, apart, rows[own], some)
                total += np.tensordot(weight[cut], np.exp(-np.sum(each, axis=-1)), axes=1)
            found[here] -= np.log(total)
    return np.asarray(found)


def nodes_needed(sharp: Array) -> Index:
    """Say how many nodes follow steps of so many squared SDs, shape (point,)."""
    step = np.pi * np.sqrt(-2.0 / (np.log(RIGHT) * (1.0 + sharp)))
    counts = np.array(COUNTS)
    place = np.minimum(np.searchsorted(counts, 2.0 * REACH / step), len(counts) - 1)
    return np.asarray(counts[place])


@cache
def normal_rule(count: int) -> tuple[Array, Array]:
    """Nodes of a standard normal and their weights."""
    z = np.linspace(-REACH, REACH, count)
    weight = np.exp(-0.5 * z * z)
    return z, weight / weight.sum()


def together(residual: Array, variance: Array, group: Index, sd: Array) -> Array:
    """Log density of normal rows whose groups share a normal effect.

    `residual`, `variance`, `sd` (..., row); `group` (row,); gives (...).
    """
    _, first, of = np.unique(group, return_index=True, return_inverse=True)
    member = np.zeros((len(group), len(first)))
    member[np.arange(len(group)), of] = 1.0
    weight = 1.0 / variance
    precision = weight @ member
    pull = (weight * residual) @ member
    shared = sd[..., first] ** 2
    grown = 1.0 + shared * precision
    log = -0.5 * np.sum(residual**2 * weight + np.log(variance) + LOG_2PI, axis=-1)
    return np.asarray(log + 0.5 * np.sum(shared * pull**2 / grown - np.log(grown), axis=-1))
