"""How an estimate scatters around its study's effect."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bayesrtw.evidence.table import Evidence
from bayesrtw.registry import component, role

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable


@role("likelihood")
class Likelihood(Protocol):
    """What every likelihood offers."""

    @property
    def gaussian(self) -> bool:
        """Whether estimates are normal given their mean, with known variance."""

    def columns(self) -> tuple[str, ...]:
        """Give the columns of the evidence that it reads."""

    def pymc(self, eta: "TensorVariable", evidence: Evidence) -> None:
        """Add the observed variable to the PyMC model in context."""


@component("likelihood", "normal")
@dataclass(frozen=True, slots=True)
class Normal:
    """Estimates normal around their effects with known standard errors."""

    @property
    def gaussian(self) -> bool:
        """See `Likelihood`."""
        return True

    def columns(self) -> tuple[str, ...]:
        """See `Likelihood`."""
        return ("effect", "se")

    def pymc(self, eta: "TensorVariable", evidence: Evidence) -> None:
        """See `Likelihood`."""
        import pymc as pm  # noqa: PLC0415

        effect = pm.Data("effect_data", evidence.data["effect"].to_numpy())
        se = pm.Data("se_data", evidence.data["se"].to_numpy())
        pm.Normal("effect", eta, se, observed=effect)
