"""What every prior offers, and what it states of itself: rules ask these facts, never a class."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesrtw.registry import role

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]

#: Supports of priors: the whole line, that of a standard deviation, that of a probability.
LINE, HALF_LINE, UNIT = (-math.inf, math.inf), (0.0, math.inf), (0.0, 1.0)


class NormalParts(NamedTuple):
    """A mixture of normals.

    Attributes
    ----------
    log_weight, mean, sd
        Shape (part,); weights sum to one. A flat prior is one normal whose sd is infinite.
    """

    log_weight: Array
    mean: Array
    sd: Array


@role("prior", "bayesrtw.prior")
class Prior(Protocol):
    """What every prior offers; see the module for the contract."""

    @property
    def proper(self) -> bool:
        """Whether it integrates to one."""

    @property
    def positive(self) -> bool:
        """Whether its support is [0, inf)."""

    @property
    def tail_power(self) -> float:
        """Its density falls as x ** -tail_power; inf where it falls faster than any power."""

    @property
    def support(self) -> tuple[float, float]:
        """Lower and upper end of where its density is positive."""

    @property
    def tail_rate(self) -> float:
        """Its density falls as exp(-tail_rate x^2); 0 where slower, inf where the support ends."""

    @property
    def normals(self) -> NormalParts | None:
        """The normals that it is a mixture of, one for a normal or a flat prior; else None."""

    @property
    def scales(self) -> tuple[str, ...]:
        """Settings that, all multiplied by a number, make it that many times as wide; or none."""

    def logpdf(self, x: ArrayLike) -> Array:
        """Log density; -inf outside the support."""

    def ppf(self, q: ArrayLike) -> Array:
        """Quantile function; raises SpecError where improper."""

    def pymc(self, name: str) -> "TensorVariable":
        """Add a variable with this prior to the PyMC model in context."""


def single(prior: Prior) -> tuple[float, float] | None:
    """Give mean and SD of a normal prior, with an infinite SD of a flat one; None of any other."""
    parts = prior.normals
    if parts is None or len(parts.sd) != 1:
        return None
    return float(parts.mean[0]), float(parts.sd[0])


def normal(prior: Prior) -> tuple[float, float] | None:
    """Give mean and SD of a normal prior that is not flat; None of any other."""
    found = single(prior)
    return found if found is not None and math.isfinite(found[1]) else None


def widened(prior: Prior, by: float) -> Prior | None:
    """Give a prior `by` times as wide, or None if it does not say which settings do that."""
    settings: Any = {name: by * getattr(prior, name) for name in prior.scales}
    return replace(prior, **settings) if settings else None  # type: ignore[type-var]


def excludes_zero(prior: Prior) -> bool:
    """Say whether a prior of an SD vanishes at zero, so that effects that are alike are all but excluded."""
    return prior.positive and bool(np.isneginf(prior.logpdf(np.zeros(1))[0]))
