"""Priors of an effect that are mixtures of normals: Student's t, and a few normals with weights.

Given which normal it is, such a prior is conjugate, so the exact engine serves it as it serves a
normal one.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray
from scipy import special

from bayesrtw.errors import SpecError
from bayesrtw.model.contract import LINE, NormalParts
from bayesrtw.model.homes import names
from bayesrtw.model.prior import _finite, _positive
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]

#: Step of the trapezoidal rule in the logarithm of a t distribution's precision, in units of
#: 1 / sqrt(1 + df / 4), to which the integrand narrows. It is analytic, so the rule converges
#: faster than any power: densities are right to 1e-11 of their peak for 1 to 30 degrees of freedom.
T_STEP = 0.35
#: Share of the precision's distribution that is left out at either end.
T_TAIL = 1e-17

#: How far weights may be from adding up to one.
ROUNDING = 1e-9


@component("prior", "student_t")
@dataclass(frozen=True, slots=True)
class StudentT:
    """Student's t prior for an effect.

    Parameters
    ----------
    df
        Degrees of freedom; > 0.
    mean, scale
        Centre and scale on the analysis scale; scale > 0.

    References
    ----------
    .. [1] Bartos et al. (2021), Statistics in Medicine 40:6743-6762, doi:10.1002/sim.9170: t priors
       of effects by field and measure.
    """

    df: float
    mean: float = 0.0
    scale: float = 1.0

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = False
    support: ClassVar[tuple[float, float]] = LINE
    tail_rate: ClassVar[float] = 0.0
    scales: ClassVar[tuple[str, ...]] = ("scale",)

    def __post_init__(self) -> None:
        _positive(self.df, "df")
        _positive(self.scale, "scale")
        _finite(self.mean, "mean")

    @property
    def tail_power(self) -> float:
        return self.df + 1.0

    def logpdf(self, x: ArrayLike) -> Array:
        z = (np.asarray(x, dtype=np.float64) - self.mean) / self.scale
        half = 0.5 * self.df
        constant = math.lgamma(half + 0.5) - math.lgamma(half) - 0.5 * math.log(self.df * math.pi)
        return np.asarray(constant - math.log(self.scale) - (half + 0.5) * np.log1p(z**2 / self.df))

    def ppf(self, q: ArrayLike) -> Array:
        return np.asarray(
            self.mean + self.scale * special.stdtrit(self.df, np.asarray(q, dtype=np.float64))
        )

    def pymc(self, name: str) -> "TensorVariable":
        import pymc as pm  # noqa: PLC0415

        return pm.StudentT(name, nu=self.df, mu=self.mean, sigma=self.scale)

    @property
    def normals(self) -> NormalParts:
        """See `Prior`: precision / scale^-2 is gamma(df / 2, rate df / 2)."""
        half = 0.5 * self.df
        # The lower tail of a gamma distribution is x^half / gamma(half + 1).
        low = (math.log(T_TAIL) + math.lgamma(half + 1.0)) / half
        high = math.log(special.gammainccinv(half, T_TAIL))
        step = T_STEP / math.sqrt(1.0 + 0.5 * half)
        u = np.linspace(low, high, math.ceil((high - low) / step) + 1)
        log = half * u - np.exp(u)
        spread = self.scale * np.sqrt(half * np.exp(-u))
        return NormalParts(log - special.logsumexp(log), np.full(len(u), self.mean), spread)


@component("prior", "normal_mixture")
@dataclass(frozen=True, slots=True)
class NormalMixture:
    """A few normals with weights, e.g. a meta-analytic-predictive prior made robust.

    Parameters
    ----------
    weights
        Each in (0, 1]; they add up to one.
    means, sds
        On the analysis scale, one for each weight; sds > 0.
    """

    weights: tuple[float, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = False
    support: ClassVar[tuple[float, float]] = LINE
    scales: ClassVar[tuple[str, ...]] = ()
    tail_power: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        if not self.weights or not len(self.weights) == len(self.means) == len(self.sds):
            raise SpecError(
                f"weights, means and sds must be equally many and at least one; found "
                f"{len(self.weights)}, {len(self.means)} and {len(self.sds)}."
            )
        for mean, sd in zip(self.means, self.sds, strict=True):
            _positive(sd, "sds")
            _finite(mean, "means")
        if min(self.weights) <= 0 or abs(sum(self.weights) - 1.0) > ROUNDING:
            raise SpecError(
                f"weights must be positive and add up to 1; found {sum(self.weights)!r}."
            )

    @property
    def tail_rate(self) -> float:
        return 0.5 / max(self.sds) ** 2

    def logpdf(self, x: ArrayLike) -> Array:
        log_weight, mean, sd = self.normals
        z = (np.asarray(x, dtype=np.float64)[..., None] - mean) / sd
        each = log_weight - 0.5 * z**2 - np.log(sd) - 0.5 * math.log(2 * math.pi)
        return np.asarray(special.logsumexp(each, axis=-1))

    def ppf(self, q: ArrayLike) -> Array:
        log_weight, mean, sd = self.normals
        share = np.exp(log_weight)
        low, high = float(np.min(mean - 40.0 * sd)), float(np.max(mean + 40.0 * sd))

        def one(level: float) -> float:
            if level <= 0.0 or level >= 1.0:
                return math.copysign(math.inf, level - 0.5)
            found = scipy.optimize.brentq(
                lambda x: float(share @ special.ndtr((x - mean) / sd)) - level, low, high
            )
            return float(found)

        levels = np.asarray(q, dtype=np.float64)
        return np.array([one(float(level)) for level in levels.reshape(-1)]).reshape(levels.shape)

    def pymc(self, name: str) -> "TensorVariable":
        import pymc as pm  # noqa: PLC0415

        return pm.NormalMixture(
            name, w=np.array(self.weights), mu=np.array(self.means), sigma=np.array(self.sds)
        )

    @property
    def normals(self) -> NormalParts:
        return NormalParts(np.log(self.weights), np.array(self.means), np.array(self.sds))


def __dir__() -> list[str]:
    """Complete to priors."""
    return names(__name__)
