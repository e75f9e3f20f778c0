"""Reference and shrinkage priors for heterogeneity that other systems offer.

Several depend on the standard errors of the studies at hand, so they are for comparison with those
systems, not for analyses that are registered before the data are complete. None depends on an
effect. Formulas: Roever (2020), *Journal of Statistical Software* 93(6), doi:10.18637/jss.v093.i06.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesrtw.model.contract import HALF_LINE
from bayesrtw.model.prior import _no_quantiles, _on_half_line, _positive, refuse_pymc
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]


@component("prior", "flat_nonnegative")
@dataclass(frozen=True, slots=True)
class FlatNonNegative:
    """Improper uniform prior on [0, inf), density 1."""

    proper: ClassVar[bool] = False
    positive: ClassVar[bool] = True
    support: ClassVar[tuple[float, float]] = HALF_LINE
    tail_rate: ClassVar[float] = 0.0
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ()
    tail_power: ClassVar[float] = 0.0

    def logpdf(self, x: ArrayLike) -> Array:
        return _on_half_line(x, np.zeros_like)

    def ppf(self, q: ArrayLike) -> Array:  # noqa: ARG002
        return _no_quantiles(self)

    def pymc(self, name: str) -> "TensorVariable":
        import pymc as pm  # noqa: PLC0415

        return pm.HalfFlat(name)


@component("prior", "inverse_square_root")
@dataclass(frozen=True, slots=True)
class InverseSquareRoot:
    """Improper prior with density x ** -1/2 (uniform in the square root of the SD)."""

    proper: ClassVar[bool] = False
    positive: ClassVar[bool] = True
    support: ClassVar[tuple[float, float]] = HALF_LINE
    tail_rate: ClassVar[float] = 0.0
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ()
    tail_power: ClassVar[float] = 0.5

    def logpdf(self, x: ArrayLike) -> Array:
        return _on_half_line(x, lambda v: -0.5 * np.log(v))

    def ppf(self, q: ArrayLike) -> Array:  # noqa: ARG002
        return _no_quantiles(self)

    def pymc(self, name: str) -> "TensorVariable":  # noqa: ARG002
        return refuse_pymc(self)


@component("prior", "lomax")
@dataclass(frozen=True, slots=True)
class Lomax:
    """Lomax (shifted Pareto) prior; DuMouchel's prior is Lomax with shape 1.

    Parameters
    ----------
    shape, scale
        Both > 0; scale on the analysis scale, the median where shape is 1.
    """

    shape: float
    scale: float

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = True
    support: ClassVar[tuple[float, float]] = HALF_LINE
    tail_rate: ClassVar[float] = 0.0
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ("scale",)

    def __post_init__(self) -> None:
        _positive(self.shape, "shape")
        _positive(self.scale, "scale")

    @property
    def tail_power(self) -> float:
        return self.shape + 1.0

    def logpdf(self, x: ArrayLike) -> Array:
        constant = math.log(self.shape / self.scale)
        return _on_half_line(x, lambda v: constant - (self.shape + 1) * np.log1p(v / self.scale))

    def ppf(self, q: ArrayLike) -> Array:
        tail = -np.log1p(-np.asarray(q, dtype=np.float64)) / self.shape
        return np.asarray(self.scale * np.expm1(tail))

    def pymc(self, name: str) -> "TensorVariable":  # noqa: ARG002
        return refuse_pymc(self)


@component("prior", "uniform_shrinkage")
@dataclass(frozen=True, slots=True)
class UniformShrinkage:
    """Prior under which scale^2 / (scale^2 + tau^2) is uniform on (0, 1).

    Parameters
    ----------
    scale
        A typical standard error (the harmonic mean of the squared ones, square-rooted), or its
        analogue for I^2; > 0.
    """

    scale: float

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = True
    support: ClassVar[tuple[float, float]] = HALF_LINE
    tail_rate: ClassVar[float] = 0.0
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ("scale",)
    tail_power: ClassVar[float] = 3.0

    def __post_init__(self) -> None:
        _positive(self.scale, "scale")

    def logpdf(self, x: ArrayLike) -> Array:
        s2 = self.scale**2
        return _on_half_line(x, lambda v: np.log(2 * v * s2) - 2 * np.log(s2 + v**2))

    def ppf(self, q: ArrayLike) -> Array:
        p = np.asarray(q, dtype=np.float64)
        return np.asarray(self.scale * np.sqrt(p / (1 - p)))

    def pymc(self, name: str) -> "TensorVariable":  # noqa: ARG002
        return refuse_pymc(self)


def _information(v: Array, se: tuple[float, ...]) -> tuple[Array, Array]:
    """Precisions 1 / (se^2 + v^2) with a last axis over studies, and v with that axis."""
    column = v[..., None]
    return 1.0 / (np.square(se) + column**2), column


class _FromStandardErrors:
    """What the improper priors that use the studies' standard errors share."""

    __slots__ = ()

    proper: ClassVar[bool] = False
    positive: ClassVar[bool] = True
    support: ClassVar[tuple[float, float]] = HALF_LINE
    tail_rate: ClassVar[float] = 0.0
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ()

    def ppf(self, q: ArrayLike) -> Array:  # noqa: ARG002
        return _no_quantiles(self)

    def pymc(self, name: str) -> "TensorVariable":  # noqa: ARG002
        return refuse_pymc(self)


@component("prior", "jeffreys")
@dataclass(frozen=True, slots=True)
class Jeffreys(_FromStandardErrors):
    """Jeffreys' prior for tau, the mean being a location parameter.

    Parameters
    ----------
    se
        Standard errors of the studies.
    """

    se: tuple[float, ...]

    tail_power: ClassVar[float] = 1.0

    def logpdf(self, x: ArrayLike) -> Array:

        def inside(v: Array) -> Array:
            w, column = _information(v, self.se)
            return np.asarray(0.5 * np.log(np.sum((column * w) ** 2, axis=-1)))

        return _on_half_line(x, inside)


@component("prior", "overall_jeffreys")
@dataclass(frozen=True, slots=True)
class OverallJeffreys(_FromStandardErrors):
    """Jeffreys' prior for mean and tau together.

    Parameters
    ----------
    se
        Standard errors of the studies.
    """

    se: tuple[float, ...]

    tail_power: ClassVar[float] = 2.0

    def logpdf(self, x: ArrayLike) -> Array:

        def inside(v: Array) -> Array:
            w, column = _information(v, self.se)
            both = np.sum(w, axis=-1) * np.sum((column * w) ** 2, axis=-1)
            return np.asarray(0.5 * np.log(both))

        return _on_half_line(x, inside)


@component("prior", "berger_deely")
@dataclass(frozen=True, slots=True)
class BergerDeely(_FromStandardErrors):
    """Berger and Deely's prior: geometric mean of tau / (se^2 + tau^2).

    Parameters
    ----------
    se
        Standard errors of the studies.
    """

    se: tuple[float, ...]

    tail_power: ClassVar[float] = 1.0

    def logpdf(self, x: ArrayLike) -> Array:

        def inside(v: Array) -> Array:
            w, column = _information(v, self.se)
            return np.asarray(np.mean(np.log(column * w), axis=-1))

        return _on_half_line(x, inside)


@component("prior", "conventional")
@dataclass(frozen=True, slots=True)
class Conventional(_FromStandardErrors):
    """Conventional prior: geometric mean of tau / (se^2 + tau^2) ** 1.5, not normalised.

    Parameters
    ----------
    se
        Standard errors of the studies.
    """

    se: tuple[float, ...]

    tail_power: ClassVar[float] = 2.0

    def logpdf(self, x: ArrayLike) -> Array:

        def inside(v: Array) -> Array:
            w, column = _information(v, self.se)
            return np.asarray(np.mean(np.log(column * w**1.5), axis=-1))

        return _on_half_line(x, inside)
