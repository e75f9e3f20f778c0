"""Normal kernels with a Hermite series: densities that are nearly normal, and exactly summable.

With h_n the Hermite polynomials that are orthonormal under the standard normal, z = (x - m) / s and
coefficients a_n (a_0 = 1 for a density), a kernel is

    density  phi(z) / s * sum_n a_n h_n(z)
    below    Phi(z) - phi(z) * sum_{n >= 1} a_n h_{n-1}(z) / sqrt(n)

An independent N(0, v) added to x turns s^2 into s^2 + v and a_n into a_n (s / sqrt(s^2 + v))^n; the
mean of exp(t x) is exp(m t + s^2 t^2 / 2) sum_n a_n (s t)^n / sqrt(n!). A normal is the series of degree 0.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from bayesrtw.errors import ConvergenceError

Array = NDArray[np.float64]

#: Steps of a root search, and the error in probability at which it ends.
STEPS, PRECISION = 200, 1e-14

ROOT = 1.0 / math.sqrt(2.0 * math.pi)

#: Numbers in one array of a recurrence: a few of them stay in the cache.
AT_ONCE = 16_384

#: z beyond which a normal density is nothing, while polynomials would overflow.
FAR = 38.0

#: Draws come from a normal this much wider, their ratio is looked at as far as this, and bounded with this
#: much to spare.
WIDER, REACH, EXCESS = 1.5, 7.0, 1.1


def coefficients(z: Array, weight: Array, degree: int) -> Array:
    """Give the series of a weighted set of points: `z`, `weight` (..., point); gives (..., degree + 1)."""
    shape, count = np.broadcast_shapes(z.shape, weight.shape)[:-1], z.shape[-1]
    flat, each = (np.broadcast_to(part, (*shape, count)).reshape(-1, count) for part in (z, weight))
    found = np.empty((len(flat), degree + 1))
    step = max(1, AT_ONCE // max(count, 1))
    for start in range(0, len(flat), step):
        cut = slice(start, start + step)
        x, own = flat[cut], each[cut]
        before, last, spare = np.zeros_like(x), np.ones_like(x), np.empty_like(x)
        np.sum(own, axis=1, out=found[cut, 0])
        for n in range(degree):
            np.multiply(x, last, out=spare)
            before *= math.sqrt(n)
            spare -= before
            spare *= 1.0 / math.sqrt(n + 1.0)
            before, last, spare = last, spare, before
            np.einsum("jk,jk->j", own, last, out=found[cut, n + 1])
    return found.reshape(*shape, degree + 1)


def widened(series: Array, sd: Array, variance: Array) -> tuple[Array, Array]:
    """Add an independent normal deviation: `series` (node, degree + 1); `sd`, `variance` (node,)."""
    wide = np.sqrt(sd**2 + variance)
    share = np.divide(sd, wide, out=np.ones_like(sd), where=wide > 0)
    return series * share[:, None] ** np.arange(series.shape[1]), wide


def moments(series: Array, mean: Array, sd: Array) -> tuple[Array, Array]:
    """Give mean and variance of each kernel.

    `series` (node, degree + 1); `mean`, `sd` (node,); gives (node,).
    """
    first = series[:, 1] if series.shape[1] > 1 else np.zeros_like(mean)
    second = math.sqrt(2.0) * series[:, 2] if series.shape[1] > 2 else np.zeros_like(mean)
    return mean + sd * first, sd**2 * np.maximum(1.0 + second - first**2, 0.0)


def exponential(series: Array, mean: Array, sd: Array, t: float) -> Array:
    """Give E exp(t x) of each kernel: `series` (node, degree + 1); `mean`, `sd` (node,); gives (node,)."""
    degree = np.arange(float(series.shape[1]))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        log = degree * np.log(np.maximum(sd * abs(t), 1e-300))[:, None]
        log = log - 0.5 * np.array([math.lgamma(n + 1.0) for n in degree])
        sign = 1.0 if t > 0 else (-1.0) ** degree
        return np.asarray(
            np.exp(mean * t + 0.5 * (sd * t) ** 2) * np.sum(series * sign * np.exp(log), axis=-1)
        )


def values(
    x: Array, weight: Array, kernels: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array]:
    """Give P(quantity <= x), P(quantity > x) and the density of a mixture of kernels.

    `x` (point,); `weight`, `kernels` (node,); gives (point,).
    """
    found = np.empty((3, len(x)))
    step = max(1, AT_ONCE // max(len(weight), 1))
    for start in range(0, len(x), step):
        cut = slice(start, start + step)
        found[:, cut] = _values(x[cut], weight, kernels)
    below, above, density = found
    return below, above, density


def _values(
    x: Array, weight: Array, kernels: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array]:
    """Give the same of a few points, whose arrays stay in the cache."""
    mean, sd, series = kernels
    # A kernel without width is a point: all of it lies on one side, and it has no density.
    point, width = sd == 0, np.where(sd > 0, sd, 1.0)
    z = np.clip((x[:, None] - mean) / width, -FAR, FAR)
    z = np.where(point, np.where(x[:, None] >= mean, FAR, -FAR), z)
    phi = ROOT * np.exp(-0.5 * z * z)
    before, last, spare = np.zeros_like(z), np.ones_like(z), np.empty_like(z)
    curve, tail = np.broadcast_to(series[:, 0], z.shape).copy(), np.zeros_like(z)
    for n in range(1, series.shape[1]):
        tail += np.multiply(last, series[:, n] / math.sqrt(n), out=spare)
        # The next polynomial is made in the array of the one before the last.
        before *= -math.sqrt(n - 1.0)
        before += np.multiply(z, last, out=spare)
        before *= 1.0 / math.sqrt(n)
        before, last = last, before
        curve += np.multiply(last, series[:, n], out=spare)
    tail *= phi
    whole = series[:, 0]
    # One normal distribution function, of the smaller side.
    small = ndtr(-np.abs(z))
    large = 1.0 - small
    below = (whole * np.where(z > 0, large, small) - tail) @ weight
    above = (whole * np.where(z > 0, small, large) + tail) @ weight
    return below, above, (phi * curve / width) @ weight


def quantile(q: Array, weight: Array, kernels: tuple[Array, Array, Array]) -> Array:
    """Give quantiles of a mixture of kernels: `q` (level,); gives (level,)."""
    mean, sd, series = kernels
    centre, variance = moments(series, mean, sd)
    carried = weight > PRECISION
    reach = 14.0 * sd[carried]
    low = np.full(len(q), float(np.min(centre[carried] - reach)))
    high = np.full(len(q), float(np.max(centre[carried] + reach)))
    middle = float(weight @ centre)
    spread = math.sqrt(float(weight @ (variance + (centre - middle) ** 2)))
    unit = max(float(np.min(sd[carried])), 1e-300)
    x = np.clip(middle + spread * ndtri(q), low, high)
    for _ in range(STEPS):
        below, above, density = values(x, weight, kernels)
        error = np.where(q < 0.5, below - q, (1.0 - q) - above)
        low, high = np.where(error < 0, x, low), np.where(error >= 0, x, high)
        done = (np.abs(error) <= PRECISION) | (high - low <= 4e-16 * np.abs(x) + 1e-300)
        if np.all(done):
            return np.asarray(x)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = x - error / density
        fast = (newton > low) & (newton < high) & (density > 0)
        ends = np.arcsinh((low - middle) / unit), np.arcsinh((high - middle) / unit)
        halved = middle + unit * np.sinh(0.5 * (ends[0] + ends[1]))
        step = np.where(fast, newton, np.clip(halved, low, high))
        if np.all(done | (np.abs(step - x) <= 1e-15 * (np.abs(x) + unit))):
            return np.asarray(step)
        x = np.where(done, x, step)
    raise ConvergenceError("a quantile of a posterior could not be found.")


def draw(series: Array, rng: np.random.Generator) -> Array:
    """Draw from standardised kernels, one each, by rejection from a wider normal.

    `series` (draw, degree + 1); gives (draw,).
    """
    grid = np.linspace(-REACH, REACH, 81)
    distinct, which = np.unique(series, axis=0, return_inverse=True)
    most = np.concatenate(
        [
            np.max(_ratio(some[:, None, :], grid), axis=1)
            for some in np.array_split(distinct, 1 + len(distinct) * len(grid) // AT_ONCE)
        ]
    )
    bound = EXCESS * most[which.reshape(-1)]
    found, left = np.empty(len(series)), np.arange(len(series))
    while len(left):
        z = WIDER * rng.standard_normal(len(left))
        take = rng.random(len(left)) * bound[left] < _ratio(series[left], z)
        found[left[take]] = z[take]
        left = left[~take]
    return found


def _ratio(series: Array, z: Array) -> Array:
    """Density of kernels (..., degree + 1) over that of the wider normal, at points (...)."""
    before, last = np.zeros_like(z), np.ones_like(z)
    curve = series[..., 0]
    for n in range(1, series.shape[-1]):
        before, last = last, (z * last - math.sqrt(n - 1.0) * before) / math.sqrt(n)
        curve = curve + series[..., n] * last
    shape = np.exp(-0.5 * z * z * (1.0 - WIDER**-2.0)) * WIDER
    return np.asarray(np.maximum(curve, 0.0) * shape)
