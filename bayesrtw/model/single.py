"""Units of counts whose likelihood needs no baseline: one group alone, or rates of two given their events."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence.counts import counts
from bayesrtw.evidence.groups import OF_GROUP
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.arms import LINKS, Law, OneArm, log_probability, logit, poisson
from bayesrtw.model.bias import share_of
from bayesrtw.model.counted import Counted, Reads, remembered, silent
from bayesrtw.model.curves import Curves, Estimated, curves
from bayesrtw.model.sampled import see
from bayesrtw.model.term import Allocation
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]

#: Measures that each link of single groups tells: of a group, and between arms.
_LINKED: Final = {
    "logit": ("logit_proportion", "log_odds_ratio"),
    "cloglog": ("log_cumulative_hazard", "log_hazard_ratio"),
}


@component("likelihood", "poisson")
@dataclass(frozen=True, slots=True)
class Poisson(Counted):
    """Events in person-time of two groups, log rate ratios, given how many events there were in all.

    ``r_ij ~ Poisson(T_ij exp(a_i + x_j theta_i))``; given ``m_i = r_i1 + r_i0`` the baseline is gone:
    ``r_i1 ~ Bin(m_i, p_i)`` with ``logit p_i = theta_i + log(T_i1 / T_i0)``. [1]_ A study without any
    event says nothing. A share of information (`Discount`) is a power of this.

    References
    ----------
    .. [1] Stijnen T, Hamza TH, Ozdemir P (2010). Stat Med 29:3046-3067. doi:10.1002/sim.4040
    """

    @property
    def reads(self) -> Reads:
        """See `Counted`."""
        return Reads(2, "person_time", ("log_rate_ratio",))

    def findings(self, evidence: Evidence) -> list[Finding]:
        """Say which studies say nothing."""
        said = (
            "have no event: given that, they say nothing of the rate ratio. They stay in the table and move "
            "nothing."
        )
        return silent(evidence, counts(evidence, 2, "person_time").events.sum(axis=0) == 0, said)

    @remembered
    def observe(self, evidence: Evidence) -> Curves:
        """Each study is a site."""
        seen = counts(evidence, 2, "person_time")
        (a, c), (first, second) = seen.events, seen.size
        offset = np.log(first / second)
        laws: list[Law] = [partial(_shifted, by) for by in offset.tolist()]
        effect = np.log((a + 0.5) / (c + 0.5)) - offset
        ends = [partial(_odds, by, total) for by, total in zip(offset, a + c, strict=True)]
        near = effect, np.sqrt(1.0 / (a + 0.5) + 1.0 / (c + 0.5))
        return _sites(evidence, (a, a + c, a + c), laws, ends, near)

    def draw(self, evidence: Evidence, theta: Array, rng: np.random.Generator) -> Array:
        """See `Counted`: given all events of each study."""
        seen = counts(evidence, 2, "person_time")
        total = seen.events.sum(axis=0).astype(int)
        first = rng.binomial(total, expit(theta + np.log(seen.size[0] / seen.size[1])))
        return np.stack([first, total - first]).astype(float)

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add the observed variable to the PyMC model in context."""
        import pymc as pm  # noqa: PLC0415

        seen = counts(evidence, 2, "person_time")
        by = pm.Data("offset_data", np.log(seen.size[0] / seen.size[1]))
        told = _Told("poisson", seen.events[0], seen.events.sum(0), "logit")
        _binomial(told, eta + by, evidence, allocations)


@component("likelihood", "binomial_single")
@dataclass(frozen=True, slots=True)
class BinomialSingle(Counted):
    """Events among people of one group, logits of proportions; of single arms, log odds ratios between them.

    ``r_i ~ Bin(n_i, p_i)`` with ``g(p_i) = theta_i``. [1]_ Nothing is added where nobody or everybody
    has the event. A share of information (`Discount`) is a power. Where some studies are told as single arms
    and others report contrasts, see `Evidence.from_arms`, the contrasts are normal.

    Parameters
    ----------
    link
        ``"logit"``, or ``"cloglog"`` (complementary log-log): theta is the log of the hazard summed over
        follow-up, and log hazard ratios are told between arms that are followed equally long [2]_. How long
        is the study's baseline's: log time is the same in all of its arms.

    References
    ----------
    .. [1] Hamza TH, van Houwelingen HC, Stijnen T (2008). J Clin Epidemiol 61:41-51.
       doi:10.1016/j.jclinepi.2007.03.016
    .. [2] Dias S, Welton NJ, Sutton AJ, Ades AE (2011). NICE DSU Technical Support Document 2, section 3.3.
    """

    link: Literal["logit", "cloglog"] = "logit"

    def __post_init__(self) -> None:
        if self.link not in _LINKED:
            raise SpecError(f"link is {self.link!r}. Choices: {', '.join(sorted(_LINKED))}.")

    @property
    def reads(self) -> Reads:
        """See `Counted`."""
        return Reads(1, "n", _LINKED[self.link])

    @remembered
    def observe(self, evidence: Evidence) -> Curves:
        """Each group is a site."""
        seen = counts(evidence, 1)
        (r,), (n,) = seen.events, seen.size
        near = OF_GROUP[_LINKED[self.link][0]](r + 0.5, n + 1.0)
        start = np.asarray(near.effect), np.asarray(near.se)
        told = _odds if self.link == "logit" else _hazards
        ends = [partial(told, 0.0, size) for size in n.tolist()]
        laws, own = [LINKS[self.link]] * len(r), self.estimated(evidence)
        return _sites(evidence, (r, n, n), laws, ends, start, own)

    def draw(self, evidence: Evidence, theta: Array, rng: np.random.Generator) -> Array:
        """See `Counted`."""
        _all_counted(self.estimated(evidence))
        size = counts(evidence, 1).size[0].astype(int)
        chance = expit(theta) if self.link == "logit" else -np.expm1(-np.exp(theta))
        return np.asarray(rng.binomial(size, chance)[None].astype(float))

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add the observed variable to the PyMC model in context."""
        seen = counts(evidence, 1)
        _all_counted(self.estimated(evidence))
        told = _Told("binomial_single", seen.events[0], seen.size[0], self.link)
        _binomial(told, eta, evidence, allocations)


@component("likelihood", "poisson_single")
@dataclass(frozen=True, slots=True)
class PoissonSingle(Counted):
    """Events in person-time of one group, log rates; of single arms, log rate ratios between them.

    ``r_i ~ Poisson(T_i exp(theta_i))``. [1]_ Nothing is added where nobody has an
    event. A share of information (`Discount`) is a power.

    References
    ----------
    .. [1] Stijnen T, Hamza TH, Ozdemir P (2010). Stat Med 29:3046-3067. doi:10.1002/sim.4040
    """

    @property
    def reads(self) -> Reads:
        """See `Counted`."""
        return Reads(1, "person_time", ("log_rate", "log_rate_ratio"))

    @remembered
    def observe(self, evidence: Evidence) -> Curves:
        """Each group is a site."""
        seen = counts(evidence, 1, "person_time")
        (r,), (time,) = seen.events, seen.size
        effect = np.log((r + 0.5) / time)
        most = np.full(len(r), np.inf)
        ends = [partial(_rate, size) for size in time.tolist()]
        near, own = (effect, 1.0 / np.sqrt(r + 0.5)), self.estimated(evidence)
        return _sites(evidence, (r, time, most), [poisson] * len(r), ends, near, own)

    def draw(self, evidence: Evidence, theta: Array, rng: np.random.Generator) -> Array:
        """See `Counted`."""
        _all_counted(self.estimated(evidence))
        time = counts(evidence, 1, "person_time").size[0]
        return np.asarray(rng.poisson(time * np.exp(theta))[None].astype(float))

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add the observed variable to the PyMC model in context."""
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        _all_counted(self.estimated(evidence))
        seen = counts(evidence, 1, "person_time")
        time, shares = pm.Data("log_time_data", np.log(seen.size[0])), share_of(evidence)
        share = pm.Data("information", shares)

        def logp(value: "TensorVariable", theta: "TensorVariable") -> "TensorVariable":
            mean = theta + time
            return share * (value * mean - pt.exp(mean))

        events = pm.Data("events_data", seen.events[0])
        see("poisson_single", eta, allocations, logp, events)


def _shifted(by: float, events: Array, size: Array, eta: Array) -> Array:
    """Binomial probability at a linear predictor with an offset."""
    return logit(events, size, eta + by)


def _odds(by: float, total: float, u: Array) -> Array:
    """Give log odds of outcomes less an offset, with 0.5 where they are not finite."""
    some = np.where((u == 0) | (u == total), 0.5, 0.0)
    return np.asarray(np.log((u + some) / (total - u + some)) - by)


def _hazards(by: float, total: float, u: Array) -> Array:
    """Give logs of cumulative hazards of outcomes less an offset, with 0.5 where they are not finite."""
    some = np.where((u == 0) | (u == total), 0.5, 0.0)
    return np.asarray(np.log(-np.log1p(-(u + some) / (total + 2.0 * some))) - by)


def _rate(time: float, u: Array) -> Array:
    """Give log rates of outcomes, with 0.5 where there is no event."""
    return np.asarray(np.log(np.where(u == 0, 0.5, u) / time))


def _known(ends: partial[Array], events: float, effect: float, u: Array) -> Array:
    """Give estimates of outcomes; that of the one that was met, as it was."""
    return np.where((u == events) & np.isfinite(effect), effect, ends(u))


def _sites(
    evidence: Evidence,
    seen: tuple[Array, Array, Array],
    laws: list[Law],
    ends: list[partial[Array]],
    near: tuple[Array, Array],
    estimated: NDArray[np.bool_] | None = None,
) -> Curves:
    """Make sites of events, sizes and most events; `near` is a start and its SD.

    Rows that are `estimated` are normal.
    """
    names = evidence.data[ESTIMATE].to_numpy()
    effect, se = (evidence.data[name].to_numpy().astype(float) for name in ("effect", "se"))
    normal = np.zeros(len(effect), dtype=bool) if estimated is None else estimated
    units = [
        Estimated(str(names[row]), float(effect[row]), float(se[row]))
        if normal[row]
        else OneArm(
            str(names[row]),
            float(events),
            float(size),
            laws[row],
            float(most),
            partial(_known, ends[row], float(events), float(effect[row])),
        )
        for row, (events, size, most) in enumerate(zip(*seen, strict=True))
    ]
    start, width = near
    return curves(units, np.where(normal, effect, start), np.where(normal, se, width))


def _all_counted(estimated: NDArray[np.bool_]) -> None:
    """Refuse rows of estimates where every row has to be counted."""
    if estimated.any():
        raise SpecError(
            "some studies report contrasts beside others that are counted arm by arm, which the exact engine "
            "alone serves, and nothing draws their counts; leave one kind out, or pool normal estimates."
        )


class _Told(NamedTuple):
    """What a likelihood has seen: its kind, events, people, and its link."""

    kind: str
    events: Array
    size: Array
    link: str


def _binomial(
    told: _Told, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...]
) -> None:
    """Add binomial counts to the PyMC model in context."""
    import pymc as pm  # noqa: PLC0415

    n, shares = pm.Data("n_data", told.size), pm.Data("information", share_of(evidence))

    def logp(value: "TensorVariable", theta: "TensorVariable") -> "TensorVariable":
        log_p, log_q = log_probability(told.link, theta)
        return shares * (value * log_p + (n - value) * log_q)

    observed = pm.Data("events_data", told.events)
    see(told.kind, eta, allocations, logp, observed)
