"""Effects of small studies: estimates that grow with their standard errors, which effects do not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import Prior, normal
from bayesrtw.model.selection import sign_of, undirected
from bayesrtw.model.term import Carried, Contribution, Facts, Fixed, Hyper, Noise
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]

#: Largest over smallest standard error below which a slope on it is the prior's: simulations of PET and PEESE
#: begin at about this range (Stanley 2017, doi:10.1177/1948550617693062).
RANGE = 3.0


class _Slope(Protocol):
    """Estimates that grow with their standard errors to a power."""

    prior: Prior
    towards: Literal["", "higher", "lower"]
    name: str
    _power: ClassVar[int]
    _said: ClassVar[str]

    def __post_init__(self) -> None:
        if normal(self.prior) is None and not (self.prior.positive and self.prior.proper):
            raise SpecError("prior of a slope on standard errors is normal, or proper on [0, inf).")
        if not self.name.isidentifier():
            raise SpecError(f"name is {self.name!r}; use letters, digits and underscores.")

    @property
    def facts(self) -> Facts:
        return Facts()

    def faults(self, evidence: Evidence) -> list[str]:
        return [] if self.towards or evidence.benefit else [undirected(evidence)]

    def findings(self, evidence: Evidence) -> list[Finding]:
        return _findings(evidence, self._said)

    def hyper(self) -> Mapping[str, Hyper]:
        return (
            {self.name: Hyper(self.prior, "slope", setting="prior")} if self.prior.positive else {}
        )

    def gaussian(self, evidence: Evidence) -> Noise:
        return _noise(self.prior, self.name, _column(self.towards, evidence, self._power))

    def pymc(self, evidence: Evidence) -> Contribution:
        return _twin(self.prior, self.name, _column(self.towards, evidence, self._power))


@component("term", "pet")
@dataclass(frozen=True, slots=True)
class Pet(_Slope):
    """Estimates that grow in proportion to their standard errors: ``y_i = theta_i + b s_i + e_i``.

    What is reported of effects, the pooled mean and a new setting, is at a standard error of 0. It is the
    precision-effect test [1]_ [2]_ as a term: small studies differ for many reasons, and unpublished ones are
    one of them.

    Parameters
    ----------
    prior
        Of b: on [0, inf), so that small studies can only exaggerate, or normal. ``half_cauchy`` with scale 1
        in RoBMA. [2]_ No unit: effects over standard errors.
    towards
        In which direction results are exaggerated, ``higher`` or ``lower`` on the analysis scale; empty takes
        the direction of benefit that the evidence states.
    name
        What b is called in results.

    References
    ----------
    .. [1] Stanley TD, Doucouliagos H (2014), Research Synthesis Methods 5:60-78, doi:10.1002/jrsm.1095.
    .. [2] Bartos F, Maier M, Wagenmakers E-J, Doucouliagos H, Stanley TD (2023), Research Synthesis Methods
       14:99-116, doi:10.1002/jrsm.1594.
    """

    prior: Prior
    towards: Literal["", "higher", "lower"] = ""
    name: str = "pet"

    _power: ClassVar[int] = 1
    _said: ClassVar[str] = "their standard errors"


@component("term", "peese")
@dataclass(frozen=True, slots=True)
class Peese(_Slope):
    """Estimates that grow with the square of their standard errors: ``y_i = theta_i + b s_i^2 + e_i``.

    As `Pet`, with a slope that vanishes faster where studies are large: nearer to what a selection by P
    values does where the effect is not zero. [1]_

    Parameters
    ----------
    prior
        Of b: on [0, inf), so that small studies can only exaggerate, or normal. ``half_cauchy`` with scale 5
        in RoBMA, for standardised mean differences. [1]_ Its unit is one over that of effects.
    towards
        In which direction results are exaggerated, ``higher`` or ``lower`` on the analysis scale; empty takes
        the direction of benefit that the evidence states.
    name
        What b is called in results.

    References
    ----------
    .. [1] Bartos F, Maier M, Wagenmakers E-J, Doucouliagos H, Stanley TD (2023), Research Synthesis Methods
       14:99-116, doi:10.1002/jrsm.1594.
    """

    prior: Prior
    towards: Literal["", "higher", "lower"] = ""
    name: str = "peese"

    _power: ClassVar[int] = 2
    _said: ClassVar[str] = "the squares of their standard errors"


def _column(towards: str, evidence: Evidence, power: int) -> Array:
    """Give standard errors as printed, to a power, in the direction of the exaggeration."""
    se = np.asarray(evidence.data["se"].to_numpy(), dtype=np.float64)
    return np.asarray(sign_of(towards, evidence) * se**power)


def _findings(evidence: Evidence, what: str) -> list[Finding]:
    se = np.asarray(evidence.data["se"].to_numpy(), dtype=np.float64)
    text = (
        f"Estimates may grow with {what}; effects that are reported are at a standard error of 0."
    )
    found = [Finding("small-studies", "note", text)]
    ratio = float(se.max() / se.min())
    if ratio < RANGE:
        text = (
            f"The largest standard error is {ratio:.2g} times the smallest; below {RANGE:g} a slope on "
            "standard errors is the prior's, and so is how far the pooled mean is moved."
        )
        found.append(Finding("small-studies-alike", "warning", text))
    return found


def _noise(prior: Prior, name: str, column: Array) -> Noise:
    zero = np.zeros(len(column))
    if prior.positive:
        return Noise(zero, zero, zero + 1.0, shift=(Carried(name, column),))
    mean, sd = normal(prior) or (0.0, 1.0)
    common = Fixed(
        columns=column[:, None],
        mean=np.array([mean]),
        precision=np.array([sd**-2.0]),
        labels=(name,),
        combine=np.ones((1, 1)),
    )
    return Noise(zero, zero, zero + 1.0, common)


def _twin(prior: Prior, name: str, column: Array) -> Contribution:
    import pytensor.tensor as pt  # noqa: PLC0415

    slope: TensorVariable = prior.pymc(name if prior.positive else f"beta_{name}")
    reported = None if prior.positive else slope[None]
    return Contribution(pt.zeros(len(column)), reported, bias=pt.as_tensor_variable(column) * slope)
