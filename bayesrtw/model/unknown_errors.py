"""Estimates whose standard errors some rows do not report, in one file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import as_reported, share_of
from bayesrtw.model.likelihood import Offers
from bayesrtw.model.prior import Prior
from bayesrtw.model.sampled import see
from bayesrtw.model.term import Allocation
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Nodes over the logarithm of an error, and how far they reach in SDs: beyond lies less than 1e-14.
NODES, REACH = 48, 8.0
#: Least probability that people and the other rows leave an error within what a P value allows.
ALLOWED = 1e-6


class Bounds(NamedTuple):
    """What is known of the logarithm of an error that nobody reports: mean, SD, and ends by a P value."""

    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class UnknownScale:
    """Estimates that are normal given their errors, which are one of several; see `Sites`."""

    #: seen, se: estimates and the middles of their errors, shape (unit,); analysis scale.
    seen: Array
    se: Array
    #: log_weight, variance: of each error that it may be, shape (unit, part).
    log_weight: Array
    variance: Array

    @property
    def near(self) -> tuple[Array, Array]:
        """See `Sites`."""
        return self.seen, self.se

    def log_density(self, mean: Array, variance: Array, rows: Index) -> Array:
        """See `Sites`."""
        gap = (self.seen[rows] - mean) ** 2
        found = np.full(np.broadcast_shapes(gap.shape, np.shape(variance)), -np.inf)
        for log_weight, own in zip(self.log_weight[rows].T, self.variance[rows].T, strict=True):
            total = variance + own
            found = np.logaddexp(found, log_weight - 0.5 * (gap / total + np.log(total)))
        return np.asarray(found - 0.5 * math.log(2.0 * math.pi))

    def weakened(self, share: Array) -> "UnknownScale":
        """See `Sites`."""
        return replace(self, se=self.se / np.sqrt(share), variance=self.variance / share[:, None])

    def moved(self, by: Array) -> "UnknownScale":
        """See `Sites`."""
        return replace(self, seen=self.seen + by)

    @property
    def peaked(self) -> bool:
        """See `Sites`."""
        return False

    @property
    def falls(self) -> NDArray[np.bool_]:
        """See `Sites`."""
        return np.ones(len(self.seen), dtype=bool)

    @property
    def sizes(self) -> Array:
        """See `Sites`."""
        return np.full(len(self.log_weight), float(self.log_weight.shape[1]))

    def parts(self, row: int, low: float, high: float) -> tuple[Array, Array, Array]:  # noqa: ARG002
        """See `Sites`."""
        keep = np.isfinite(self.log_weight[row])
        variance = self.variance[row, keep]
        return self.log_weight[row, keep], np.full(len(variance), self.seen[row]), variance

    def reports(self, row: int, theta: Array) -> None:
        """See `Sites`."""


@component("likelihood", "unknown_errors")
@dataclass(frozen=True, slots=True)
class UnknownErrors:
    """Normal estimates, some of which report no standard error: people and P values bound it.

    An error is ``s_i = sigma_i sqrt(1/n_t + 1/n_c)``, as for differences of means and, nearly, logs of
    ratios; ``log sigma_i`` is normal with the mean and SD that a new row has by those that report. [1]_
    ``p < b`` says that ``s_i`` lies below ``|y_i| / z``, with ``z`` the normal quantile of b, ``p > b`` that
    it lies above. The error is integrated out of every such row.

    Parameters
    ----------
    experimental, control
        Columns with the numbers of people.
    below, above
        Columns with bounds of two-sided P values, ``0.05`` for "p < 0.05" and for "not significant"; empty
        cells where nothing is said; empty where there is no such column.
    mean, sd
        Of ``log sigma``, stated; both or none. Without them three rows must report an error.

    Raises
    ------
    SpecError
        If one of mean and SD is stated, or the SD is not positive.

    References
    ----------
    .. [1] Stevens JW (2011). Pharm Stat 10:374-378, doi:10.1002/pst.491: missing variances from a
       distribution that reported ones share.

    Examples
    --------
    >>> UnknownErrors(below="p_below").columns()
    ('effect',)
    """

    experimental: str = "n_t"
    control: str = "n_c"
    below: str = ""
    above: str = ""
    mean: float | None = None
    sd: float | None = None

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.sd is None):
            raise SpecError("mean and sd of log sigma are stated together, or neither is.")
        if self.sd is not None and not (self.sd > 0 and math.isfinite(self.sd)):
            raise SpecError(f"sd of log sigma must be positive and finite; found {self.sd!r}.")
        if self.mean is not None and not math.isfinite(self.mean):
            raise SpecError(f"mean of log sigma must be finite; found {self.mean!r}.")

    @property
    def offers(self) -> Offers:
        """See `Likelihood`."""
        return Offers(inspects=self)

    @property
    def correlation(self) -> None:
        """Sampling errors are independent."""

    @property
    def clustering(self) -> None:
        """Standard errors that are reported are taken as they are."""

    def columns(self) -> tuple[str, ...]:
        """Columns whose gaps are faults before any fit."""
        return ("effect",)

    def hyper(self) -> Mapping[str, Prior]:
        """Give none: errors are integrated row by row."""
        return {}

    def hears(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Take rows without a standard error whose numbers of people are known."""
        if any(name not in evidence.data for name in (self.experimental, self.control)):
            return np.zeros(evidence.size, dtype=bool)
        return np.isfinite(_numbers(evidence, "effect")) & (self._people(evidence) > 0)

    def faults(self, evidence: Evidence) -> list[str]:
        """Say what stands in the way; empty if nothing does."""
        read = [self.experimental, self.control, *filter(None, (self.below, self.above))]
        absent = [name for name in read if name not in evidence.data]
        text = [
            name for name in read if name in evidence.data and evidence.data[name].dtype == object
        ]
        if absent or text:
            return [
                f"{evidence.where}: no column {name!r} with numbers of people or bounds of P values."
                for name in (*absent, *text)
            ]
        told = np.isfinite(_numbers(evidence, "se"))
        bare = ~told & ~(self._people(evidence) > 0)
        found, names = [], evidence.data[ESTIMATE].to_numpy().astype(str)
        if bare.any():
            found.append(
                f"{evidence.where}: rows {shown(names[bare].tolist())} report no standard error and no "
                f"people in {self.experimental!r} and {self.control!r}; complete them, or leave them out."
            )
        if np.any(_numbers(evidence, "se")[told] <= 0):
            found.append(f"{evidence.where}: standard errors must be positive.")
        both = told & (self._people(evidence) > 0)
        if self.mean is None and not told.all() and both.sum() < 3:
            found.append(
                f"{evidence.where}: {both.sum()} rows report a standard error and people, and 3 are needed "
                "to learn what the others may be; state mean and sd of log sigma."
            )
        if found or told.all():
            return found
        for row, own in self._bounds(evidence).items():
            if not own.low < own.high or _mass(own) < ALLOWED:
                found.append(
                    f"{evidence.where}: row {names[row]!r} cannot have its P value with this effect and so "
                    "many people; check the effect, its sign and scale, the people and the bound."
                )
        return found

    def findings(self, evidence: Evidence) -> list[Finding]:
        """Say how many rows do not report their error, and what is assumed of it."""
        bounds = self._bounds(evidence)
        if not bounds:
            return []
        held = sum(math.isfinite(own.low) or math.isfinite(own.high) for own in bounds.values())
        source = "as stated" if self.mean is not None else "by the rows that do"
        text = (
            f"{len(bounds)} of {evidence.size} rows report no standard error: each is what so many people "
            f"give, {source}, and {held} of them are bound by a P value."
        )
        return [Finding("unknown-errors", "note", text)]

    def _people(self, evidence: Evidence) -> Array:
        """Give 1 / (1/n_t + 1/n_c), NaN where it is not known."""
        first, second = (_numbers(evidence, name) for name in (self.experimental, self.control))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1.0 / (1.0 / first + 1.0 / second))

    def _bounds(self, evidence: Evidence) -> dict[int, Bounds]:
        """Give what is known of each error that is not reported."""
        effect, se = _numbers(evidence, "effect"), _numbers(evidence, "se")
        people, told = self._people(evidence), np.isfinite(se)
        mean, sd = self.mean, self.sd
        if told.all():
            return {}
        if mean is None or sd is None:
            sigma = np.log(se * np.sqrt(people))[told & (people > 0)]
            mean = float(np.mean(sigma))
            sd = float(np.std(sigma, ddof=1) * math.sqrt(1.0 + 1.0 / len(sigma)))
        found = {}
        with np.errstate(divide="ignore"):
            size = np.log(np.abs(effect))
        for row in np.flatnonzero(~told).tolist():
            ends = [-math.inf, math.inf]
            for place, name in ((1, self.below), (0, self.above)):
                bound = float(_numbers(evidence, name)[row]) if name else math.nan
                if math.isfinite(bound):
                    ends[place] = float(size[row] - math.log(-ndtri(bound / 2.0)))
            centre = mean - 0.5 * math.log(people[row])
            # Errors of alike rows may be equal; a width of nothing has no rule.
            found[row] = Bounds(centre, max(sd, 1e-6), ends[0], ends[1])
        return found

    def observe(self, evidence: Evidence) -> UnknownScale:
        """Give what every row may have for an error."""
        effect, se = _numbers(evidence, "effect"), _numbers(evidence, "se").copy()
        bounds = self._bounds(evidence)
        parts = NODES if bounds else 1
        log_weight = np.full((len(se), parts), -np.inf)
        log_weight[:, 0] = 0.0
        variance = np.repeat(np.where(np.isfinite(se), se, 1.0)[:, None] ** 2, parts, axis=1)
        for row, own in bounds.items():
            x, weight = _rule(own)
            log_weight[row], variance[row] = np.log(weight), np.exp(2.0 * x)
            se[row] = math.sqrt(float(weight @ variance[row] / weight.sum()))
        return UnknownScale(effect, se, log_weight, variance)

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add the observed variable to the PyMC model in context."""
        import pymc as pm  # noqa: PLC0415

        made = self.observe(as_reported(evidence)).weakened(share_of(evidence))
        weight = np.exp(made.log_weight)
        weight /= weight.sum(axis=1, keepdims=True)

        def logp(value: "TensorVariable", theta: "TensorVariable") -> "TensorVariable":
            errors = pm.NormalMixture.dist(
                w=weight, mu=theta[:, None], sigma=np.sqrt(made.variance)
            )
            return pm.logp(errors, value)

        see("unknown_errors", eta, allocations, logp, pm.Data("effect_data", made.seen))


def _numbers(evidence: Evidence, name: str) -> Array:
    return np.asarray(evidence.data[name].to_numpy(), dtype=np.float64)


def _ends(own: Bounds) -> tuple[float, float]:
    """Give where the logarithm of an error may lie."""
    reach = REACH * own.sd
    return max(own.low, own.mean - reach), min(own.high, own.mean + reach)


def _rule(own: Bounds) -> tuple[Array, Array]:
    """Lay nodes over the logarithm of an error, and weigh them; weights sum to what a P value leaves."""
    low, high = _ends(own)
    node, weight = np.polynomial.legendre.leggauss(NODES)
    x = low + 0.5 * (high - low) * (node + 1.0)
    density = np.exp(-0.5 * ((x - own.mean) / own.sd) ** 2) / (own.sd * math.sqrt(2.0 * math.pi))
    return x, 0.5 * (high - low) * weight * density


def _mass(own: Bounds) -> float:
    """Give the probability that a P value leaves."""
    low, high = _ends(own)
    return float(_rule(own)[1].sum()) if low < high else 0.0
