"""The equal mixture of several priors of one hyperparameter: nodes laid under it serve them all."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesrtw.errors import EngineRefusal
from bayesrtw.model.contract import HALF_LINE, Prior

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Blend:
    """A proposal, from which each part follows by a ratio that is at most their number."""

    parts: tuple[Prior, ...]

    support: ClassVar[tuple[float, float]] = HALF_LINE
    tail_rate: ClassVar[float] = 0.0
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ()

    @property
    def proper(self) -> bool:
        """Whether all of them are."""
        return all(part.proper for part in self.parts)

    @property
    def positive(self) -> bool:
        """Whether the support is [0, inf)."""
        return all(part.positive for part in self.parts)

    @property
    def tail_power(self) -> float:
        """Of the heaviest."""
        return min(part.tail_power for part in self.parts)

    def logpdf(self, x: ArrayLike) -> Array:
        """Log density of the mixture."""
        return mean_of_logs(np.stack([part.logpdf(x) for part in self.parts]))

    def ppf(self, q: ArrayLike) -> Array:
        """Lower bound of the quantile function, and its limit at 1: what laying nodes asks for."""
        found = np.stack([part.ppf(q) for part in self.parts])
        ends = np.asarray(q, dtype=np.float64) >= 1.0
        return np.where(ends, found.max(axis=0), found.min(axis=0))

    def pymc(self, name: str) -> Any:
        """Refuse: the blend is a proposal, never a model."""
        raise EngineRefusal(f"{name}: a blend of priors lays nodes; it is never sampled.")


def mean_of_logs(found: Array) -> Array:
    """Log of the mean of exponentials over the first axis."""
    peak = np.max(found, axis=0)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(peak + np.log(np.mean(np.exp(found - peak), axis=0)))


def blends(prior: Prior | None) -> bool:
    """Whether nodes of a mixture resolve a prior: of an SD, without an end where it jumps or a heavy tail.

    Moments under a heavy tail live far beyond where the others' mixture has its nodes.
    """
    known = prior is not None and prior.proper and prior.support == HALF_LINE
    return known and prior is not None and math.isinf(prior.tail_power)
