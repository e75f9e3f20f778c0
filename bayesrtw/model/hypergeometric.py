"""Two-by-two tables given how many events there were in all: the exact conditional likelihood."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, SpecError, shown
from bayesrtw.evidence.convert import log_odds_ratio
from bayesrtw.evidence.counts import counts
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.bias import share_of
from bayesrtw.model.counted import Counted, Reads, remembered, silent
from bayesrtw.model.curves import Curves, curves
from bayesrtw.model.sampled import see
from bayesrtw.model.term import Allocation
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]

#: Effects that share a window of outcomes, and the log of an outcome's weight below which it is outside.
TOGETHER, OUTSIDE = 16, 50.0

#: Most outcomes of a table.
MOST = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """One table given its margins."""

    name: str  #: How messages call it.
    events: float  #: Of the programme's group.
    outcomes: Array  #: What that number may be, shape (outcome,).
    log_weight: Array  #: Log of how many ways there are to each, shape (outcome,).
    estimate: Array  #: Log odds ratio of each, shape (outcome,).

    def log(self, theta: Array) -> Array:
        """See `OneStudy`."""
        order = np.argsort(theta)
        found = np.empty(len(theta))
        for start in range(0, len(theta), TOGETHER):
            here = order[start : start + TOGETHER]
            found[here] = self.events * theta[here] - self._total(theta[here])
        return found + float(self.log_weight[self.outcomes == self.events][0])

    def _total(self, theta: Array) -> Array:
        """Log of the sum over outcomes, for ascending effects; without those that none makes likely."""
        low, high = (self.log_weight + self.outcomes * end for end in (theta[0], theta[-1]))
        first = int(np.argmax(low > low.max() - OUTSIDE))
        last = len(high) - int(np.argmax(high[::-1] > high.max() - OUTSIDE))
        cut = slice(first, max(last, first + 1))
        each = self.log_weight[cut] + theta[:, None] * self.outcomes[cut]
        peak = each.max(axis=1)
        return np.asarray(peak + np.log(np.exp(each - peak[:, None]).sum(axis=1)))

    def deep(self, theta: Array) -> Array:
        """See `OneStudy`: `log` is right everywhere."""
        return self.log(theta)

    def reports(self, theta: Array) -> tuple[Array, Array]:
        """See `OneStudy`."""
        each = self.log_weight + theta[:, None] * self.outcomes
        return self.estimate, each - logsumexp(each, axis=1, keepdims=True)


@component("likelihood", "hypergeometric")
@dataclass(frozen=True, slots=True)
class Hypergeometric(Counted):
    """Two-by-two tables given their margins: nothing is added to empty cells, no baseline is assumed.

    Of ``m_i`` events in all, ``a_i`` are in the programme's group of ``n1_i`` people and the others in the
    comparison's of ``n0_i``: ``p(a_i | theta_i) = C(n1, a) C(n0, m - a) exp(a theta) / sum_u C(n1, u)
    C(n0, m - u) exp(u theta)``, with ``theta_i`` the log odds ratio. [1]_ A table without any event, or with
    events only, has one outcome and says nothing. A share of information (`Discount`) is a power of this.

    References
    ----------
    .. [1] Stijnen T, Hamza TH, Ozdemir P (2010). Stat Med 29:3046-3067. doi:10.1002/sim.4040
    """

    @property
    def reads(self) -> Reads:
        """See `Counted`."""
        return Reads(2, "n", ("log_odds_ratio",))

    def findings(self, evidence: Evidence) -> list[Finding]:
        """Say which tables say nothing."""
        seen = counts(evidence, 2)
        total = seen.events.sum(axis=0)
        said = (
            "have no event, or nothing but events: given their margins such a table has one outcome and says "
            "nothing of the odds ratio. They stay in the table and move nothing."
        )
        return silent(evidence, (total == 0) | (total == seen.size.sum(axis=0)), said)

    @remembered
    def observe(self, evidence: Evidence) -> Curves:
        """Each table is a site."""
        (a, c), (n1, n0) = (each for each in _of(evidence))
        near = log_odds_ratio_half(a, n1, c, n0)
        seen = evidence.data["effect"].to_numpy().astype(float)
        names, units = evidence.data[ESTIMATE].to_numpy(), []
        many = np.minimum(np.minimum(a + c, n1 + n0 - a - c), np.minimum(n1, n0)) > MOST
        if many.any():
            raise SpecError(
                "likelihood 'hypergeometric' sums over all that a table could have been given its margins, "
                f"at most {MOST:,} tables; {shown(names[many].astype(str))} could have been more. With so "
                "many events an effect and its standard error say the same: give them, or use likelihood "
                "'normal'."
            )
        for row in range(len(a)):
            outcomes, log_weight = ways(n1[row], n0[row], a[row] + c[row])
            estimate = _estimates(outcomes, n1[row], a[row] + c[row], n0[row])
            if np.isfinite(seen[row]):
                estimate = np.where(outcomes == a[row], seen[row], estimate)
            units.append(Margins(str(names[row]), float(a[row]), outcomes, log_weight, estimate))
        return curves(units, *near)

    def draw(self, evidence: Evidence, theta: Array, rng: np.random.Generator) -> Array:
        """See `Counted`: given the margins of each table."""
        (a, c), (n1, n0) = _of(evidence)
        first = np.empty(theta.shape)
        for row in range(len(a)):
            outcomes, log_weight = ways(n1[row], n0[row], a[row] + c[row])
            each = log_weight + theta[:, row, None] * outcomes
            below = np.cumsum(np.exp(each - logsumexp(each, axis=1, keepdims=True)), axis=1)
            place = np.sum(below < rng.random(len(theta))[:, None], axis=1)
            first[:, row] = outcomes[np.minimum(place, len(outcomes) - 1)]
        return np.stack([first, (a + c) - first])

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add the observed variable to the PyMC model in context."""
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        (a, c), (n1, n0) = _of(evidence)
        every = [ways(n1[row], n0[row], a[row] + c[row]) for row in range(len(a))]
        most = max(len(outcomes) for outcomes, _ in every)
        outcome, log_weight = np.zeros((len(a), most)), np.full((len(a), most), -np.inf)
        for row, (outcomes, ways_to) in enumerate(every):
            outcome[row, : len(outcomes)] = outcomes
            log_weight[row, : len(outcomes)] = ways_to
        least = np.where(np.isfinite(log_weight), log_weight, -1e300)
        shares = pm.Data("information", share_of(evidence))
        u, w = pm.Data("outcome_data", outcome), pm.Data("ways_data", least)

        def logp(value: "TensorVariable", theta: "TensorVariable") -> "TensorVariable":
            total = pt.logsumexp(w + u * theta[:, None], axis=1)
            return shares * (value * theta - total)

        see("hypergeometric", eta, allocations, logp, pm.Data("events_data", a))


def _of(evidence: Evidence) -> tuple[Array, Array]:
    """Give events and people of both groups, each of shape (2, estimate)."""
    seen = counts(evidence, 2)
    return seen.events, seen.size


def ways(n1: float, n0: float, total: float) -> tuple[Array, Array]:
    """Give the events that the first group may have, and the log of the ways to each, each (outcome,)."""
    u = np.arange(max(0.0, total - n0), min(total, n1) + 1.0)
    log = -np.sum([gammaln(each + 1.0) for each in (u, n1 - u, total - u, n0 - total + u)], axis=0)
    return u, np.asarray(log - log.max())


def log_odds_ratio_half(a: Array, n1: Array, c: Array, n0: Array) -> tuple[Array, Array]:
    """Give log odds ratios and their SDs with 0.5 in every cell: a start, never an answer."""
    cells = [each + 0.5 for each in (a, n1 - a, c, n0 - c)]
    effect = np.log(cells[0] * cells[3] / (cells[1] * cells[2]))
    return effect, np.sqrt(sum(1.0 / each for each in cells))


def _estimates(u: Array, n1: float, total: float, n0: float) -> Array:
    """Give what each outcome would be reported as: the log odds ratio, with 0.5 where a cell is zero."""
    effect = np.asarray(log_odds_ratio(u, n1, total - u, n0).effect)
    return np.where(np.isfinite(effect), effect, 0.0)
