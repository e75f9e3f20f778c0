"""A prior for correlations that may be negative."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesrtw.errors import SpecError
from bayesrtw.model.prior import Beta
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]


@component("prior", "scaled_beta")
@dataclass(frozen=True, slots=True)
class ScaledBeta:
    """Beta prior for a correlation in (low, 1), such as one that may be negative.

    ``rho = low + (1 - low) x`` with x ~ Beta(a, b). On (-1, 1) a = b = 1 is uniform, and a = b = eta is the
    LKJ prior of two outcomes [1]_. With p outcomes that are all correlated alike, low is -1 / (p - 1).

    Parameters
    ----------
    a, b
        Both > 0.
    low
        Lower end, in [-1, 0].

    Raises
    ------
    SpecError
        If a setting is outside its range.

    References
    ----------
    .. [1] Lewandowski D, Kurowicka D, Joe H (2009). Journal of Multivariate Analysis 100:1989-2001.
       doi:10.1016/j.jmva.2009.04.008

    Examples
    --------
    >>> float(ScaledBeta(2, 2).ppf(0.5))
    0.0
    """

    a: float
    b: float
    low: float = -1.0

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = False
    tail_rate: ClassVar[float] = math.inf
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ()
    tail_power: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        assert self._unit
        if not -1.0 <= self.low <= 0.0:
            raise SpecError(f"low must lie in [-1, 0]; found {self.low!r}.")

    @property
    def _unit(self) -> Beta:
        return Beta(self.a, self.b)

    @property
    def support(self) -> tuple[float, float]:
        return self.low, 1.0

    def logpdf(self, x: ArrayLike) -> Array:
        unit = (np.asarray(x, dtype=np.float64) - self.low) / (1.0 - self.low)
        return self._unit.logpdf(unit) - math.log1p(-self.low)

    def ppf(self, q: ArrayLike) -> Array:
        return self.low + (1.0 - self.low) * self._unit.ppf(q)

    def pymc(self, name: str) -> "TensorVariable":
        import pymc as pm  # noqa: PLC0415

        return pm.Deterministic(name, self.low + (1.0 - self.low) * self._unit.pymc(f"{name}_unit"))
