"""Chebyshev series: from values at their points to coefficients, and sums of many at once."""

from itertools import product

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Numbers of one array of a recurrence.
CACHED = 20_000


def transform(degree: int) -> Array:
    """Give the matrix from values at Chebyshev's points to coefficients, shape (degree + 1, point)."""
    x = chebyshev.chebpts1(degree + 1)
    found = chebyshev.chebvander(x, degree).T * (2.0 / (degree + 1))
    found[0] *= 0.5
    return np.asarray(found)


def summed(series: Array, z: Array) -> Array:
    """Sum Chebyshev series by Clenshaw's recurrence, some points at a time so that they stay in the cache."""
    found = np.empty(z.shape)
    wide = max(1, CACHED // max(z.shape[2], 1))
    step = max(1, wide // max(z.shape[1], 1))
    for start, first in product(range(0, len(z), step), range(0, z.shape[1], wide)):
        cut = slice(start, start + step), slice(first, first + wide)
        at, own = z[cut], series[:, cut[0]]
        twice = 2.0 * at
        later, last, spare = np.zeros(at.shape), np.empty(at.shape), np.empty(at.shape)
        last[...] = own[-1]
        for each in own[-2:0:-1]:
            np.multiply(twice, last, out=spare)
            spare -= later
            spare += each
            later, last, spare = last, spare, later
        np.multiply(at, last, out=spare)
        spare -= later
        np.add(spare, own[0], out=found[cut])
    return found
