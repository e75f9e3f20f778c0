"""Default priors by measure, for evidence that nobody has registered an analysis for.

One table, each entry with its source or called a judgement. Effects: normal with mean 0. Published
heterogeneity priors of the Cochrane Work group: Bartos et al. (2021), *Statistics in Medicine*
40:6743-6761, doi:10.1002/sim.9170, for standardised differences, and Bartos et al. (2023),
doi:10.48550/arXiv.2306.11468, for the others.
"""

from dataclasses import dataclass

import numpy as np

from bayesrtw.evidence.table import Evidence
from bayesrtw.model.heterogeneity import Exchangeable
from bayesrtw.model.moderator import Intercept
from bayesrtw.model.prior import HalfNormal, InverseGamma, Normal, Prior
from bayesrtw.model.term import Term

#: Estimates from which the data can speak about heterogeneity, so that a wider prior is used.
MANY = 10


@dataclass(frozen=True, slots=True)
class Default:
    """Default priors of a measure.

    Attributes
    ----------
    mu, tau
        Priors of the pooled mean and of the heterogeneity SD.
    why
        Source, or that it is a judgement.
    many
        Prior of the SD from `MANY` estimates on; None for the same.
    """

    mu: Prior
    tau: Prior
    why: str
    many: Prior | None = None


_JUDGED = "reasoned default, not a standard of the literature"
_WORK = "heterogeneity in reviews of the Cochrane Work group (doi:10.48550/arXiv.2306.11468)"
_WORK_SMD = "heterogeneity in reviews of the Cochrane Work group (doi:10.1002/sim.9170)"

#: Measure to priors; log hazard ratios and their like widen with the number of estimates.
TABLE: dict[str, Default] = {
    "log_hazard_ratio": Default(Normal(0, 0.5), HalfNormal(0.25), _JUDGED, HalfNormal(0.5)),
    "log_rate_ratio": Default(Normal(0, 0.5), HalfNormal(0.25), _JUDGED, HalfNormal(0.5)),
    "log_ratio_of_means": Default(Normal(0, 0.5), HalfNormal(0.25), _JUDGED, HalfNormal(0.5)),
    "log_risk_ratio": Default(Normal(0, 0.5), InverseGamma(1.50, 0.26), _WORK),
    "log_odds_ratio": Default(Normal(0, 1.0), InverseGamma(1.79, 0.73), _WORK),
    "log_peto_odds_ratio": Default(Normal(0, 1.0), InverseGamma(1.79, 0.73), _WORK),
    "standardised_mean_difference": Default(Normal(0, 1.0), InverseGamma(1.76, 0.39), _WORK_SMD),
    "risk_difference": Default(Normal(0, 0.25), HalfNormal(0.123), _WORK),
}

#: Days of absence in a year: what a programme can move them by, in our judgement.
DAYS = Default(Normal(0, 40.0), HalfNormal(20.0), _JUDGED)


def default_priors(evidence: Evidence) -> Default:
    """Choose default priors for evidence in one measure.

    Parameters
    ----------
    evidence
        The rows to pool.

    Returns
    -------
    Default
        From `TABLE`; for differences in a unit whose scale nobody declared, scaled by the data's
        spread and labelled so.
    """
    name = evidence.measure.name
    if name in TABLE:
        found = TABLE[name]
        if found.many is not None and evidence.size >= MANY:
            return Default(found.mu, found.many, found.why)
        return found
    if name == "mean_difference" and evidence.unit == "days":
        return DAYS
    scale = _scale(evidence)
    text = f"data-scaled: the unit's scale is not declared, and the rows' spread is {scale:.3g}"
    return Default(Normal(0, scale), HalfNormal(0.5 * scale), text)


def _scale(evidence: Evidence) -> float:
    """Pooled SD of the arms; without SDs, ten typical standard errors. Never the effects."""
    columns = [name for name in ("sd_t", "sd_c") if name in evidence.data]
    values = np.concatenate([evidence.data[name].to_numpy() for name in columns] or [np.zeros(0)])
    values = np.asarray(values[np.isfinite(values)], dtype=np.float64)
    if len(values):
        return float(np.sqrt(np.mean(values**2)))
    return float(10.0 * np.median(evidence.data["se"].to_numpy()))


def default_terms(evidence: Evidence) -> tuple[Term, ...]:
    """Give the terms of a random-effects model with default priors.

    Parameters
    ----------
    evidence
        The rows to pool.

    Returns
    -------
    tuple of Term
        An intercept and exchangeable heterogeneity.
    """
    priors = default_priors(evidence)
    return (Intercept(priors.mu), Exchangeable(priors.tau))
