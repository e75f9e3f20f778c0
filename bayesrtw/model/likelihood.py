"""How an estimate scatters around its study's effect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import UNIT, Prior
from bayesrtw.model.term import CLUSTER, Allocation, Hyper
from bayesrtw.registry import component, role

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable


Array = NDArray[np.float64]


@role("likelihood")
class Likelihood(Protocol):
    """What every likelihood offers."""

    @property
    def gaussian(self) -> bool:
        """Whether estimates are normal given their mean, with known variance."""

    @property
    def correlation(self) -> "Correlation | None":
        """How sampling errors of one study correlate, where that is unknown."""

    @property
    def clustering(self) -> "Clustering | None":
        """How clusters inflate variances, where that is unknown."""

    def columns(self) -> tuple[str, ...]:
        """Give the columns of the evidence that it reads."""

    def hyper(self) -> Mapping[str, Hyper]:
        """Give the scalar hyperparameters by name: what each is, and its prior."""

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add the observed variable, of mean `eta`, to the PyMC model in context."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """Sampling errors of estimates that come from the same people.

    Parameters
    ----------
    by
        Column whose equal values mark estimates of the same people, e.g. ``study``.
    rho
        Prior of the correlation, on (0, 1).
    """

    by: str
    rho: Prior

    def __post_init__(self) -> None:
        if self.rho.positive or self.rho.support != UNIT:
            raise SpecError("rho is a correlation in (0, 1) and needs a beta prior.")


@dataclass(frozen=True, slots=True)
class Clustering:
    """Cluster trials whose standard errors ignore the clusters.

    Parameters
    ----------
    size
        Column with the mean cluster size of the rows to correct; empty elsewhere.
    icc
        Beta prior of the intracluster correlation, e.g. ``Beta(1.5, 50)`` with mean 0.03.
    """

    size: str
    icc: Prior

    def __post_init__(self) -> None:
        if self.icc.positive or self.icc.support != UNIT:
            raise SpecError("icc is a correlation in (0, 1) and needs a beta prior.")


@component("likelihood", "normal")
@dataclass(frozen=True, slots=True)
class NormalErrors:
    """Estimates normal around their effects with known standard errors.

    Parameters
    ----------
    correlation
        An unknown correlation of the sampling errors of the same people; None takes all estimates
        that the evidence does not call dependent as independent.
    clustering
        Standard errors are multiplied by the root of the design effect 1 + (size - 1) icc, integrated
        over the prior of icc; correlations of sampling errors stay. None takes them as they are.
    """

    correlation: Correlation | None = None
    clustering: Clustering | None = None

    @property
    def gaussian(self) -> bool:
        """See `Likelihood`."""
        return True

    def columns(self) -> tuple[str, ...]:
        """See `Likelihood`."""
        return ("effect", "se")

    def hyper(self) -> Mapping[str, Hyper]:
        """See `Likelihood`."""
        found = {}
        if self.correlation is not None:
            level, rho = self.correlation.by, self.correlation.rho
            found["rho"] = Hyper(rho, "correlation", level, setting="correlation.rho")
        if self.clustering is not None:
            found["icc"] = Hyper(
                self.clustering.icc, "correlation", CLUSTER, setting="clustering.icc"
            )
        return found

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """See `Likelihood`."""
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        effect = evidence.data["effect"].to_numpy()
        se = evidence.data["se"].to_numpy()
        rho: Any = self.correlation.rho.pymc("rho") if self.correlation else None
        wider: Any = pt.ones(len(se))
        if self.clustering:
            icc = self.clustering.icc.pymc("icc")
            wider = pt.sqrt(1.0 + pm.Data("excess_data", excess(self.clustering, evidence)) * icc)
        together = correlated(self.correlation, evidence)
        alone = np.ones(len(se), dtype=bool)
        for place, (rows, covariance) in enumerate(together):
            alone[rows] = False
            # Data, not constants: a compiled model takes new evidence of the same structure.
            factor: Any = pm.Data(f"covariance_block_{place}", covariance)
            seen = pm.Data(f"effect_block_{place}_data", effect[rows])
            if place >= len(evidence.dependence):
                eye = np.eye(len(rows))
                factor = factor * (eye + (1.0 - eye) * rho)
            factor = factor * pt.outer(wider[rows], wider[rows])
            pm.MvNormal(f"effect_block_{place}", eta[rows], factor, observed=seen)
        for place, at_risk in enumerate(allocations):
            alone[at_risk.rows] = False
            _mixture(f"effect_mixture_{place}", eta, (effect, se), wider, at_risk)
        rows = np.flatnonzero(alone)
        if not len(rows):
            return
        observed = pm.Data("effect_data", effect[rows])
        spread = pm.Data("se_data", se[rows]) * wider[rows]
        pm.Normal("effect", eta[rows], spread, observed=observed)


def _mixture(
    name: str,
    eta: "TensorVariable",
    data: tuple[Array, Array],
    wider: "TensorVariable",
    at_risk: Allocation,
) -> None:
    """Estimates that are biased or not: a mixture of two normal densities each."""
    import pymc as pm  # noqa: PLC0415
    import pytensor.tensor as pt  # noqa: PLC0415

    effect, se = (values[at_risk.rows] for values in data)
    variance = pm.Data(f"{name}_variance", se**2) * wider[at_risk.rows] ** 2
    mean = eta[at_risk.rows]
    weight = pt.stack([1.0 - at_risk.probability, at_risk.probability], axis=-1)
    centre = pt.stack([mean, mean + at_risk.shift], axis=-1)
    spread = pt.stack([variance + 0.0 * mean, variance + at_risk.spread**2], axis=-1)
    observed = pm.Data(f"{name}_data", effect)
    pm.NormalMixture(name, w=weight, mu=centre, sigma=pt.sqrt(spread), observed=observed)


def excess(clustering: Clustering, evidence: Evidence) -> NDArray[np.float64]:
    """Give cluster sizes minus one.

    Parameters
    ----------
    clustering
        Says which column holds the sizes.
    evidence
        The rows.

    Returns
    -------
    ndarray, shape (estimate,)
        0 where no size is given: such a row is not corrected.
    """
    size = np.asarray(evidence.data[clustering.size].to_numpy(), dtype=np.float64)
    return np.where(np.isfinite(size), np.maximum(size, 1.0) - 1.0, 0.0)


def correlated(
    correlation: Correlation | None, evidence: Evidence
) -> list[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Find the estimates with correlated sampling errors.

    Parameters
    ----------
    correlation
        How estimates of the same people correlate, if that is unknown.
    evidence
        The rows.

    Returns
    -------
    list of tuple
        Rows and covariance of each set: first those that the evidence knows, then those of
        `correlation` with the covariance of a correlation of one.
    """
    found = [(block.rows, block.covariance) for block in evidence.dependence]
    if correlation is None:
        return found
    taken = {int(row) for rows, _ in found for row in rows}
    se = np.asarray(evidence.data["se"].to_numpy(), dtype=np.float64)
    key = evidence.data[correlation.by].to_numpy().astype(str)
    for name in sorted(set(key) - {"", "nan"}):
        rows = np.flatnonzero(key == name)
        if len(rows) > 1 and not taken & {int(row) for row in rows}:
            found.append((rows, np.outer(se[rows], se[rows])))
    return found
