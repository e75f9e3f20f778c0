"""How an estimate scatters around its study's effect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import UNIT, Prior
from bayesrtw.model.grouped import Varying
from bayesrtw.model.homes import find, names
from bayesrtw.model.joint import Joint, integrated, sampling_covariance
from bayesrtw.model.observation import Gaussian, Sites
from bayesrtw.model.term import CLUSTER, Allocation, Hyper
from bayesrtw.registry import checked, component, role

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

    from bayesrtw.model.counted import Counted
    from bayesrtw.model.translated import Speaks


Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What a likelihood can do that not every one can. Rules ask this and never which class it is.

    Attributes
    ----------
    inspects
        How it reads more of the evidence than columns of numbers, and looks at it itself.
    integrates
        How it integrates normal effects out of a PyMC graph, which one that is normal can.
    counted
        How it reads events that are counted one by one.
    speaks
        How it hears rows in several currencies.
    settled
        What it is where its hyperparameter is known, which no site is integrated over.
    """

    inspects: "Inspects | None" = None
    integrates: "Integrates | None" = None
    counted: "Counted | None" = None
    speaks: "Speaks | None" = None
    settled: "Settled | None" = None


@role("likelihood", "bayesrtw.likelihood")
class Likelihood(Protocol):
    """What every likelihood offers."""

    @property
    def offers(self) -> Offers:
        """What it can do that not every likelihood can."""

    def observe(self, evidence: Evidence) -> Gaussian | Sites | None:
        """Say what was observed: normal estimates, sites, or None if only its PyMC twin can say."""

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


class Inspects(Protocol):
    """A likelihood that reads more of the evidence than columns of numbers, and looks at it itself."""

    def hears(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Say which rows it takes without an estimate or a standard error, shape (estimate,)."""

    def faults(self, evidence: Evidence) -> list[str]:
        """Say what the evidence lacks for this likelihood; empty if it can be used."""

    def findings(self, evidence: Evidence) -> list[Finding]:
        """Say what a reader must know of this likelihood with this evidence."""


class Settled(Protocol):
    """A likelihood of one hyperparameter, normal before, at each value of which it is one without."""

    def at(self, value: float) -> "Likelihood":
        """Give the likelihood at a value."""


class Integrates(Protocol):
    """A likelihood that is normal given its hyperparameters: it integrates normal effects out."""

    def blocks(self, evidence: Evidence) -> list[NDArray[np.intp]]:
        """Give the sets of estimates whose sampling errors are correlated, shape (member,) each."""

    def sampling(self, evidence: Evidence, at: Joint) -> dict[str, Array]:
        """Give sampling errors as `bayesrtw.model.joint.sampling_covariance` takes them."""

    def see(
        self,
        eta: "TensorVariable",
        evidence: Evidence,
        allocations: tuple[Allocation, ...],
        at: Joint,
        varying: tuple[Varying, ...],
    ) -> None:
        """As `Likelihood.pymc`, with effects that are not in `eta` and whose groups stay inside sets."""


@checked
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


@checked
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
    def offers(self) -> Offers:
        """See `Likelihood`."""
        return Offers(integrates=self)

    def observe(self, evidence: Evidence) -> Gaussian:  # noqa: ARG002
        """See `Likelihood`."""
        return Gaussian()

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

    def blocks(self, evidence: Evidence) -> list[NDArray[np.intp]]:
        """Give the sets of estimates whose sampling errors are correlated, shape (member,) each."""
        return [rows for rows, _ in correlated(self.correlation, evidence)]

    def sampling(self, evidence: Evidence, at: Joint) -> dict[str, Array]:
        """See `Integrates`."""
        count = evidence.size
        se = np.asarray(evidence.data["se"].to_numpy(), dtype=np.float64)
        known, by_rho = np.diag(se**2), np.zeros((count, count))
        for place, (rows, matrix) in enumerate(correlated(self.correlation, evidence)):
            among = np.ix_(rows, rows)
            if place < len(evidence.dependence):
                known[among] = matrix
            else:
                by_rho[among] = matrix - np.diag(np.diagonal(matrix))
        rows = np.arange(count)[:, None]
        found = {"known": known[rows, at.members] * at.inside}
        if self.correlation:
            found["rho"] = by_rho[rows, at.members] * at.inside
        if self.clustering:
            larger = excess(self.clustering, evidence)
            found |= {"icc": larger[rows + 0 * at.members], "icc of members": larger[at.members]}
        return found

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """See `Likelihood`."""
        apart = np.zeros(0, dtype=np.intp)
        at, _ = integrated((), self.blocks(evidence), evidence.size, apart)
        self.see(eta, evidence, allocations, at, ())

    def see(
        self,
        eta: "TensorVariable",
        evidence: Evidence,
        allocations: tuple[Allocation, ...],
        at: Joint,
        varying: tuple[Varying, ...],
    ) -> None:
        """See `Integrates`."""
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        hyper = {name: each.prior.pymc(name) for name, each in self.hyper().items()}
        # Data, not constants: a compiled model takes new evidence of the same structure.
        sampling = {
            name: pm.Data(f"sampling_{name.replace(' ', '_')}_data", part)
            for name, part in self.sampling(evidence, at).items()
        }
        covariance = sampling_covariance(sampling, hyper)
        variance = covariance[:, 0] + sum(each.sd**2 for each in varying)
        effect = np.asarray(evidence.data["effect"].to_numpy(), dtype=np.float64)
        seen = pm.Data("effect_data", effect)
        plain = np.ones(len(effect), dtype=bool)
        for place, parts in enumerate(allocations):
            plain[parts.rows] = False
            mean, spread, part = (each[parts.rows] for each in (eta, variance, seen))
            _mixture(f"effect_mixture_{place}", mean, spread, part, parts)
        if not at.alone.all():
            pm.Potential("effect", _joint(at, plain, covariance, varying, seen - eta))
        elif plain.all():
            pm.Normal("effect", eta, pt.sqrt(variance), observed=seen)
        elif plain.any():
            rows = np.flatnonzero(plain)
            density = pm.logp(pm.Normal.dist(eta[rows], pt.sqrt(variance[rows])), seen[rows])
            pm.Potential("effect", pt.sum(density))


def _joint(
    at: Joint,
    plain: NDArray[np.bool_],
    covariance: Any,
    varying: tuple[Varying, ...],
    residual: Any,
) -> Any:
    """Log density of estimates that are seen together and of those beside them."""
    import pytensor.tensor as pt  # noqa: PLC0415

    from bayesrtw.model.joint_density import JointDensity  # noqa: PLC0415

    shape = (0, *at.members.shape)
    among = np.concatenate([np.zeros(shape), *(at.among(each.group)[None] for each in varying)])
    loading = pt.stack([each.sd for each in varying]) if varying else np.zeros(shape[:2])
    kept = plain[at.rows]
    return JointDensity()(at.rows[kept], at.first[kept], among, covariance, loading, residual)[0]


def _mixture(name: str, mean: Any, variance: Any, effect: Any, parts: Allocation) -> None:
    """Estimates that are one of several normals: a mixture of densities each."""
    import pymc as pm  # noqa: PLC0415
    import pytensor.tensor as pt  # noqa: PLC0415

    centre, spread = mean[:, None] + parts.shift, variance[:, None] + parts.spread**2
    density = pm.NormalMixture.dist(w=parts.weight, mu=centre, sigma=pt.sqrt(spread))
    pm.Potential(name, pt.sum(pm.logp(density, effect)))


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
    """Find the estimates with correlated sampling errors."""
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


def __dir__() -> list[str]:
    """Complete to likelihoods, and to what they are made of."""
    return names(__name__)


if not TYPE_CHECKING:  # so that a wrong name stays an error of types

    def __getattr__(name: str) -> type:
        return find(name, __name__)
