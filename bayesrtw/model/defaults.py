"""Default priors by measure, for evidence that nobody has registered an analysis for.

One table, each entry with its source or called a judgement. They hang on the measure alone: not on how
many estimates there are, nor on columns that no row used. Published heterogeneity is that of all
Cochrane reviews, Bartos et al. (2021), doi:10.1002/sim.9170, for standardised differences and (2023),
doi:10.48550/arXiv.2306.11468, for the others; that of the reviews of the Work group is for theirs.
"""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import excludes_zero
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.moderator import Intercept
from bayesrtw.model.prior import HalfNormal, Normal, Prior
from bayesrtw.model.published import priors_for
from bayesrtw.model.term import Term
from bayesrtw.registry import encode


@dataclass(frozen=True, slots=True)
class Default:
    """Default priors of a measure."""

    #: mu, tau: priors of the pooled mean and of the heterogeneity SD.
    mu: Prior
    tau: Prior
    why: str  #: Source, or that it is a judgement.


_JUDGED: Final = "our judgement, not a standard of the literature"

#: What the published priors of a measure are taken for too.
_LIKE: Final = {
    "log_peto_odds_ratio": "log_odds_ratio",
    "standardised_mean_change_difference": "standardised_mean_difference",
}


def _published(measure: str, sd: float, group: str = "all") -> Default:
    """Give our prior of the mean, and the heterogeneity published for a measure."""
    (entry,) = (
        entry
        for entry in priors_for(_LIKE.get(measure, measure), groups=(group,))
        if entry.collection == "Cochrane"
    )
    whose = "all Cochrane reviews" if group == "all" else f"reviews of the Cochrane {group} group"
    doi = entry.source.rsplit(" ", 1)[-1]
    what = f", of {_LIKE[measure].replace('_', ' ')}s" if measure in _LIKE else ""
    return Default(
        Normal(0, sd),
        entry.tau,
        f"mean: our judgement; tau: heterogeneity in {whose}{what} ({doi})",
    )


#: Measures whose heterogeneity is published, with the SD of the prior of their mean.
_PUBLISHED: Final = {
    "log_risk_ratio": 0.5,
    "log_odds_ratio": 1.0,
    "log_peto_odds_ratio": 1.0,
    "standardised_mean_difference": 1.0,
    "standardised_mean_change_difference": 1.0,
    "risk_difference": 0.25,
}

#: Measure to priors.
TABLE: Final[dict[str, Default]] = {
    name: Default(Normal(0, 0.5), HalfNormal(0.25), _JUDGED)
    for name in (
        "log_hazard_ratio",
        "log_rate_ratio",
        "log_ratio_of_means",
        "log_ratio_of_medians",
        "log_variability_ratio",
        "log_cv_ratio",
        "z_correlation",
    )
} | {
    **{name: _published(name, sd) for name, sd in _PUBLISHED.items()},
    # N(0, 1.5) on the logit scale is nearly uniform on that of proportions
    "logit_proportion": Default(Normal(0, 1.5), HalfNormal(1.0), _JUDGED),
    "log_proportion": Default(Normal(-1.5, 1.5), HalfNormal(1.0), _JUDGED),
    "arcsine_proportion": Default(Normal(0.785, 0.4), HalfNormal(0.25), _JUDGED),
    "log_cumulative_hazard": Default(Normal(0, 1.5), HalfNormal(1.0), _JUDGED),
    # the unit of time is anybody's
    "log_rate": Default(Normal(0, 10.0), HalfNormal(1.0), _JUDGED),
}

#: Days of absence in a year: what a programme can move them by, in our judgement.
DAYS = Default(Normal(0, 40.0), HalfNormal(20.0), _JUDGED)

#: Titles and citations of reviews that the Cochrane Work group's priors are for.
_OF_WORK: Final = re.compile(
    r"cochrane work\b|return[- ]to[- ]work|sick leave|sickness absence|\brtw\b", re.IGNORECASE
)


def review_group(evidence: Evidence) -> str:
    """Name the review group whose published priors are for this evidence."""
    said = evidence.provenance
    text = " ".join((said.dataset, said.title, said.citation))
    return "Work" if _OF_WORK.search(text.replace("_", " ")) else "all"


def default_priors(evidence: Evidence) -> Default:
    """Choose default priors for evidence in one measure."""
    measure = evidence.measure
    group = review_group(evidence)
    if measure.name in _PUBLISHED and group != "all":
        return _published(measure.name, _PUBLISHED[measure.name], group)
    if measure.name in TABLE:
        return TABLE[measure.name]
    if measure.name in ("mean_difference", "rmst_difference") and evidence.unit == "days":
        return DAYS
    scale, what = _scale(evidence)
    text = f"data-scaled: the unit's scale is not declared, and {what} is {scale:.3g}; {_JUDGED}"
    wide = 100.0 if measure.groups == 1 else 1.0  # the mean of a group may lie anywhere
    return Default(Normal(0, wide * scale), HalfNormal(0.5 * scale), text)


def _scale(evidence: Evidence) -> tuple[float, str]:
    """Root mean square of the SDs that the effects came from; without, ten typical standard errors."""
    found = []
    how = evidence.data["conversion"].to_numpy() if "conversion" in evidence.data else ()
    used = np.array(["SE = SD / sqrt(n)" in str(each) for each in how], dtype=bool)
    for name in ("sd_t", "sd_c", "sd", "sd_change_t", "sd_change_c"):
        if name in evidence.data and used.any():
            found.append(np.asarray(evidence.data[name].to_numpy(), dtype=np.float64)[used])
    values = np.concatenate(found) if found else np.zeros(0)
    values = values[np.isfinite(values)]
    if len(values):
        return float(np.sqrt(np.mean(values**2))), "the SD of people"
    return float(
        10.0 * np.median(evidence.data["se"].to_numpy())
    ), "ten times the median standard error"


def default_terms(evidence: Evidence, *, levels: int = 3) -> tuple[Term, ...]:
    """Give the terms of a random-effects model with default priors."""
    priors = default_priors(evidence)
    study = [str(name) for name in evidence.data["study"].to_numpy()]
    if levels == 2 or len(set(study)) == len(study):
        return (Intercept(priors.mu), Exchangeable(priors.tau))
    # within a study: ours, as in the registered analyses, where that between studies is published
    within = HalfNormal(0.25) if excludes_zero(priors.tau) else priors.tau
    return (
        Intercept(priors.mu),
        Exchangeable(priors.tau, by="study", name="tau_study"),
        Exchangeable(within),
    )


def described(prior: Prior) -> str:
    """Write a prior in words.

    Parameters
    ----------
    prior
        Any prior.

    Returns
    -------
    str
        Its name and its parameters; of one without density near 0, where it begins.
    """
    table = encode(prior)
    settings = ", ".join(f"{value:g}" for name, value in table.items() if name != "kind")
    name = str(table["kind"]).replace("_", "-")
    shy = ""
    if excludes_zero(prior):
        least = float(prior.ppf(0.025))
        shy = f", which all but excludes that effects are alike (2.5 % point {least:.2g})"
    return f"{name}({settings}){shy}"
