"""One number of a model, integrated by fits at a few of its values: no engine has it as a hyperparameter.

The log evidence is a smooth function of such a number: looked at from afar, then around its maximum, it is
interpolated, and the posteriors at the last nodes are mixed by their shares.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import ConvergenceError
from bayesrtw.posterior.kernels import Kernels, blended

Array = NDArray[np.float64]

#: Looks from afar, in prior SDs; then nearer, and at last nodes, in posterior SDs, with their normal weights.
AFAR = (-2.0, 0.0, 2.0)
NEARER = np.array([-1.5, 0.0, 1.5])
AROUND, NORMAL = np.polynomial.hermite_e.hermegauss(7)
#: How often a look from afar is taken nearer by half.
NEARER_TRIES = 3
#: SDs within which one look serves for another.
NEAR = 0.3
#: Share by which an SD may fall or rise where a second look nearer would see what the first one saw.
STAYS = 0.8
#: Points on which the law is told, and how far they reach in prior and posterior SDs.
POINTS, REACH, WITHIN = 4001, 5.0, 8.0


@dataclass(frozen=True, eq=False)
class BySetting:
    """A number that is normal before, after fits at some of its values."""

    prior: tuple[float, float]  #: Mean and SD before.
    #: values, log_evidence: ascending, shape (look,).
    values: Array
    log_evidence: Array
    #: nodes, fits: where the posterior lives.
    nodes: Array
    fits: Sequence[Fitted]

    @cached_property
    def law(self) -> tuple[Array, Array]:
        """Values and their probabilities."""
        return _law(self.prior, self.values, self.log_evidence)

    @cached_property
    def share(self) -> Array:
        """Shares of the nodes, shape (node,): they repeat moments of the law, where none is negative."""
        value, weight = self.law
        mean, sd = self.moments
        powers = np.arange(len(self.nodes))
        told = np.array([weight @ ((value - mean) / sd) ** power for power in powers])
        found = np.linalg.solve(((self.nodes - mean) / sd) ** powers[:, None], told)
        if np.all(found >= 0):
            return np.asarray(found)
        log = np.interp(self.nodes, value, np.log(weight)) + 0.5 * AROUND**2
        other = NORMAL * np.exp(log - log.max())
        return np.asarray(other / other.sum())

    @property
    def bare(self) -> Array:
        """Weights of the nodes in an integral over the number, shape (node,)."""
        step = (self.nodes[-1] - self.nodes[0]) / (AROUND[-1] - AROUND[0])
        return np.asarray(step * NORMAL * np.exp(0.5 * AROUND**2))

    @property
    def moments(self) -> tuple[float, float]:
        """Mean and SD."""
        value, weight = self.law
        mean = float(weight @ value)
        return mean, math.sqrt(float(weight @ (value - mean) ** 2))

    def quantile(self, share: Sequence[float]) -> Array:
        """Quantiles, shape (share,)."""
        value, weight = self.law
        return np.interp(share, np.cumsum(weight) - 0.5 * weight, value)

    def above(self, value: float) -> float:
        """Probability above a value."""
        at, weight = self.law
        return float(np.interp(value, at, 1.0 - np.cumsum(weight) + 0.5 * weight))

    @property
    def log_bayes_factor(self) -> float:
        """Log Bayes factor of a free number against 0 (natural logarithm)."""
        mean, sd = self.prior
        at = np.linspace(mean - REACH * sd, mean + REACH * sd, POINTS)
        line = scipy.interpolate.make_interp_spline(
            self.values, self.log_evidence, k=_degree(self.values)
        )
        prior = -0.5 * ((at - mean) / sd) ** 2 - math.log(sd * math.sqrt(2.0 * math.pi))
        whole = logsumexp(followed(line, self.values, at) + prior) + math.log(at[1] - at[0])
        return float(whole - line(0.0))

    def mixed(self, of: Callable[[Fitted, float], Kernels]) -> Kernels:
        """Mix a quantity over the number."""
        parts = [of(fit, value) for fit, value in zip(self.fits, self.nodes.tolist(), strict=True)]
        return blended(parts, self.share.tolist())


def by_setting(refit: Callable[[float], Fitted], prior: tuple[float, float]) -> BySetting:
    """Integrate over a number of a model that is normal before."""
    mean, sd = prior
    seen = dict(_afar(refit, mean, sd * each) for each in AFAR)
    nodes, before = np.zeros(0), (math.inf, 1.0)
    for look in (NEARER, NEARER, AROUND):
        at, weight = _law(prior, *_logs(seen))
        centre = float(weight @ at)
        spread = math.sqrt(float(weight @ (at - centre) ** 2))
        stays = abs(centre - before[0]) < NEAR * spread and STAYS < spread / before[1] < 1.0 / STAYS
        before = centre, spread
        if stays and look is NEARER:
            continue
        nodes = centre + spread * look
        # Looks that lie too near to each other tell of rounding.
        seen = {
            value: fit
            for value, fit in seen.items()
            if np.min(np.abs(nodes - value)) > NEAR * spread
        }
        seen |= {value: refit(value) for value in nodes.tolist()}
    return BySetting(prior, *_logs(seen), nodes, [seen[value] for value in nodes.tolist()])


def _afar(refit: Callable[[float], Fitted], mean: float, by: float) -> tuple[float, Fitted]:
    """Look from afar; nearer where what is seen there cannot be integrated."""
    for _ in range(NEARER_TRIES):
        with suppress(ConvergenceError):
            fit = refit(mean + by)
            fit.posterior  # noqa: B018 - integrated when it is asked for
            return mean + by, fit
        by *= 0.5
    return mean + by, refit(mean + by)


def _logs(seen: Mapping[float, Fitted]) -> tuple[Array, Array]:
    """Give values in their order, and log evidences there."""
    values = sorted(seen)
    return np.array(values), np.array([seen[value].posterior.log_evidence for value in values])


def _degree(values: Array) -> int:
    return min(5, len(values) - 1 - len(values) % 2) if len(values) > 4 else len(values) - 1


def followed(line: Callable[[Array], Array], values: Array, at: Array) -> Array:
    """Ask a spline within its ends, and go on beyond them by the parabola through three points there."""
    found = np.asarray(line(np.clip(at, values[0], values[-1])))
    for end, inner in ((values[0], values[:3]), (values[-1], values[-3:])):
        beyond = at < end if end == values[0] else at > end
        if beyond.any():
            fitted = np.polyfit(inner - end, line(inner), 2)
            fitted[0] = min(fitted[0], 0.0)
            found[beyond] = np.polyval(fitted, at[beyond] - end)
    return found


def _law(prior: tuple[float, float], values: Array, log: Array) -> tuple[Array, Array]:
    """Values and their probabilities, by a spline through log evidences."""
    mean, sd = prior
    line = scipy.interpolate.make_interp_spline(values, log, k=_degree(values))
    low, high = mean - REACH * sd, mean + REACH * sd
    at, weight = np.zeros(0), np.zeros(0)
    for _ in range(3):
        at = np.linspace(low, high, POINTS)
        density = followed(line, values, at) - 0.5 * ((at - mean) / sd) ** 2
        weight = np.exp(density - density.max())
        weight /= weight.sum()
        centre = float(weight @ at)
        spread = math.sqrt(float(weight @ (at - centre) ** 2))
        low, high = max(low, centre - WITHIN * spread), min(high, centre + WITHIN * spread)
    return at, weight
