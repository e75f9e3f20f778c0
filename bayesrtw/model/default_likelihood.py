"""The likelihood of evidence that nobody has registered an analysis for: of counts, the exact one."""

from dataclasses import dataclass
from typing import Final

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import EngineRefusal
from bayesrtw.evidence.counts import rest_on
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.binomial import Binomial
from bayesrtw.model.hypergeometric import Hypergeometric
from bayesrtw.model.likelihood import NormalErrors
from bayesrtw.model.single import BinomialSingle, Poisson, PoissonSingle

#: The likelihoods of counts that are chosen unasked.
OfCounts = Hypergeometric | Binomial | Poisson | BinomialSingle | PoissonSingle

#: Measure to the exact likelihood of its counts, and what that is in words.
EXACT: Final[dict[str, tuple[OfCounts, str]]] = {
    "log_odds_ratio": (Hypergeometric(), "hypergeometric: each table given its margins"),
    "log_risk_ratio": (Binomial(link="log"), "binomial, log link, a baseline of each study's own"),
    "log_hazard_ratio": (
        Binomial(link="cloglog"),
        "binomial, complementary log-log link, a baseline of each study's own",
    ),
    "log_rate_ratio": (Poisson(), "Poisson given all events of a study"),
    "logit_proportion": (BinomialSingle(), "binomial, logit link"),
    "log_cumulative_hazard": (
        BinomialSingle(link="cloglog"),
        "binomial, complementary log-log link",
    ),
    "log_rate": (PoissonSingle(), "Poisson"),
}


#: Measures whose effects are bounded by the baseline.
BOUNDED: Final = ("log_risk_ratio",)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A likelihood, and why it was chosen."""

    likelihood: OfCounts | NormalErrors  #: It.
    why: str  #: In a sentence; empty where the evidence has no counts.
    exact: bool  #: Whether it is that of counts.


def default_likelihood(evidence: Evidence) -> Chosen:
    """Choose the likelihood of evidence in one measure."""
    plain = NormalErrors()
    if evidence.measure.name not in EXACT:
        return Chosen(plain, "", exact=False)
    found, words = EXACT[evidence.measure.name]
    counted = rest_on(evidence, *found.reads)
    if not counted.any():
        return Chosen(plain, "", exact=False)
    if not counted.all():
        why = (
            f"Likelihood: {int(counted.sum())} of {evidence.size} rows have counts, and the others estimates "
            "alone: all are taken for normal estimates, with 0.5 added where a cell is zero."
        )
        return Chosen(plain, why, exact=False)
    if evidence.dependence:
        why = (
            "Likelihood: estimates that share a group, or the same people, err together, which is known of "
            "normal estimates only: counts are taken for those, with 0.5 added where a cell is zero."
        )
        return Chosen(plain, why, exact=False)
    stiff = _unlaid(found, evidence) if evidence.measure.name in BOUNDED else ""
    if stiff:
        why = (
            f"Likelihood: nearly everybody has the event in {stiff}, where probabilities end and that of "
            "counts is not smooth: they are taken for normal estimates, with 0.5 where a cell is zero. "
            "Odds ratios, or ratios of the risk of no event, would be exact."
        )
        return Chosen(plain, why, exact=False)
    why = f"Likelihood: exact for counts ({words}); nothing is added to empty cells."
    return Chosen(found, why, exact=True)


def _unlaid(likelihood: OfCounts, evidence: Evidence) -> str:
    """Name a row whose density no sum of normals reproduces; empty if there is none."""
    sites = likelihood.observe(evidence)
    for row, name in enumerate(evidence.data[ESTIMATE].to_numpy()):
        try:
            sites.part(row)
        except EngineRefusal:
            return str(name)
    return ""
