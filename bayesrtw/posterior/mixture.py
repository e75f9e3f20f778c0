"""Finite mixtures of normals: moments, distribution functions and quantiles, many at once.

The first axis runs over the components (nodes), the second over quantities or problems. Weights are
shared by all of them, shape (node,), or each its own, shape (node, quantity).

A normal distribution function costs twenty exponentials, and an exponential gives all derivatives of a
mixture at a point (Hermite polynomials). Quantiles are therefore roots of Taylor polynomials around one or
two points: the remainder is bounded, and what is not settled so is bracketed and halved.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from bayesrtw.errors import ConvergenceError

Array = NDArray[np.float64]

#: Components with less weight than this do not move a quantile at double precision.
NEGLIGIBLE = 1e-14
#: Most steps; halving alone needs about 110 from 1e17 times the scale of a quantile.
STEPS = 200
#: Density of the standard normal at 0.
ROOT = 1.0 / math.sqrt(2.0 * math.pi)
#: Error in probability at which a quantile is done.
PRECISION = 2e-15
#: Terms of a Taylor polynomial around a quantile's own point, and around one that many share. A third of
#: a component's SD away the rest is below 1e-6 and 1e-16.
OWN, SHARED = 6, 16
#: Quantiles of one mixture that are found each by itself, and that one serves of more.
FEW = 16
#: Share of a mixture that shows about where its quantiles are.
MOSTLY = 0.999
#: Points that are tried for one quantile before it is bracketed.
POINTS = 6
#: Numbers in one intermediate array: it stays in the cache.
AT_ONCE = 16_384
#: Newton steps on a polynomial, and a step in SDs after which the next would change nothing.
ROUNDS, SETTLED = 12, 1e-9
#: Furthest that a polynomial is believed, in SDs of the mixture; beyond, one Newton step goes as far.
REACH = 1.0


def _sum(weight: Array, values: Array) -> Array:
    """Sum over components, with shared or own weights."""
    return np.asarray(weight @ values if weight.ndim == 1 else np.sum(weight * values, axis=0))


def moments(weight: Array, mean: Array, sd: Array) -> tuple[Array, Array]:
    """Mean and SD of mixtures: `weight` (node,); `mean`, `sd` (node, quantity); gives (quantity,)."""
    centre = _sum(weight, mean)
    return centre, np.sqrt(_sum(weight, sd**2 + (mean - centre) ** 2))


def cdf(x: Array, weight: Array, mean: Array, sd: Array) -> Array:
    """Distribution function of mixtures.

    `x` (quantity,); `weight` (node,); `mean`, `sd` (node, quantity); gives (quantity,).
    """
    return _sum(weight, ndtr(_standardised(x, mean, sd)))


def sf(x: Array, weight: Array, mean: Array, sd: Array) -> Array:
    """Upper tails of mixtures: one minus the distribution function, without its cancellation.

    gives (quantity,).
    """
    return _sum(weight, ndtr(-_standardised(x, mean, sd)))


def _standardised(x: Array, mean: Array, sd: Array) -> Array:
    """Distance from each component in its SDs; a component with sd 0 is a point."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sd > 0, (x - mean) / sd, np.where(x >= mean, math.inf, -math.inf))


def log_density(x: Array, weight: Array, mean: Array, sd: Array) -> Array:
    """Log density of mixtures.

    `x` (quantity,); `weight` (node,); `mean`, `sd` (node, quantity); gives (quantity,).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (x - mean) / sd
        each = np.where(sd > 0, -0.5 * z**2 - np.log(sd), -math.inf)
        peak = np.max(each, axis=0)
        base = np.where(np.isfinite(peak), peak, 0.0)
        found = np.log(_sum(weight, np.exp(each - base)))
    return np.asarray(found + base - 0.5 * math.log(2.0 * math.pi))


def quantile(q: float | Array, weight: Array, mean: Array, sd: Array) -> Array:
    """Quantile of mixtures.

    `q` (quantity,); `weight` (node,); `mean`, `sd` (node, quantity); gives (quantity,).
    """
    if weight.ndim == 1:
        keep = weight > NEGLIGIBLE
        weight, mean, sd = weight[keep] / weight[keep].sum(), mean[keep], sd[keep]
    count = mean.shape[1]
    level = np.broadcast_to(np.asarray(q, dtype=np.float64), (count,))
    middle, spread = moments(weight, mean, sd)
    found = middle + spread * ndtri(level)
    rest = np.ones(count, dtype=bool)
    if np.all(sd > 0) and np.all(np.isfinite(found)):
        shares = weight.T if weight.ndim > 1 else weight[None, :]
        every = np.arange(count)
        rest = ~_anchored(found, level, (shares, every if len(shares) > 1 else 0 * every), mean, sd)
    if np.any(rest):
        own = weight if weight.ndim == 1 else weight[:, rest]
        found[rest] = _bracketed(level[rest], own, mean[:, rest], sd[:, rest])
    return found


def levels(q: Array, weight: Array, mean: Array, sd: Array) -> Array:
    """Quantiles of one mixture at many probabilities: some serve their neighbours.

    Parameters
    ----------
    q
        Probabilities in (0, 1), shape (level,).
    weight, mean, sd
        Of the components, shape (node,).

    Returns
    -------
    ndarray, shape (level,)
        The probability of each is its `q` to about 1e-14.

    Raises
    ------
    ConvergenceError
        If a quantile cannot be found.
    """

    def alone(some: Array) -> Array:
        wide = (np.repeat(part[:, None], len(some), axis=1) for part in (mean, sd))
        return quantile(some, weight, *wide)

    if len(q) <= FEW or not np.all(sd > 0):
        return alone(q)
    keep = weight > NEGLIGIBLE
    own, centre, scale = weight[keep] / weight[keep].sum(), mean[keep], 1.0 / sd[keep]
    order = np.argsort(q)
    anchors = order[np.unique(np.append(np.arange(0, len(q), FEW), len(q) - 1))]
    at = alone(q[anchors])
    middles = 0.5 * (q[anchors][1:] + q[anchors][:-1])
    near = np.searchsorted(middles, q)
    terms = _taylor(at, centre[None], scale[None], SHARED, partial(np.vecdot, own))
    steepness, spread = own @ scale ** (SHARED + 1.0), own @ (1.0 / scale)
    moved, sure = _root(q, terms[:, near], np.full(len(q), steepness), np.full(len(q), spread))
    found = at[near] + moved
    if not np.all(sure):
        found[~sure] = alone(q[~sure])
    return found


def quantiles(q: Array, weight: Array, mean: Array, sd: Array) -> Array:
    """Quantiles of mixtures of the same components under several weights, all in one call.

    `q` (level,); `weight` (weighting, node); `mean`, `sd` (node, quantity); gives (level, weighting,
    quantity).
    """
    q = np.asarray(q, dtype=np.float64)
    shape = (len(q), len(weight), mean.shape[1])
    if not np.all(sd > 0):
        each = [[quantile(level, row, mean, sd) for row in weight] for level in q]
        return np.array(each).reshape(shape)
    # One point for all weightings first: the quantile of a normal like their equal mixture. One weighting
    # alone has nobody to share a polynomial with: what it is mostly made of has its quantile nearby.
    blend = weight.mean(axis=0)
    found, settled = np.empty(shape), np.zeros(shape, dtype=bool)
    if len(weight) > 1:
        found[:] = _like_normal(q, blend, mean, sd)[:, None, :]
    else:
        order = np.argsort(-blend)
        mostly = np.sort(order[: 1 + np.searchsorted(np.cumsum(blend[order]), MOSTLY)])
        share = blend[mostly] / blend[mostly].sum()
        step = max(1, AT_ONCE // len(mostly))
        for start in range(0, shape[2], step):
            part = slice(start, start + step)
            found[:, 0, part] = _near(q, share, mean[mostly, part], sd[mostly, part])
    step = max(1, AT_ONCE // (len(blend) * len(q)))
    for start in range(0, shape[2] if len(weight) > 1 else 0, step):
        part = slice(start, start + step)
        own = mean[:, part], sd[:, part]
        moved, sure = _root(
            q[:, None, None],
            _taylor(
                found[:, 0, part],
                np.ascontiguousarray(own[0].T),
                np.ascontiguousarray(1.0 / own[1].T),
                SHARED,
                lambda term: np.swapaxes(term @ weight.T, 1, 2),
            ),
            weight @ own[1] ** -(SHARED + 1.0),
            weight @ own[1],
        )
        found[..., part] += moved
        settled[..., part] = sure
    level, row, column = np.nonzero(~settled)
    if len(level):
        close = found[level, row, column]
        done = _anchored(close, q[level], (weight, row), mean[:, column], sd[:, column])
        for place in np.flatnonzero(~done):
            parts = weight[row[place]], mean[:, [column[place]]], sd[:, [column[place]]]
            close[place] = _bracketed(q[[level[place]]], *parts)[0]
        found[level, row, column] = close
    return found


def _like_normal(q: Array, weight: Array, mean: Array, sd: Array) -> Array:
    """Quantiles of normals with the moments of mixtures, shape (level, quantity)."""
    middle, spread = moments(weight, mean, sd)
    x = middle + spread * ndtri(q)[:, None]
    return np.where(np.isfinite(x), x, mean[int(np.argmax(weight))])


def _near(q: Array, weight: Array, mean: Array, sd: Array) -> Array:
    """Give points near the quantiles of mixtures with common weights, shape (level, quantity)."""
    x = _like_normal(q, weight, mean, sd)
    every = np.tile(np.arange(mean.shape[1]), len(q))
    found, level = x.reshape(-1), np.repeat(q, mean.shape[1])
    common = weight[None, :], np.zeros_like(every)
    _anchored(found, level, common, mean[:, every], sd[:, every], points=1)
    return found.reshape(x.shape)


def _anchored(
    x: Array,
    q: Array,
    weight: tuple[Array, NDArray[np.intp]],
    mean: Array,
    sd: Array,
    points: int = POINTS,
) -> NDArray[np.bool_]:
    """Improve quantiles in place by Taylor polynomials; say which are settled.

    Weights are rows of shape (weighting, node), and which of them each quantile has.
    """
    shares, which = weight
    settled = np.zeros(len(x), dtype=bool)
    step = max(1, AT_ONCE // len(mean))
    for start in range(0, len(x), step):
        here = np.arange(start, min(start + step, len(x)))
        own, scale = shares[which[here]], np.ascontiguousarray(1.0 / sd[:, here].T)
        centre = np.ascontiguousarray(mean[:, here].T)
        for _ in range(points):
            at = x[here]
            moved, sure = _root(
                q[here],
                _taylor(at, centre, scale, OWN, partial(np.vecdot, own)),
                np.vecdot(own, _power(scale, OWN + 1)),
                np.vecdot(own, 1.0 / scale),
            )
            x[here] = at + moved
            settled[here[sure]] = True
            if np.all(sure):
                break
            here, own = here[~sure], own[~sure]
            scale, centre = scale[~sure], centre[~sure]
    return settled


def _power(base: Array, exponent: int) -> Array:
    """Raise to a whole power by multiplication: a logarithm a number is dear."""
    found = base if exponent % 2 else np.ones_like(base)
    return found * _power(base * base, exponent // 2) if exponent > 1 else found


def _taylor(
    at: Array, mean: Array, scale: Array, order: int, summed: Callable[[Array], Array]
) -> Array:
    """Distribution functions and their derivatives at points, summed over components.

    Points have shape (..., quantity), components (quantity, node); terms of shape (..., quantity, node)
    are summed one by one, so that few are held.
    """
    z = (at[..., None] - mean) * scale
    before, last = ndtr(z), np.exp(-0.5 * z * z) * (ROOT * scale)
    found = [summed(before), summed(last)]
    slope, square = -z * scale, -scale * scale
    for degree in range(order - 1):
        new = slope * last
        if degree:
            before *= square
            before *= degree
            new += before
        before, last = last, new
        found.append(summed(new))
    return np.stack(found)


def _root(
    q: Array, terms: Array, steepness: Array, spread: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """Solve a Taylor polynomial for a probability; say where its rest is below `PRECISION`.

    Terms are derivatives from the zeroth on, on the first axis; `steepness` is the mixture's mean of
    sd^-(order + 1), and `spread` the mean of the components' SDs.
    """
    gap, order = terms[0] - q, len(terms) - 1
    factorial = np.cumprod(np.arange(1.0, order + 2.0))
    scaled = terms[1:] / factorial[:-1].reshape(-1, *(1,) * gap.ndim)
    with np.errstate(all="ignore"):
        newton = np.clip(-gap / scaled[0], -REACH * spread, REACH * spread)
        newton = np.where(np.isfinite(newton), newton, -np.sign(gap) * REACH * spread)
        step = newton
        for _ in range(ROUNDS):
            value, slope = _horner(scaled, step)
            new = step - (value + gap) / slope
            still = np.all(np.abs(new - step) <= SETTLED * spread)
            step = new
            if still:
                break
        usable = np.isfinite(step) & (np.abs(step) <= REACH * spread)
        # |He_n(z)| phi(z) is at most 0.44 sqrt(n!) (Cramer's inequality).
        rest = _power(np.abs(step), order + 1) * steepness * (0.44 * factorial[-2] ** 0.5)
        rest = rest / factorial[-1]
        value, _ = _horner(scaled, step)
        sure = usable & (np.abs(value + gap) + rest <= PRECISION)
    return np.where(usable, step, newton), sure


def _horner(scaled: Array, step: Array) -> tuple[Array, Array]:
    """Value and derivative of a polynomial without a constant, by its coefficients from the first on."""
    value, slope = np.zeros_like(step), np.zeros_like(step)
    for coefficient in scaled[::-1]:
        slope = slope * step + value
        value = value * step + coefficient
    return value * step, slope * step + value


def _bracketed(q: Array, weight: Array, mean: Array, sd: Array) -> Array:
    """Quantiles by Newton steps, halving wherever they do not close in fast enough."""
    points = sd <= 0
    some = bool(np.any(points))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = 1.0 / np.where(points, math.inf, sd) if some else 1.0 / sd
        low, high, unit, centre = _bounds(weight, mean, sd)
        middle, spread = moments(weight, mean, sd)
        start = middle + spread * ndtri(q)
        x = np.clip(np.where(np.isfinite(start), start, middle), low, high)
        before = high - low
        for _ in range(STEPS):
            z = (x - mean) * scale
            if some:
                z = np.where(points, np.where(x >= mean, math.inf, -math.inf), z)
            error = _sum(weight, ndtr(z)) - q
            density = _sum(weight, np.exp(-0.5 * z * z) * scale) * ROOT
            low, high = np.where(error < 0, x, low), np.where(error >= 0, x, high)
            newton = x - error / density
            fast = (newton > low) & (newton < high) & (np.abs(2.0 * error) < before * density)
            new = np.where(fast, newton, x)
            if not np.all(fast):
                # Halving goes by the orders of magnitude around a centre, so that no spread is too
                # wide for it.
                ends = np.arcsinh((low - centre) / unit), np.arcsinh((high - centre) / unit)
                halved = centre + unit * np.sinh(0.5 * (ends[0] + ends[1]))
                new = np.where(fast, newton, np.clip(halved, low, high))
            done = (np.abs(error) <= PRECISION) | (high - low <= 4e-16 * np.abs(x))
            if np.all(done):
                return np.asarray(x)
            before = np.where(done, before, np.abs(new - x))
            x = np.where(done, x, new)
    if not np.all(done | np.all(points, axis=0) | (high - low <= 1e-12 * (np.abs(x) + unit))):
        raise ConvergenceError("a quantile of a mixture of normals could not be found.")
    return np.asarray(x)


def _bounds(weight: Array, mean: Array, sd: Array) -> tuple[Array, Array, Array, Array]:
    """Find ends that hold every quantile, the smallest spread, and the heaviest component's mean."""
    carried = weight > NEGLIGIBLE
    if np.all(carried) and np.all(sd > 0):
        low, high = np.min(mean - 12.0 * sd, axis=0), np.max(mean + 12.0 * sd, axis=0)
        unit = np.min(sd, axis=0)
    else:
        carried = carried[:, None] if weight.ndim == 1 else carried
        low = np.min(np.where(carried, mean - 12.0 * sd, math.inf), axis=0)
        high = np.max(np.where(carried, mean + 12.0 * sd, -math.inf), axis=0)
        unit = np.min(np.where(carried & (sd > 0), sd, math.inf), axis=0)
        unit = np.where(np.isfinite(unit), unit, 1.0)
    if weight.ndim == 1:
        return low, high, unit, mean[int(np.argmax(weight))]
    heaviest = np.argmax(weight, axis=0)
    return low, high, unit, np.take_along_axis(mean, heaviest[None, :], 0)[0]
