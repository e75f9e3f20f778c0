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
#: How far normals of one kernel lie apart, in their SDs, and how unlike their variances are, in logs; the
#: highest degree of its series.
APART, UNLIKE, MOST_TERMS = 1.0, 0.3, 32
#: Cells for normals of one point, along either.
CELLS = 40
#: A kernel of less weight may leave out as much more; a normal of less has none.
LIGHT, TRIFLE = 1e-3, 1e-13
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


def of_normals(weight: Array, share: Array, mean: Array, variance: Array) -> Kernels:
    """Write mixtures of normals, shapes (point,) and (point, part), as few kernels with series.

    Normals of a point that lie close together become one kernel: the mean of the n-th Hermite polynomial
    under N(m, v) follows from those before it. Those that no series of moderate degree follows are kept as
    they are.
    """
    each = weight[:, None] * share
    point, part = np.nonzero(each > TRIFLE)
    mass = each[point, part]
    mean, variance = (
        np.broadcast_to(values, each.shape)[point, part] for values in (mean, variance)
    )

    def middle(values: Array, group: NDArray[np.intp], total: Array) -> Array:
        return np.bincount(group, mass * values, len(total)) / np.where(total > 0, total, 1.0)

    total = np.bincount(point, mass, len(weight))
    unit = np.maximum(middle(variance, point, total), 1e-300)[point]
    ahead = (mean - middle(mean, point, total)[point]) / (APART * np.sqrt(unit))
    wider = np.log(np.maximum(variance, 1e-300) / unit) / UNLIKE
    key = point
    for values in (ahead, wider):
        key = key * CELLS + np.rint(np.clip(values, -CELLS // 2, CELLS // 2 - 1)).astype(np.intp)
    # The cells that hold a normal, without a sort.
    key -= key.min(initial=0)
    place = np.cumsum(np.bincount(key) > 0) - 1
    group = place[key]
    own = np.bincount(group, mass)
    centre, scale = (
        middle(mean, group, own),
        np.sqrt(np.maximum(middle(variance, group, own), 1e-300)),
    )
    z, more = (mean - centre[group]) / scale[group], variance / scale[group] ** 2 - 1.0
    before, last, terms = np.zeros_like(z), np.ones_like(z), [np.ones(len(own))]
    allowed = SERIES * np.maximum(own, LIGHT)
    for n in range(MOST_TERMS):
        root = np.sqrt(float(n))
        before, last = last, (z * last + root * more * before) / np.sqrt(n + 1.0)
        terms.append(middle(last, group, own))
        if n % 4 == 3 and np.all(own * np.max(np.abs(terms[-3:]), axis=0) <= allowed):
            break
    series = np.stack(terms, axis=1)
    good = own * np.max(np.abs(series[:, -3:]), axis=1) <= allowed
    alone = ~good[group]
    plain = np.zeros((int(alone.sum()), series.shape[1]))
    plain[:, 0] = 1.0
    return Kernels(
        np.concatenate([own[good], mass[alone]]),
        np.concatenate([centre[good], mean[alone]]),
        np.concatenate([scale[good], np.sqrt(np.maximum(variance[alone], 1e-300))]),
        np.concatenate([series[good], plain]),
    )
