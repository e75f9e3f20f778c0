"""Estimates that scatter with heavier tails than a normal, in one file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.likelihood import Offers
from bayesrtw.model.mixture_prior import StudentT as Parts
from bayesrtw.model.observation import Mixed
from bayesrtw.model.prior import Prior
from bayesrtw.model.sampled import see
from bayesrtw.model.term import Allocation
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable


@component("likelihood", "student_t")
@dataclass(frozen=True, slots=True)
class HeavyTails:
    """Estimates around their effects as Student's t, scaled by their standard errors.

    ``y_i = theta_i + s_i e_i`` with ``e_i ~ t(nu)``: an estimate far from the others draws them less. [1]_

    Parameters
    ----------
    nu
        Degrees of freedom, above 2; known, because single estimates cannot tell it.

    References
    ----------
    .. [1] Lange KL, Little RJA, Taylor JMG (1989). J Am Stat Assoc 84:881-896.
    """

    nu: float = 4.0

    def __post_init__(self) -> None:
        if not self.nu > 2:
            raise SpecError(f"nu must lie above 2, so that a variance exists; found {self.nu!r}.")

    @property
    def offers(self) -> Offers:
        """Nothing that not every likelihood can."""
        return Offers()

    @property
    def correlation(self) -> None:
        """Sampling errors are independent."""

    @property
    def clustering(self) -> None:
        """Standard errors are taken as they are."""

    def columns(self) -> tuple[str, ...]:
        """Columns whose gaps are faults before any fit."""
        return ("effect", "se")

    def hyper(self) -> Mapping[str, Prior]:
        """Give none: it has no unknown of its own."""
        return {}

    def observe(self, evidence: Evidence) -> Mixed:
        """Write t as a mixture of normals, whose precisions are gamma."""
        effect, se = (evidence.data[name].to_numpy().astype(float) for name in ("effect", "se"))
        log_weight, _, sd = Parts(self.nu).normals
        return Mixed(effect, se, log_weight, np.square(sd))

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add the observed variable to the PyMC model in context."""
        import pymc as pm  # noqa: PLC0415

        se = pm.Data("se_data", evidence.data["se"].to_numpy())
        seen = pm.Data("effect_data", evidence.data["effect"].to_numpy())

        def logp(value: "TensorVariable", theta: "TensorVariable") -> "TensorVariable":
            return pm.logp(pm.StudentT.dist(nu=self.nu, mu=theta, sigma=se), value)

        see("student_t", eta, allocations, logp, seen)
