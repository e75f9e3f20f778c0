"""Estimates that are seen if a latent propensity, which goes with their errors, is high enough."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import EngineRefusal, Finding, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import as_reported
from bayesrtw.model.curves import Curves, curves
from bayesrtw.model.likelihood import Offers
from bayesrtw.model.sampled import see
from bayesrtw.model.selection import sign_of, undirected
from bayesrtw.model.term import Allocation, Hyper
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]

#: Correlations beyond which the likelihood of one study is an edge that no sum of normals follows.
MOST = 0.99
LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True)
class SeenEstimate:
    """An estimate that was seen; see `bayesrtw.model.curves.OneStudy`."""

    name: str  #: How messages call it.
    #: effect, se: analysis scale.
    effect: float
    se: float
    propensity: float  #: Mean of the latent propensity; it is seen where that is above 0.
    rho: float  #: Correlation of propensity and sampling error, with the sign of what is favoured.

    def log(self, theta: Array) -> Array:
        """See `OneStudy`: the density of what is seen."""
        z = (self.effect - theta) / self.se
        seen = (self.propensity + self.rho * z) / math.sqrt(1.0 - self.rho**2)
        known = log_ndtr(self.propensity) + math.log(self.se) + 0.5 * LOG_2PI
        return np.asarray(log_ndtr(seen) - 0.5 * z * z - known)

    def deep(self, theta: Array) -> Array:
        """See `OneStudy`: `log` is right everywhere."""
        return self.log(theta)

    def reports(self, theta: Array) -> tuple[Array, Array]:  # noqa: ARG002
        """See `OneStudy`."""
        raise EngineRefusal(
            "what a study would report that is seen by the model of Copas is not worked out; hold studies "
            "against each other under the normal likelihood."
        )


@component("likelihood", "copas")
@dataclass(frozen=True, slots=True, kw_only=True)
class Copas:
    """Normal estimates that are seen with a probability that hangs on their precision and their error.

    ``y_i = theta_i + s_i e_i`` is seen where ``z_i = g0 + g1 / s_i + d_i > 0``, with ``e_i`` and ``d_i``
    standard normal and of correlation rho in the favoured direction. [1]_ [2]_ Of what is seen the density
    given the study's effect is

        N(y_i; theta_i, s_i^2) Phi((u_i + rho (y_i - theta_i) / s_i) / sqrt(1 - rho^2)) / Phi(u_i),

    ``u_i = g0 + g1 / s_i``. Reported standard errors are taken for those before the selection. [3]_ Where
    rows keep a share of their information (`Discount`), their ``s_i^2`` is divided by it and ``u_i`` stays:
    they were seen by what they report. The data tell the three numbers next to nothing of each other: they
    are stated, as chances that a precise and an imprecise study are seen, and varied (`bayesrtw.severity`
    with a correlation).

    Parameters
    ----------
    small
        Chance that a study of the largest standard error is seen, in (0, 1).
    rho
        Correlation, in [0, 0.99].
    large
        Chance that a study of the smallest standard error is seen, in (0, 1), not below `small`.
    errors
        These standard errors, the smallest first; those of the rows unless given.
    towards
        Which results are favoured, ``higher`` or ``lower`` on the analysis scale; empty takes the direction
        of benefit that the evidence states.

    Raises
    ------
    SpecError
        If a number lies outside its range.

    References
    ----------
    .. [1] Copas JB (1999), Journal of the Royal Statistical Society A 162:95-109,
       doi:10.1111/1467-985X.00123.
    .. [2] Copas J, Shi JQ (2001), Statistical Methods in Medical Research 10:251-265,
       doi:10.1177/096228020101000402.
    .. [3] Mavridis D, Sutton A, Cipriani A, Salanti G (2013), Statistics in Medicine 32:51-66,
       doi:10.1002/sim.5494: stated in the chances of large and small studies.

    Examples
    --------
    >>> Copas(small=0.4, rho=0.9).large
    0.99
    """

    small: float
    rho: float
    large: float = 0.99
    errors: tuple[float, ...] = ()
    towards: Literal["", "higher", "lower"] = ""

    def __post_init__(self) -> None:
        if not 0 < self.small <= self.large < 1:
            raise SpecError(
                "small and large are chances of being seen in (0, 1), and precise studies are seen at least "
                f"as often; found {self.small!r} and {self.large!r}."
            )
        if not 0 <= self.rho <= MOST:
            raise SpecError(f"rho must lie in [0, {MOST}]; found {self.rho!r}.")
        ends = self.errors
        if ends and not (len(ends) == 2 and 0 < ends[0] < ends[1] < math.inf):
            raise SpecError(f"errors are two standard errors, the smaller first; found {ends!r}.")

    @property
    def offers(self) -> Offers:
        """See `Likelihood`."""
        return Offers(inspects=self)

    @property
    def correlation(self) -> None:
        """Sampling errors are independent."""

    @property
    def clustering(self) -> None:
        """Standard errors are taken as they are."""

    def columns(self) -> tuple[str, ...]:
        """Columns whose gaps are faults before any fit."""
        return ("effect", "se")

    def hyper(self) -> Mapping[str, Hyper]:
        """Give none: its numbers are stated."""
        return {}

    def hears(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Take no row without an estimate or a standard error."""
        return np.zeros(evidence.size, dtype=bool)

    def faults(self, evidence: Evidence) -> list[str]:
        """Say what stands in the way; empty if nothing does."""
        found = [] if self.towards or evidence.benefit else [undirected(evidence)]
        se = _numbers(evidence, "se")
        if not self.errors and not np.ptp(se[np.isfinite(se)]) > 0 and self.small < self.large:
            found.append(
                f"{evidence.where}: all standard errors are alike, so that no study is smaller than another; "
                "state errors of the likelihood 'copas', or the same chance for both."
            )
        return found

    def findings(self, evidence: Evidence) -> list[Finding]:
        """Say what is assumed."""
        low, high = self._ends(evidence)
        text = (
            "Selection by the model of Copas, stated and not estimated: a study with standard error "
            f"{low:.3g} is seen with probability {self.large:g}, one with {high:.3g} with {self.small:g}; "
            f"correlation with the sampling error {self.rho:g}."
        )
        return [Finding("selection", "note", text)]

    def _ends(self, evidence: Evidence) -> tuple[float, float]:
        se = _numbers(as_reported(evidence), "se")
        return (
            (self.errors[0], self.errors[1]) if self.errors else (float(se.min()), float(se.max()))
        )

    def _propensity(self, evidence: Evidence) -> Array:
        """Mean of each row's propensity, linear in the precision it reports, shape (estimate,)."""
        low, high = self._ends(evidence)
        top, bottom = ndtri(self.large), ndtri(self.small)
        if self.small == self.large:
            return np.full(evidence.size, top)
        slope = (top - bottom) / (1.0 / low - 1.0 / high)
        return np.asarray(top + slope * (1.0 / _numbers(as_reported(evidence), "se") - 1.0 / low))

    def _sign(self, evidence: Evidence) -> float:
        return sign_of(self.towards, evidence)

    def observe(self, evidence: Evidence) -> Curves:
        """Give the likelihood of each effect, seen through the selection."""
        effect, se = _numbers(evidence, "effect"), _numbers(evidence, "se")
        names, rho = evidence.data[ESTIMATE].to_numpy(), self._sign(evidence) * self.rho
        numbers = (each.tolist() for each in (effect, se, self._propensity(evidence)))
        units = [
            SeenEstimate(str(name), at, error, propensity, rho)
            for name, at, error, propensity in zip(names, *numbers, strict=True)
        ]
        return replace(curves(units, effect, se), weaker=_weaker)

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add the observed variable to the PyMC model in context."""
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        se = pm.Data("se_data", _numbers(evidence, "se"))
        propensity = pm.Data("propensity_data", self._propensity(evidence))
        rho = self._sign(evidence) * self.rho

        def normal(x: "TensorVariable") -> "TensorVariable":
            return pm.logcdf(pm.Normal.dist(0.0, 1.0), x)

        def logp(value: "TensorVariable", theta: "TensorVariable") -> "TensorVariable":
            z = (value - theta) / se
            seen = normal((propensity + rho * z) / math.sqrt(1.0 - rho**2)) - normal(propensity)
            return seen - 0.5 * (z * z + LOG_2PI) - pt.log(se)

        seen = pm.Data("effect_data", _numbers(evidence, "effect"))
        see("copas", eta, allocations, logp, seen)


def _weaker(units: Sequence[SeenEstimate], share: Array) -> list[SeenEstimate]:
    """Let errors be larger than reported."""
    pairs = zip(units, share.tolist(), strict=True)
    return [replace(unit, se=unit.se / math.sqrt(kept)) for unit, kept in pairs]


def _numbers(evidence: Evidence, name: str) -> Array:
    return np.asarray(evidence.data[name].to_numpy(), dtype=np.float64)
