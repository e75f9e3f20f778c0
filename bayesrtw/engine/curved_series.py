"""Kernels with Hermite series from weighted points, and what the series leave out."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bayesrtw.posterior.kernels import Kernels, blended
from bayesrtw.posterior.series import coefficients

Array = NDArray[np.float64]

#: Scales of kernels that are tried, in SDs, and what a series may leave out before the next one is.
SCALES, SERIES = (1.0, 1.3, 1.6, 2.0), 1e-8
#: The same for effects behind single rows, whose points are a short rule's: tails of their own gain nothing.
ROWS = 1e-4
#: Where the tails begin that get kernels of their own, in SDs of the middle.
AWAY = 6.0
#: Cells of normals: how far apart, in SDs, and how unlike, in logs of variances; and the degree of their
#: series, whose coefficients have then fallen below 1e-8.
APART, UNLIKE, DEGREE = 0.7, 0.2, 16
#: Cells along a mean; a normal of less weight than this has none.
CELLS, TRIFLE = 1 << 20, 1e-13
#: A point with less than this share of the posterior has no kernel.
NEGLIGIBLE = 1e-11


def kernels_of(
    x: Array, share: Array, mass: Array, degree: int, enough: float = SERIES
) -> tuple[Kernels, NDArray[np.intp], float]:
    """Kernels of points with shares, (point, node); whose each is; and what their series leave out.

    Where one kernel a point leaves out more than enough, because a tail is heavy or a second mode lies far
    off, the tails get kernels of their own: smooth windows, which add up to one, divide the shares.
    """
    every = np.arange(len(mass))
    mean, sd, terms, left = _kernel(x, share, mass, degree)
    if left <= enough:
        return Kernels(mass, mean, sd, terms), every, left
    order = np.argsort(x, axis=1)
    upto = np.cumsum(np.take_along_axis(share, order, axis=1), axis=1)
    low, middle, high = (
        np.take_along_axis(
            x,
            np.take_along_axis(
                order, np.argmax(upto >= level * upto[:, -1:], axis=1)[:, None], axis=1
            ),
            axis=1,
        )
        for level in (0.16, 0.5, 0.84)
    )
    unit = np.maximum(0.5 * (high - low), 1e-12 + 0.05 * sd[:, None])
    z = (x - middle) / unit
    below, above = ndtr(-z - AWAY), ndtr(z - AWAY)
    found, points, over = [], [], 0.0
    for window in (1.0 - below - above, below, above):
        part = share * window
        own = np.sum(part, axis=1)
        keep = np.abs(mass * own) > NEGLIGIBLE
        if keep.any():
            some = mass[keep] * own[keep]
            made = _kernel(x[keep], part[keep] / own[keep, None], some, degree)
            found.append(Kernels(some, *made[:3]))
            points.append(every[keep])
            over += made[3] * float(np.sum(some))
    over = over / float(np.sum(mass))
    if over >= left:
        return Kernels(mass, mean, sd, terms), every, left
    return blended(found, [1.0] * len(found)), np.concatenate(points), over


def _kernel(x: Array, share: Array, mass: Array, degree: int) -> tuple[Array, Array, Array, float]:
    """Centres, scales and series of points with shares, (point, node); and what the series leave out.

    A posterior with tails heavier than those of its kernel needs a wider one: each takes the scale under
    which its last coefficients are smallest.
    """
    mean = np.sum(share * x, axis=-1)
    sd = np.sqrt(np.maximum(np.sum(share * (x - mean[:, None]) ** 2, axis=-1), 0.0))
    unit = np.where(sd > 0, sd, 1.0)
    scale, terms = np.ones(len(sd)), np.ones((len(sd), degree + 1))
    left = np.full(len(sd), np.inf)
    # A point without weight may lie as far away as it likes; no power of it may overflow.
    most = 10.0 ** (280.0 / max(degree, 1))
    some = np.arange(len(mean))
    for wide in SCALES:
        z = np.clip((x[some] - mean[some, None]) / (wide * unit[some])[:, None], -most, most)
        new = coefficients(z, share[some], degree)
        over = np.max(np.abs(new[:, -3:]), axis=1) if degree > 2 else np.zeros(len(some))
        better = over < left[some]
        own = some[better]
        scale[own], terms[own], left[own] = wide, new[better], over[better]
        some = np.flatnonzero(left > SERIES)
        if mass @ left <= SERIES * np.sum(mass):
            break
    return mean, scale * sd, terms, float(mass @ left / np.sum(mass))


class ManyNormals:
    """A mixture of very many normals, written as few kernels with series.

    Normals of about one mean and variance, in cells that are laid once for all, become one kernel: the mean
    of the n-th Hermite polynomial under N(m, v) follows from those before it, and such means add up.
    """

    def __init__(self) -> None:
        self._keys: list[NDArray[np.intp]] = []
        self._sums: list[Array] = []

    def add(self, mass: Array, mean: Array, variance: Array) -> None:
        """Add normals, arrays of shapes that broadcast together."""
        some = mass > TRIFLE
        mass, mean, variance = (
            part[some] for part in np.broadcast_arrays(mass, mean, np.maximum(variance, 1e-280))
        )
        wide = np.rint(np.log(variance) / UNLIKE)
        scale = np.exp(0.5 * UNLIKE * wide)
        near = np.rint(mean / (APART * scale))
        assert np.all(np.abs(near) < CELLS // 2)
        # The cells that hold a normal, found without a sort.
        low, left = wide.min(initial=0.0), near.min(initial=0.0)
        across = int(near.max(initial=0.0) - left) + 1
        key = ((wide - low) * across + near - left).astype(np.intp)
        held = np.bincount(key) > 0
        cell, keys = (np.cumsum(held) - 1)[key], np.flatnonzero(held)
        keys = (keys // across + int(low)) * CELLS + keys % across + int(left)
        z, more = mean / scale - APART * near, variance / scale**2 - 1.0
        before, last, sums = np.zeros_like(z), np.ones_like(z), np.empty((DEGREE + 1, len(keys)))
        for n in range(DEGREE + 1):
            sums[n] = np.bincount(cell, mass * last, len(keys))
            root = np.sqrt(float(n))
            before, last = last, (z * last + root * more * before) / np.sqrt(n + 1.0)
        self._keys.append(keys)
        self._sums.append(sums)

    def kernels(self) -> Kernels:
        """Give what was added."""
        keys, place = np.unique(np.concatenate(self._keys), return_inverse=True)
        sums = np.zeros((len(keys), DEGREE + 1))
        np.add.at(sums, place, np.concatenate(self._sums, axis=1).T)
        wide = np.rint(keys / CELLS)
        scale = np.exp(0.5 * UNLIKE * wide)
        mass = sums[:, 0]
        return Kernels(mass, APART * (keys - wide * CELLS) * scale, scale, sums / mass[:, None])
