"""Events of two groups as binomial counts, the baseline of each study integrated."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence import convert
from bayesrtw.evidence.counts import counts
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.arms import LINKS, Baseline, TwoArms, log_probability
from bayesrtw.model.counted import Counted, Reads, remembered, silent
from bayesrtw.model.curves import Curves, curves
from bayesrtw.model.hypergeometric import share_of
from bayesrtw.model.prior import Normal, Prior
from bayesrtw.model.term import Allocation
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]

#: Measure that each link tells, and how counts are reported in it.
MEASURES: Final = {
    "logit": ("log_odds_ratio", convert.log_odds_ratio),
    "log": ("log_risk_ratio", convert.log_risk_ratio),
    "cloglog": ("log_hazard_ratio", convert.complementary_log_log),
}


@component("likelihood", "binomial")
@dataclass(frozen=True, slots=True)
class Binomial(Counted):
    """Events among people of two groups, with a baseline of each study's own.

    ``r_ij ~ Bin(n_ij, p_ij)`` with ``g(p_i1) = a_i + theta_i / 2`` and ``g(p_i0) = a_i - theta_i / 2``. [1]_
    The baselines ``a_i`` are independent and integrated out of each study, so that no study lends its
    baseline to another. A study without any event says a little, through the prior of its baseline: that
    both probabilities are small. A share of information (`Discount`) is a power of the study's density.

    Parameters
    ----------
    link
        ``"logit"`` for log odds ratios, ``"log"`` for log risk ratios, ``"cloglog"`` (complementary log-log)
        for log hazard ratios of people followed equally long.
    baseline
        Prior of each ``a_i``: a `Normal` on the scale of the link, or a `Beta` of the probability there (with
        the logit link). The default is vague on the logit scale.

    References
    ----------
    .. [1] Smith TC, Spiegelhalter DJ, Thomas A (1995). Stat Med 14:2685-2699. doi:10.1002/sim.4780142408
    """

    link: Literal["logit", "log", "cloglog"] = "logit"
    baseline: Prior = Normal(0.0, 10.0)  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        if self.link not in LINKS:
            raise SpecError(f"link is {self.link!r}. Choices: {', '.join(sorted(LINKS))}.")
        if Baseline(self.baseline).normal is None and self.link != "logit":
            raise SpecError(
                "a beta prior of the baseline goes with the logit link; give a normal prior."
            )

    @property
    def reads(self) -> Reads:
        """See `Counted`."""
        return Reads(2, "n", (MEASURES[self.link][0],))

    def findings(self, evidence: Evidence) -> list[Finding]:
        """Say what studies without any event say."""
        seen = counts(evidence, 2)
        total = seen.events.sum(axis=0)
        said = (
            "have no event, or nothing but events. They say a little, and only through the prior of their "
            "baselines; given margins they would say nothing."
        )
        return silent(evidence, (total == 0) | (total == seen.size.sum(axis=0)), said)

    @remembered
    def observe(self, evidence: Evidence) -> Curves:
        """Each study is a site."""
        seen, report = counts(evidence, 2), MEASURES[self.link][1]
        names = evidence.data[ESTIMATE].to_numpy()
        effect = evidence.data["effect"].to_numpy().astype(float)
        units = []
        for row in range(evidence.size):
            events, size = seen.events[:, row], seen.size[:, row]
            estimate = partial(_estimate, report, size, (float(events[0]), float(effect[row])))
            units.append(
                TwoArms(
                    str(names[row]),
                    events,
                    size,
                    LINKS[self.link],
                    Baseline(self.baseline),
                    estimate,
                )
            )
        (a, c), (n1, n0) = seen.events, seen.size
        whole = report(a + 0.5, n1 + 1.0, c + 0.5, n0 + 1.0)
        return curves(units, np.asarray(whole.effect), np.maximum(np.asarray(whole.se), 1e-3))

    def draw(self, evidence: Evidence, theta: Array, rng: np.random.Generator) -> Array:
        """See `Counted`: baselines from their prior; NaN where a probability would be above 1."""
        size = counts(evidence, 2).size
        a = self.baseline.ppf(rng.random(theta.shape))
        if Baseline(self.baseline).normal is None:
            a = np.log(a) - np.log1p(-a)
        found = []
        for side, n in zip((0.5, -0.5), size, strict=True):
            p = _probability(self.link, a + side * theta)
            events = rng.binomial(n.astype(int), np.minimum(p, 1.0)).astype(float)
            found.append(np.where(p <= 1.0, events, np.nan))
        return np.stack(found)

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add baselines and the observed variable to the PyMC model in context."""
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        if allocations:
            raise SpecError(
                "Nuts cannot sample likelihood 'binomial' with a bias mixture; use Exact()."
            )
        seen = counts(evidence, 2)
        size = evidence.size
        parts = Baseline(self.baseline).normal
        if parts is None:
            chance = pm.Beta("baseline", self.baseline.a, self.baseline.b, shape=size)  # type: ignore[attr-defined]
            a = pt.log(chance) - pt.log1p(-chance)
        else:
            near = 0.5 * (
                _near(self.link, seen.events[0], seen.size[0])
                + _near(self.link, seen.events[1], seen.size[1])
            )
            a = pm.Normal("baseline", *parts, shape=size, initval=near)
        (r1, r0), (n1, n0) = (
            [pm.Data(f"{name}_{end}_data", part) for end, part in zip("tc", both, strict=True)]
            for name, both in (("events", seen.events), ("n", seen.size))
        )
        shares = pm.Data("information", share_of(evidence))

        def logp(
            value: "TensorVariable", theta: "TensorVariable", at: "TensorVariable"
        ) -> "TensorVariable":
            found = 0.0
            for r, n, own in ((value, n1, at + 0.5 * theta), (r0, n0, at - 0.5 * theta)):
                log_p, log_q = log_probability(self.link, own)
                found = found + pt.switch(pt.gt(r, 0), r * log_p, 0.0)
                found = found + pt.switch(pt.lt(r, n), (n - r) * log_q, 0.0)
            return shares * found

        pm.CustomDist("effect", eta, a, logp=logp, observed=r1, dtype="float64")


def _probability(link: str, eta: Array) -> Array:
    """Give the probability of a linear predictor; above 1 where a log link allows none."""
    if link == "logit":
        return np.asarray(expit(eta))
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(eta) if link == "log" else -np.expm1(-np.exp(eta)))


def _near(link: str, events: Array, size: Array) -> Array:
    """Give a linear predictor near that of some events among people."""
    p = (events + 0.5) / (size + 1.0)
    if link == "logit":
        return np.asarray(np.log(p / (1.0 - p)))
    return np.asarray(np.log(p) if link == "log" else np.log(-np.log1p(-p)))


def _estimate(
    report: object, size: Array, known: tuple[float, float], u: Array, total: float
) -> Array:
    """Give what outcomes would be reported as; the one that was met, as it was."""
    found = np.asarray(report(u, size[0], total - u, size[1]).effect, dtype=np.float64)  # type: ignore[operator]
    found = np.where(np.isfinite(found), found, 0.0)
    return np.where((u == known[0]) & np.isfinite(known[1]), known[1], found)
