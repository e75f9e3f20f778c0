"""A likelihood in one file: estimates of which a few have much larger errors than they say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.likelihood import Offers
from bayesrtw.model.observation import Mixed
from bayesrtw.model.term import Allocation, Hyper
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable


@component("likelihood", "gross_errors")
@dataclass(frozen=True, slots=True)
class GrossErrors:
    """Estimates around their effects; a share of them with an inflated standard error.

    ``y_i = theta_i + e_i`` with ``e_i ~ (1 - share) N(0, s_i^2) + share N(0, (times s_i)^2)``. [1]_

    Parameters
    ----------
    share
        Of the estimates with gross errors, in (0, 1).
    times
        By how much their standard errors are too small, above 1.

    References
    ----------
    .. [1] Tukey JW (1960). A survey of sampling from contaminated distributions. Stanford UP, 448-485.
    """

    share: float = 0.1
    times: float = 5.0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise SpecError(f"share must lie in (0, 1); found {self.share!r}.")
        if not self.times > 1:
            raise SpecError(f"times must lie above 1; found {self.times!r}.")

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

    def hyper(self) -> Mapping[str, Hyper]:
        """It has no unknown of its own."""
        return {}

    def observe(self, evidence: Evidence) -> Mixed:
        """Each estimate is a site: a mixture of two normals around its effect."""
        effect, se = (evidence.data[name].to_numpy().astype(float) for name in ("effect", "se"))
        weight = np.log([1.0 - self.share, self.share])
        return Mixed(effect, se, weight, np.array([1.0, self.times**2]))

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add the observed variable to the PyMC model in context."""
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        if allocations:
            raise SpecError(
                "likelihood 'gross_errors' and a bias mixture cannot be sampled; use Exact()."
            )
        se = pm.Data("se_data", evidence.data["se"].to_numpy())
        seen = pm.Data("effect_data", evidence.data["effect"].to_numpy())
        sigma = pt.stack([se, self.times * se], axis=-1)
        weight = np.array([1.0 - self.share, self.share])
        mean = pt.stack([eta, eta], axis=-1)
        pm.NormalMixture("effect", w=weight, mu=mean, sigma=sigma, observed=seen)
