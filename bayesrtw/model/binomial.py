"""Events of two groups as binomial counts, the baseline of each study integrated."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence import convert
from bayesrtw.evidence.counts import counts
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.arms import LINKS, Baseline, Law, TwoArms, densities, log_probability
from bayesrtw.model.bias import share_of
from bayesrtw.model.counted import Counted, Reads, remembered, silent
from bayesrtw.model.curves import Curves, curves
from bayesrtw.model.prior import Normal, Prior
from bayesrtw.model.sampled import see
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
        require_baseline(self.link, self.baseline)

    @property
    def reads(self) -> Reads:
        """See `Counted`."""
        return Reads(2, "n", (MEASURES[self.link][0],))

    def findings(self, evidence: Evidence) -> list[Finding]:
        """Say what studies without any event say."""
        return without_events(evidence)

    @remembered
    def observe(self, evidence: Evidence) -> Curves:
        """Each study is a site."""
        return two_groups(evidence, LINKS[self.link], self.link, self.baseline)

    def draw(self, evidence: Evidence, theta: Array, rng: np.random.Generator) -> Array:
        """See `Counted`: baselines from their prior; NaN where a probability would be above 1."""
        size, found = counts(evidence, 2).size, []
        for p, n in zip(probabilities(self.link, self.baseline, theta, rng), size, strict=True):
            events = rng.binomial(n.astype(int), np.minimum(p, 1.0)).astype(float)
            found.append(np.where(p <= 1.0, events, np.nan))
        return np.stack(found)

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add baselines and the observed variable to the PyMC model in context."""
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        a = sampled_baselines(evidence, self.link, self.baseline)
        r1, ((_, n1), (r0, n0)) = chances(evidence)
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

        see("binomial", eta, allocations, logp, r1, a)


def require_baseline(link: str, baseline: Prior) -> None:
    """Refuse links that there are none of, and priors of baselines that do not go with them."""
    if link not in LINKS:
        raise SpecError(f"link is {link!r}. Choices: {', '.join(sorted(LINKS))}.")
    if Baseline(baseline).normal is None and link != "logit":
        raise SpecError(
            "a beta prior of the baseline goes with the logit link; give a normal prior."
        )


def without_events(evidence: Evidence) -> list[Finding]:
    """Say what studies without any event, or with nothing else, say."""
    seen = counts(evidence, 2)
    total = seen.events.sum(axis=0)
    said = (
        "have no event, or nothing but events. They say a little, and only through the prior of their "
        "baselines; given margins they would say nothing."
    )
    return silent(evidence, (total == 0) | (total == seen.size.sum(axis=0)), said)


def two_groups(evidence: Evidence, law: Law, link: str, baseline: Prior) -> Curves:
    """Take each study of two groups as a site, whose baseline is integrated."""
    seen, report = counts(evidence, 2), MEASURES[link][1]
    names = evidence.data[ESTIMATE].to_numpy()
    effect = evidence.data["effect"].to_numpy().astype(float)
    units = []
    for row in range(evidence.size):
        events, size = seen.events[:, row], seen.size[:, row]
        estimate = partial(_estimate, report, size, (float(events[0]), float(effect[row])))
        own = str(names[row]), events, size, law, Baseline(baseline), estimate
        bends = law is not LINKS[link]
        units.append(TwoArms(*own, bounded=link == "log", bends=bends))
    (a, c), (n1, n0) = seen.events, seen.size
    whole = report(a + 0.5, n1 + 1.0, c + 0.5, n0 + 1.0)
    width = np.maximum(np.asarray(whole.se), 1e-3)
    return curves(units, np.asarray(whole.effect), width, many=densities)


def probabilities(
    link: str, baseline: Prior, theta: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Give probabilities of both groups at effects of any shape, with baselines from their prior."""
    a = baseline.ppf(rng.random(theta.shape))
    if Baseline(baseline).normal is None:
        a = np.log(a) - np.log1p(-a)
    return _probability(link, a + 0.5 * theta), _probability(link, a - 0.5 * theta)


def sampled_baselines(evidence: Evidence, link: str, baseline: Prior) -> "TensorVariable":
    """Add baselines to the PyMC model in context."""
    import pymc as pm  # noqa: PLC0415
    import pytensor.tensor as pt  # noqa: PLC0415

    parts = Baseline(baseline).normal
    if parts is None:
        chance = pm.Beta("baseline", baseline.a, baseline.b, shape=evidence.size)  # type: ignore[attr-defined]
        return pt.log(chance) - pt.log1p(-chance)
    seen = counts(evidence, 2)
    each = [_near(link, r, n) for r, n in zip(seen.events, seen.size, strict=True)]
    return pm.Normal("baseline", *parts, shape=evidence.size, initval=0.5 * (each[0] + each[1]))


def chances(evidence: Evidence) -> tuple[Any, tuple[tuple[Any, Any], ...]]:
    """Add events and people of both groups to the PyMC model in context: what is observed, and both."""
    import pymc as pm  # noqa: PLC0415

    seen = counts(evidence, 2)
    (r1, r0), (n1, n0) = (
        [pm.Data(f"{name}_{end}_data", part) for end, part in zip("tc", both, strict=True)]
        for name, both in (("events", seen.events), ("n", seen.size))
    )
    return r1, ((r1, n1), (r0, n0))


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
