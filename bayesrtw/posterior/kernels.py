"""The posterior of an effect: normal kernels, each with a Hermite series where it is not normal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from bayesrtw.errors import SpecError
from bayesrtw.posterior import mixture, series
from bayesrtw.posterior.shortest import shortest

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """A mixture of normal kernels over the nodes of the hyperparameters."""

    weight: Array  #: Shares, shape (node,); they sum to one.
    #: mean, sd: centre and scale of each kernel, shape (node,); analysis scale.
    mean: Array
    sd: Array
    #: Coefficients of orthonormal Hermite polynomials, shape (node, degree + 1); None where every kernel is
    #: normal.
    series: Array | None = None
    #: How many moments the quantity has, 0, 1 or 2: heavy tails of tau leave it fewer.
    exist: int = 2
    exist_back: int = 2  #: How many moments exp(quantity) has.

    @property
    def parts(self) -> tuple[Array, Array, Array]:
        """Weight, mean and SD for `bayesrtw.posterior.mixture`, with one quantity."""
        return self.weight, self.mean[:, None], self.sd[:, None]

    @property
    def _each(self) -> tuple[Array, Array]:
        """Mean and variance of each kernel."""
        if self.series is None:
            return self.mean, self.sd**2
        return series.moments(self.series, self.mean, self.sd)

    @property
    def centre(self) -> float:
        """Mean over the nodes, whether or not the moment exists."""
        return float(self.weight @ self._each[0])

    @property
    def spread(self) -> float:
        """SD over the nodes, whether or not the moment exists."""
        mean, variance = self._each
        return math.sqrt(float(self.weight @ (variance + (mean - self.weight @ mean) ** 2)))

    def moments(self) -> tuple[float, float]:
        """Give mean and SD."""
        return (
            self.centre if self.exist > 0 else math.nan,
            self.spread if self.exist > 1 else math.nan,
        )

    def below(self, x: ArrayLike) -> Array:
        """P(quantity <= x)."""
        return self._tail(np.asarray(x, dtype=np.float64), 1.0)

    def above(self, x: ArrayLike) -> Array:
        """P(quantity > x), from the upper tail's own function."""
        return self._tail(np.asarray(x, dtype=np.float64), -1.0)

    def _tail(self, x: Array, side: float) -> Array:
        flat = x.reshape(-1)
        if self.series is not None:
            both = series.values(flat, self.weight, (self.mean, self.sd, self.series))
            found = both[0] if side > 0 else both[1]
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                z = (flat[:, None] - self.mean) / self.sd
            z = np.where(np.isnan(z), math.inf, z)
            found = ndtr(side * z) @ self.weight
        return np.clip(found, 0.0, 1.0).reshape(x.shape)

    def log_density(self, x: ArrayLike) -> Array:
        """Log density."""
        at = np.asarray(x, dtype=np.float64)
        flat = at.reshape(-1)
        if self.series is None:
            wide = (np.repeat(part, len(flat), axis=1) for part in self.parts[1:])
            return mixture.log_density(flat, self.weight, *wide).reshape(at.shape)
        density = series.values(flat, self.weight, (self.mean, self.sd, self.series))[2]
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.maximum(density, 0.0)).reshape(at.shape))

    def quantile(self, q: ArrayLike) -> Array:
        """Invert the distribution function."""
        at = np.asarray(q, dtype=np.float64)
        flat = at.reshape(-1)
        if self.series is not None:
            found = series.quantile(flat, self.weight, (self.mean, self.sd, self.series))
            return found.reshape(at.shape)
        mean, sd = (part[:, 0] for part in self.parts[1:])
        return mixture.levels(flat, self.weight, mean, sd).reshape(at.shape)

    def interval(self, ci_prob: float, ci_kind: str = "eti") -> tuple[float, float]:
        """Give an interval."""
        if ci_kind == "eti":
            low, high = self.quantile([0.5 - ci_prob / 2, 0.5 + ci_prob / 2])
            return float(low), float(high)
        if ci_kind != "hdi":
            raise SpecError(f"ci_kind is {ci_kind!r}; choose 'eti' or 'hdi'.")
        ends = (np.array([-math.inf]), np.array([math.inf]))
        found = shortest(self.quantile, self.log_density, ci_prob, ends)
        return float(found[0][0]), float(found[1][0])

    def beyond(self, threshold: float, *, above: bool) -> float:
        """Give the probability of lying beyond a threshold."""
        return float(self.above(threshold) if above else self.below(threshold))

    def ratio(self) -> tuple[float, float]:
        """Give mean and SD of exp(quantity)."""
        terms = self.series if self.series is not None else np.ones((len(self.mean), 1))
        # Infinite terms of either sign have no sum; such a moment is told not to exist below.
        with np.errstate(invalid="ignore"):
            first, second = (
                float(self.weight @ series.exponential(terms, self.mean, self.sd, t))
                for t in (1.0, 2.0)
            )
        sd = math.sqrt(max(second - first**2, 0.0)) if math.isfinite(second) else math.nan
        return (
            first if self.exist_back > 0 and math.isfinite(first) else math.nan,
            sd if self.exist_back > 1 else math.nan,
        )

    def widened(self, variance: Array) -> "Kernels":
        """Add an independent normal deviation, e.g. that of a new setting or of a sampling error.

        `variance` (node,).
        """
        more = np.broadcast_to(np.asarray(variance, dtype=np.float64), self.sd.shape)
        if self.series is None:
            return replace(self, sd=np.sqrt(self.sd**2 + more))
        terms, sd = series.widened(self.series, self.sd, more)
        return replace(self, series=terms, sd=sd)

    def moved(self, by: float) -> "Kernels":
        """Add a constant."""
        return replace(self, mean=self.mean + by)

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Draw independently: a kernel by its share, then from it; gives (count,)."""
        upto = np.cumsum(np.maximum(self.weight, 0.0))
        node = np.minimum(np.searchsorted(upto, rng.random(count) * upto[-1]), len(upto) - 1)
        z = rng.standard_normal(count)
        if self.series is not None:
            z = series.draw(self.series[node], rng)
        return np.asarray(self.mean[node] + self.sd[node] * z)


def blended(parts: Sequence[Kernels], share: Sequence[float]) -> Kernels:
    """Mix distributions: a quantity that is one of several with given probabilities."""
    if len(parts) == 1:
        return parts[0]
    terms = None
    if any(part.series is not None for part in parts):
        full = [
            part.series if part.series is not None else np.ones((len(part.mean), 1))
            for part in parts
        ]
        degree = max(each.shape[1] for each in full)
        terms = np.concatenate(
            [np.pad(each, ((0, 0), (0, degree - each.shape[1]))) for each in full]
        )
    return Kernels(
        np.concatenate([part.weight * own for part, own in zip(parts, share, strict=True)]),
        np.concatenate([part.mean for part in parts]),
        np.concatenate([part.sd for part in parts]),
        terms,
        min(part.exist for part in parts),
        min(part.exist_back for part in parts),
    )
