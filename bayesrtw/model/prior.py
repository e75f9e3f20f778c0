"""Prior distributions: values with a log density, a quantile function and a PyMC twin.

A prior never sees an effect. Densities are normalised where they are proper, so that log evidence
is meaningful; improper ones say so. Rules ask what a prior states of itself, never its class.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.model.contract import HALF_LINE, LINE, UNIT, NormalParts
from bayesrtw.model.contract import Prior as Prior  # noqa: PLC0414 - exported from here too
from bayesrtw.model.homes import find, names
from bayesrtw.registry import component, kind_of

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]

#: Logarithm of two: half distributions have twice the density of their parents.
LOG2 = math.log(2.0)


#: Scales outside these have squares that are no double; no measure of the field comes near.
SMALLEST, LARGEST = 1e-100, 1e100


def _variable(family: str, name: str, *settings: float, **named: float) -> "TensorVariable":
    """Add a variable of a family of PyMC to the model in context."""
    import pymc  # noqa: PLC0415 - it takes seconds to load

    found: TensorVariable = getattr(pymc, family)(name, *settings, **named)
    return found


def _finite(value: float, name: str) -> None:
    if not math.isfinite(value):
        raise SpecError(f"{name} must be finite; found {value!r}.")


def _positive(value: float, name: str) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise SpecError(f"{name} must be positive and finite; found {value!r}.")
    if not SMALLEST <= value <= LARGEST:
        raise SpecError(f"{name} must lie between {SMALLEST:g} and {LARGEST:g}; found {value!r}.")


def _on_half_line(x: ArrayLike, logpdf: Any) -> Array:
    values = np.asarray(x, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        inside = logpdf(np.where(values >= 0, values, 1.0))
    return np.where(values >= 0, inside, -np.inf)


@component("prior", "normal")
@dataclass(frozen=True, slots=True)
class Normal:
    """Normal prior for an effect or a coefficient.

    Parameters
    ----------
    mean, sd
        On the analysis scale; sd > 0.
    """

    mean: float = 0.0
    sd: float = 1.0

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = False
    support: ClassVar[tuple[float, float]] = LINE
    scales: ClassVar[tuple[str, ...]] = ("sd",)
    tail_power: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        _positive(self.sd, "sd")
        _finite(self.mean, "mean")

    @property
    def tail_rate(self) -> float:
        return 0.5 / self.sd**2

    @property
    def normals(self) -> NormalParts:
        return NormalParts(np.zeros(1), np.array([self.mean]), np.array([self.sd]))

    def logpdf(self, x: ArrayLike) -> Array:
        z = (np.asarray(x, dtype=np.float64) - self.mean) / self.sd
        return np.asarray(-0.5 * (z**2 + math.log(2 * math.pi)) - math.log(self.sd))

    def ppf(self, q: ArrayLike) -> Array:
        return np.asarray(self.mean + self.sd * special.ndtri(np.asarray(q, dtype=np.float64)))

    def pymc(self, name: str) -> "TensorVariable":
        return _variable("Normal", name, self.mean, self.sd)


@component("prior", "flat")
@dataclass(frozen=True, slots=True)
class Flat:
    """Improper uniform prior on the real line, density 1."""

    proper: ClassVar[bool] = False
    positive: ClassVar[bool] = False
    support: ClassVar[tuple[float, float]] = LINE
    tail_rate: ClassVar[float] = 0.0
    scales: ClassVar[tuple[str, ...]] = ()
    tail_power: ClassVar[float] = 0.0

    @property
    def normals(self) -> NormalParts:
        return NormalParts(np.zeros(1), np.array([0.0]), np.array([math.inf]))

    def logpdf(self, x: ArrayLike) -> Array:
        return np.zeros_like(np.asarray(x, dtype=np.float64))

    def ppf(self, q: ArrayLike) -> Array:  # noqa: ARG002
        return _no_quantiles(self)

    def pymc(self, name: str) -> "TensorVariable":
        return _variable("Flat", name)


@component("prior", "half_normal")
@dataclass(frozen=True, slots=True)
class HalfNormal:
    """Half-normal prior for a standard deviation.

    Parameters
    ----------
    scale
        Scale of the parent normal, on the analysis scale; > 0. Median 0.674 scale.
    """

    scale: float

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = True
    support: ClassVar[tuple[float, float]] = HALF_LINE
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ("scale",)
    tail_power: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        _positive(self.scale, "scale")

    @property
    def tail_rate(self) -> float:
        return 0.5 / self.scale**2

    def logpdf(self, x: ArrayLike) -> Array:
        constant = LOG2 - 0.5 * math.log(2 * math.pi) - math.log(self.scale)
        return _on_half_line(x, lambda v: constant - 0.5 * (v / self.scale) ** 2)

    def ppf(self, q: ArrayLike) -> Array:
        return np.asarray(self.scale * special.ndtri(0.5 + 0.5 * np.asarray(q, dtype=np.float64)))

    def pymc(self, name: str) -> "TensorVariable":
        return _variable("HalfNormal", name, self.scale)


@component("prior", "half_student_t")
@dataclass(frozen=True, slots=True)
class HalfStudentT:
    """Half-t prior for a standard deviation.

    Parameters
    ----------
    df
        Degrees of freedom; > 0.
    scale
        On the analysis scale; > 0.
    """

    df: float
    scale: float

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = True
    support: ClassVar[tuple[float, float]] = HALF_LINE
    tail_rate: ClassVar[float] = 0.0
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ("scale",)

    def __post_init__(self) -> None:
        _positive(self.df, "df")
        _positive(self.scale, "scale")

    @property
    def tail_power(self) -> float:
        return self.df + 1.0

    def logpdf(self, x: ArrayLike) -> Array:
        nu = self.df
        constant = (
            LOG2
            + math.lgamma((nu + 1) / 2)
            - math.lgamma(nu / 2)
            - 0.5 * math.log(nu * math.pi)
            - math.log(self.scale)
        )
        return _on_half_line(
            x, lambda v: constant - (nu + 1) / 2 * np.log1p((v / self.scale) ** 2 / nu)
        )

    def ppf(self, q: ArrayLike) -> Array:
        upper = 0.5 + 0.5 * np.asarray(q, dtype=np.float64)
        return np.asarray(self.scale * special.stdtrit(self.df, upper))

    def pymc(self, name: str) -> "TensorVariable":
        return _variable("HalfStudentT", name, nu=self.df, sigma=self.scale)


@component("prior", "half_cauchy")
@dataclass(frozen=True, slots=True)
class HalfCauchy:
    """Half-Cauchy prior for a standard deviation.

    Parameters
    ----------
    scale
        Its median, on the analysis scale; > 0.
    """

    scale: float

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = True
    support: ClassVar[tuple[float, float]] = HALF_LINE
    tail_rate: ClassVar[float] = 0.0
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ("scale",)
    tail_power: ClassVar[float] = 2.0

    def __post_init__(self) -> None:
        _positive(self.scale, "scale")

    def logpdf(self, x: ArrayLike) -> Array:
        constant = LOG2 - math.log(math.pi * self.scale)
        return _on_half_line(x, lambda v: constant - np.log1p((v / self.scale) ** 2))

    def ppf(self, q: ArrayLike) -> Array:
        return np.asarray(self.scale * np.tan(0.5 * math.pi * np.asarray(q, dtype=np.float64)))

    def pymc(self, name: str) -> "TensorVariable":
        return _variable("HalfCauchy", name, self.scale)


@component("prior", "exponential")
@dataclass(frozen=True, slots=True)
class Exponential:
    """Exponential prior for a standard deviation.

    Parameters
    ----------
    scale
        Its mean (1 / rate), on the analysis scale; > 0.
    """

    scale: float

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = True
    support: ClassVar[tuple[float, float]] = HALF_LINE
    tail_rate: ClassVar[float] = 0.0
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ("scale",)
    tail_power: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        _positive(self.scale, "scale")

    def logpdf(self, x: ArrayLike) -> Array:
        return _on_half_line(x, lambda v: -math.log(self.scale) - v / self.scale)

    def ppf(self, q: ArrayLike) -> Array:
        return np.asarray(-self.scale * np.log1p(-np.asarray(q, dtype=np.float64)))

    def pymc(self, name: str) -> "TensorVariable":
        return _variable("Exponential", name, scale=self.scale)


@component("prior", "uniform")
@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform prior for a standard deviation on [0, upper].

    Parameters
    ----------
    upper
        Upper end, on the analysis scale; > 0.
    """

    upper: float

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = True
    tail_rate: ClassVar[float] = math.inf
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ("upper",)
    tail_power: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        _positive(self.upper, "upper")

    @property
    def support(self) -> tuple[float, float]:
        return 0.0, self.upper

    def logpdf(self, x: ArrayLike) -> Array:
        return _on_half_line(x, lambda v: np.where(v <= self.upper, -math.log(self.upper), -np.inf))

    def ppf(self, q: ArrayLike) -> Array:
        return self.upper * np.asarray(q, dtype=np.float64)

    def pymc(self, name: str) -> "TensorVariable":
        return _variable("Uniform", name, 0.0, self.upper)


@component("prior", "log_normal")
@dataclass(frozen=True, slots=True)
class LogNormal:
    """Log-normal prior for a standard deviation.

    Parameters
    ----------
    mean_log, sd_log
        Mean and SD of the logarithm of the *standard deviation* (halve the values of a paper that
        states them for the variance); sd_log > 0.
    """

    mean_log: float
    sd_log: float

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = True
    support: ClassVar[tuple[float, float]] = HALF_LINE
    tail_rate: ClassVar[float] = 0.0
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ()
    tail_power: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        _positive(self.sd_log, "sd_log")
        _finite(self.mean_log, "mean_log")

    def logpdf(self, x: ArrayLike) -> Array:
        constant = -0.5 * math.log(2 * math.pi) - math.log(self.sd_log)

        def inside(v: Array) -> Array:
            log = np.log(v)
            return np.where(
                v > 0, constant - log - 0.5 * ((log - self.mean_log) / self.sd_log) ** 2, -np.inf
            )

        return _on_half_line(x, inside)

    def ppf(self, q: ArrayLike) -> Array:
        return np.asarray(
            np.exp(self.mean_log + self.sd_log * special.ndtri(np.asarray(q, dtype=np.float64)))
        )

    def pymc(self, name: str) -> "TensorVariable":
        return _variable("LogNormal", name, self.mean_log, self.sd_log)


#: Below this an SD is nothing. A log-t prior of published spread has 1e-10 of its mass there.
NOTHING = 1e-125


@component("prior", "log_student_t")
@dataclass(frozen=True, slots=True)
class LogStudentT:
    """Log-Student-t prior for a standard deviation: its logarithm has a t distribution.

    Its density is not bounded at 0 and its tail is so heavy that it has no moments.

    Parameters
    ----------
    df
        Degrees of freedom; > 0.
    location, scale
        Of the logarithm of the *standard deviation* (halve the values of a paper that states them for
        the variance); scale > 0.
    """

    df: float
    location: float
    scale: float

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = True
    support: ClassVar[tuple[float, float]] = HALF_LINE
    tail_rate: ClassVar[float] = 0.0
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ()
    #: The density falls as 1 / x, times a power of log(x).
    tail_power: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        _positive(self.df, "df")
        _positive(self.scale, "scale")
        _finite(self.location, "location")

    def logpdf(self, x: ArrayLike) -> Array:
        nu = self.df
        constant = (
            math.lgamma((nu + 1) / 2)
            - math.lgamma(nu / 2)
            - 0.5 * math.log(nu * math.pi)
            - math.log(self.scale)
        )

        def inside(v: Array) -> Array:
            log = np.log(np.maximum(v, NOTHING))
            z = (log - self.location) / self.scale
            return np.where(
                v > NOTHING, constant - log - (nu + 1) / 2 * np.log1p(z**2 / nu), -np.inf
            )

        return _on_half_line(x, inside)

    def ppf(self, q: ArrayLike) -> Array:
        z = special.stdtrit(self.df, np.asarray(q, dtype=np.float64))
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(self.location + self.scale * z))

    def pymc(self, name: str) -> "TensorVariable":
        import pymc as pm  # noqa: PLC0415

        log = pm.StudentT(f"log_{name}", nu=self.df, mu=self.location, sigma=self.scale)
        return pm.Deterministic(name, pm.math.exp(log))


@component("prior", "inverse_gamma")
@dataclass(frozen=True, slots=True)
class InverseGamma:
    """Inverse-gamma prior for a standard deviation (not for the variance).

    Parameters
    ----------
    shape, scale
        Both > 0; scale on the analysis scale. Mean scale / (shape - 1) where shape > 1.
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
        constant = self.shape * math.log(self.scale) - math.lgamma(self.shape)
        return _on_half_line(
            x,
            lambda v: np.where(
                v > 0, constant - (self.shape + 1) * np.log(v) - self.scale / v, -np.inf
            ),
        )

    def ppf(self, q: ArrayLike) -> Array:
        return np.asarray(self.scale / special.gammainccinv(self.shape, np.asarray(q)))

    def pymc(self, name: str) -> "TensorVariable":
        return _variable("InverseGamma", name, alpha=self.shape, beta=self.scale)


@component("prior", "beta")
@dataclass(frozen=True, slots=True)
class Beta:
    """Beta prior for a probability or a correlation in (0, 1).

    Parameters
    ----------
    a, b
        Both > 0; mean a / (a + b), the weight of a + b observations.
    """

    a: float
    b: float

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = False
    support: ClassVar[tuple[float, float]] = UNIT
    tail_rate: ClassVar[float] = math.inf
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ()
    tail_power: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        _positive(self.a, "a")
        _positive(self.b, "b")

    def logpdf(self, x: ArrayLike) -> Array:
        values = np.asarray(x, dtype=np.float64)
        inside = (values > 0) & (values < 1)
        v = np.where(inside, values, 0.5)
        log = (self.a - 1) * np.log(v) + (self.b - 1) * np.log1p(-v)
        return np.where(inside, log - special.betaln(self.a, self.b), -np.inf)

    def ppf(self, q: ArrayLike) -> Array:
        return np.asarray(special.betaincinv(self.a, self.b, np.asarray(q, dtype=np.float64)))

    def pymc(self, name: str) -> "TensorVariable":
        return _variable("Beta", name, self.a, self.b)


def _no_quantiles(prior: object) -> Array:
    raise SpecError(
        f"prior {kind_of(prior)!r} is improper and has no quantiles; choose a proper prior to "
        "simulate from it."
    )


def refuse_pymc(prior: object) -> "TensorVariable":
    """Say that a prior has no PyMC twin."""
    raise EngineRefusal(
        f'Nuts has no prior {kind_of(prior)!r}; use engine = {{ kind = "exact" }} or another prior.'
    )


def __dir__() -> list[str]:
    """Complete to priors."""
    return names(__name__)


if not TYPE_CHECKING:  # so that a wrong name stays an error of types

    def __getattr__(name: str) -> type:
        return find(name, __name__)
