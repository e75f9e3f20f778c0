"""What one more trial could change: the posterior after every result that it may have.

Given the hyperparameters the pooled mean and the result of a trial in a new setting are jointly normal, so
that the posterior after a result is the present mixture with other weights, means and SDs: algebra, no refit.
Where the mean is a normal kernel with a Hermite series, the series after a result follows from the addition
formula of Hermite polynomials: with a + g = 1, u = (y - m) / sqrt(s^2 + v) and g = s^2 / (s^2 + v),

    h_n(sqrt(a) z + sqrt(g) u) = sum_k sqrt(binomial(n, k)) a^(k/2) g^((n-k)/2) h_k(z) h_{n-k}(u).

Results are taken at equally probable points of their predictive distribution; nothing is simulated.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import gammaln, ndtr

from bayesrtw.engine.fitted import Posterior
from bayesrtw.errors import EngineRefusal
from bayesrtw.posterior import mixture
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.series import FAR

Array = NDArray[np.float64]

#: Nodes with less than this share of the largest are left out: a result that raises such a node a
#: thousandfold is itself less probable than one in a thousand.
NEGLIGIBLE = 1e-10
#: Coefficients of a series beyond the last one of this size are left out.
SMALL = 1e-10

#: Fewest points of a rule over one kernel, places at which its mean of a function is worked out (a spline
#: lies between them), and how far results reach, in SDs beyond the outermost kernels.
POINTS, PLACES, REACH = 12, 193, 8.0
#: Most points, and the share of a function's range that twice as many may move.
MOST_POINTS, MOVES = 192, 1e-8
#: Numbers in one array of the weights of nodes: it stays in the cache.
AT_ONCE = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class After:
    """The pooled mean, or another effect, after results of one more trial."""

    #: weight, mean, sd: mixture of kernels after each result, shape (node, result); analysis scale. What a
    #: trial leaves in doubt at a node does not hang on its result.
    weight: Array
    mean: Array
    sd: Array
    #: Their coefficients of orthonormal Hermite polynomials, shape (node, result, degree + 1); None where
    #: every kernel is normal.
    series: Array | None = None

    def beyond(self, threshold: float, *, above: bool) -> Array:
        """Give the probability that the pooled mean lies beyond a threshold: gives (result,)."""
        # Under a common effect a trial without sampling error leaves no doubt: SDs of zero.
        with np.errstate(divide="ignore"):
            z = (self.mean - threshold) / self.sd
        found = ndtr(z if above else -z)
        if self.series is not None:
            more = _beyond(np.clip(-z, -FAR, FAR), self.series)
            found = found + more if above else found - more
        return np.asarray(np.clip(np.sum(self.weight * found, axis=0), 0.0, 1.0))

    def width(self, ci_prob: float) -> Array:
        """Give the width of the central interval: gives (result,)."""
        levels = 0.5 - ci_prob / 2, 0.5 + ci_prob / 2
        if self.series is None:
            low, high = (mixture.quantile(p, self.weight, self.mean, self.sd) for p in levels)
            return np.asarray(high - low)
        each = zip(
            self.weight.T, self.mean.T, self.sd.T, np.moveaxis(self.series, 1, 0), strict=True
        )
        return np.array([np.diff(Kernels(*parts).quantile(levels))[0] for parts in each])

    def expected(self, value: Callable[[Array], Array]) -> Array:
        """Give the mean of a function of the effect: gives (result,)."""
        degree = 0 if self.series is None else self.series.shape[-1] - 1
        z, rule = rule_for(value, self.mean, self.sd[:, 0], degree)
        low, wide = self.mean.min(axis=1), np.ptp(self.mean, axis=1)
        # A node whose mean no result moves has one place; the others are laid on the same even grid.
        count = PLACES if np.any(wide > 0) else 2
        grid = np.arange(count) / (count - 1.0)
        inner = low[:, None] + wide[:, None] * grid
        table = np.stack(
            [
                value(places[:, None] + sd * z) @ rule
                for places, sd in zip(inner, self.sd[:, 0], strict=True)
            ]
        )
        if count == 2 and degree == 0:
            return np.asarray(table[:, 0, 0] @ self.weight)
        pieces = scipy.interpolate.CubicSpline(grid, table, axis=1).c
        found = np.zeros(self.mean.shape[1])
        for node, (share, mean) in enumerate(zip(self.weight, self.mean, strict=True)):
            at = (mean - low[node]) * ((count - 1.0) / wide[node] if wide[node] > 0 else 0.0)
            piece = np.minimum(at.astype(np.intp), count - 2)
            left = ((at - piece) / (count - 1.0))[:, None]
            third, second, first, start = (each[piece] for each in pieces[:, :, node])
            each = start + left * (first + left * (second + left * third))
            if self.series is not None:
                each = each * self.series[node]
            found += share * each.sum(axis=1)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class OtherEffect:
    """Another effect beside the mean of a setting, both normal given each node."""

    #: mean, variance: its own, shape (node,).
    mean: Array
    variance: Array
    covariance: Array  #: With the setting's mean, shape (node,).


@dataclass(frozen=True, slots=True, eq=False)
class TrialSetting:
    """Where a trial may take place."""

    mean: Kernels  #: The mean effect of such settings, without nodes that carry nothing.
    apart: Array  #: Variance of settings around it, shape (node,).

    def results(self, se: float, count: int) -> Array:
        """See `results`."""
        return self.mean.widened(self.apart + se**2).quantile((np.arange(count) + 0.5) / count)

    def spread(self, se: float, count: int) -> tuple[Array, Array]:
        """Give evenly spaced results of a trial as far as they are possible, with their shares, (count,)."""
        ahead = self.mean.widened(self.apart + se**2)
        result = np.linspace(
            np.min(ahead.mean - REACH * ahead.sd), np.max(ahead.mean + REACH * ahead.sd), count
        )
        share = np.exp(ahead.log_density(result))
        return result, share / share.sum()

    def after(self, se: float, result: Array) -> After:
        """Give the posterior of the mean after one more trial here; see `after`."""
        mu = self.mean
        mean, sd = mu.mean[:, None], mu.sd[:, None]
        variance = sd**2 + self.apart[:, None] + se**2
        share = self._shares(variance, result)
        gain = sd**2 / variance
        left = np.broadcast_to(sd * np.sqrt(np.maximum(1.0 - gain, 0.0)), share.shape)
        series = None
        if mu.series is not None:
            series = _series(mu.series, gain, (result - mean) / np.sqrt(variance))
            share *= np.maximum(series[..., 0], 0.0)
            bare = share <= NEGLIGIBLE * share.max(axis=0)
            series[bare], share = 0.0, np.where(bare, 0.0, share)
            series[bare, 0] = 1.0
            series = series / series[..., :1]
        share /= share.sum(axis=0)
        return After(share, gain * result + (mean - gain * mean), left, series)

    def beside(self, se: float, result: Array, lines: Sequence[OtherEffect]) -> Iterator[After]:
        """Give the posteriors of other effects after one more trial here, one after another."""
        mean = self.mean.mean[:, None]
        variance = self.mean.sd[:, None] ** 2 + self.apart[:, None] + se**2
        share = self._shares(variance, result)
        share /= share.sum(axis=0)
        for line in lines:
            gain = line.covariance[:, None] / variance
            left = np.maximum(line.variance[:, None] - gain * line.covariance[:, None], 0.0)
            centre = gain * result + (line.mean[:, None] - gain * mean)
            yield After(share, centre, np.broadcast_to(np.sqrt(left), share.shape))

    def _shares(self, variance: Array, result: Array) -> Array:
        """Weigh nodes by the normal densities of results, the largest 1 for each result; (node, result)."""
        mu = self.mean
        start = np.log(mu.weight)[:, None] - 0.5 * np.log(variance)
        rate, found = -0.5 / variance, np.empty((len(mu.weight), len(result)))
        step = max(1, AT_ONCE // len(mu.weight))
        for first in range(0, len(result), step):
            cut = slice(first, first + step)
            log = result[cut] - mu.mean[:, None]
            log *= log
            log *= rate
            log += start
            log -= log.max(axis=0)
            np.exp(log, out=found[:, cut])
        return found


def setting_of(known: Posterior) -> TrialSetting:
    """Give a new setting like those that the pooled mean is of."""
    mu, level = known.pooled, known.effects["mu"]
    new = known.effects.get("theta_new", level)
    if not all(np.array_equal(mu.weight, each.weight) for each in (level, new)):
        raise EngineRefusal(
            "what one more trial would say is worked out where the pooled mean and a new setting have the "
            "same kernels; this posterior's tails have their own: simulate a trial and fit the model with it."
        )
    # A setting whose moderators are at the mean itself: it differs by heterogeneity alone.
    apart = np.maximum(new.sd**2 - level.sd**2, 0.0)
    keep = carrying(mu.weight)
    series = None if mu.series is None else mu.series[keep]
    weight = mu.weight[keep] / mu.weight[keep].sum()
    return TrialSetting(Kernels(weight, mu.mean[keep], mu.sd[keep], series), apart[keep])


def rule_for(
    value: Callable[[Array], Array], mean: Array, sd: Array, degree: int = 0
) -> tuple[Array, Array]:
    """Give points and weights that average a function over normals as wide as these are.

    `mean` (node, any); `sd` (node,); gives (point, degree + 1).
    """
    widest = int(np.argmax(sd))
    at = np.linspace(mean[widest].min(), mean[widest].max(), 9)[:, None]
    points, (z, rule) = POINTS, _rule(POINTS, degree)
    found = value(at + sd[widest] * z) @ rule
    while points < MOST_POINTS:
        finer, more = _rule(2 * points, degree)
        there = value(at + sd[widest] * finer)
        again = there @ more
        if np.max(np.abs(again - found)) <= MOVES * max(float(np.ptp(there)), 1e-300):
            break
        points, z, rule, found = 2 * points, finer, more, again
    return z, rule


def _rule(points: int, degree: int) -> tuple[Array, Array]:
    """Points of a Gauss-Hermite rule, and weights beside polynomials up to a degree."""
    z, weight = np.polynomial.hermite_e.hermegauss(points + 2 * degree)
    return z, (_hermite(z, degree) * (weight / weight.sum())).T


def carrying(weight: Array) -> NDArray[np.bool_]:
    """Mark the nodes that carry something, shape (node,)."""
    return np.asarray(np.abs(weight) > NEGLIGIBLE * np.abs(weight).max())


def results(known: Posterior, se: float, count: int) -> Array:
    """Give equally probable results of a trial in a new setting: gives (result,)."""
    return setting_of(known).results(se, count)


def after(known: Posterior, se: float, result: Array) -> After:
    """Give the posterior of the pooled mean after one more trial in a new setting: `result` (result,)."""
    return setting_of(known).after(se, result)


def _series(series: Array, gain: Array, u: Array) -> Array:
    """Multiply kernels by the density of a result, but for that of a normal; (node, result, degree + 1)."""
    large = np.flatnonzero(np.max(np.abs(series), axis=0) > SMALL)
    degree = int(large[-1]) if len(large) else 0
    polynomials = _hermite(u, degree)
    found = np.zeros((*u.shape, degree + 1))
    place, gain = np.arange(degree + 1.0), gain[:, 0]
    for k in range(degree + 1):
        rest = place[: degree + 1 - k]
        log = 0.5 * (gammaln(rest + k + 1) - gammaln(rest + 1) - gammaln(k + 1.0))
        part = series[:, k : degree + 1] * np.exp(log) * gain[:, None] ** (0.5 * rest)
        part = part * np.maximum(1.0 - gain, 0.0)[:, None] ** (0.5 * k)
        found[..., k] = np.einsum("jm,mjr->jr", part, polynomials[: len(rest)])
    return found


def _hermite(z: Array, degree: int) -> Array:
    """Orthonormal Hermite polynomials up to a degree, shape (degree + 1, ...)."""
    found = [np.ones_like(z), z][: degree + 1]
    for n in range(1, degree):
        found.append((z * found[-1] - math.sqrt(n) * found[-2]) / math.sqrt(n + 1.0))
    return np.stack(found)


def _beyond(z: Array, series: Array) -> Array:
    """Give what the terms of a series add to P(quantity > z), shape (node, result)."""
    total, before, last = np.zeros_like(z), np.zeros_like(z), np.ones_like(z)
    for n in range(1, series.shape[-1]):
        total += series[..., n] * last / math.sqrt(n)
        before, last = last, (z * last - math.sqrt(n - 1) * before) / math.sqrt(n)
    return total * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
