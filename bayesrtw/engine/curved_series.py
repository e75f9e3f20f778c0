"""Kernels with Hermite series from weighted points, and what the series leave out."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from bayesrtw.posterior.kernels import Kernels, blended
from bayesrtw.posterior.series import coefficients

Array = NDArray[np.float64]

#: Scales of kernels that are tried, in SDs, and what a series may leave out before the next one is.
SCALES, SERIES = (1.0, 1.3, 1.6, 2.0), 1e-8
#: Where the tails begin that get kernels of their own, in SDs of the middle.
AWAY = 6.0
#: A point with less than this share of the posterior has no kernel.
NEGLIGIBLE = 1e-11


def kernels_of(
    x: Array, share: Array, mass: Array, degree: int
) -> tuple[Kernels, NDArray[np.intp], float]:
    """Kernels of points with shares, (point, node); whose each is; and what their series leave out.

    Where one kernel a point does not do, because a tail is heavy or a second mode lies far off, the tails get
    kernels of their own: smooth windows, which add up to one, divide the shares.
    """
    every = np.arange(len(mass))
    mean, sd, terms, left = _kernel(x, share, mass, degree)
    if left <= SERIES:
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
    for wide in SCALES:
        z = np.clip((x - mean[:, None]) / (wide * unit)[:, None], -most, most)
        new = coefficients(z, share, degree)
        over = np.max(np.abs(new[:, -3:]), axis=1) if degree > 2 else np.zeros(len(sd))
        better = over < left
        scale[better], terms[better], left[better] = wide, new[better], over[better]
        if mass @ left <= SERIES * np.sum(mass):
            break
    return mean, scale * sd, terms, float(mass @ left / np.sum(mass))
