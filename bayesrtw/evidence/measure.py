"""Effect measures: the scale of analysis, the null, the way back to what a reader knows."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesrtw.errors import EvidenceError, Fault, SpecError
from bayesrtw.printed import decimals
from bayesrtw.registry import suggestion

#: Which direction on the analysis scale is good; empty where nobody stated it, and then nothing is called
#: a benefit.
Benefit = Literal["higher", "lower", ""]

Array = NDArray[np.float64]

#: Limits of an effect and a standard error, of a log ratio (e^50), and of their quotient: no study
#: comes near, and beyond them squares and exponentials are no numbers.
LARGEST = 1e30
LARGEST_LOG = 50.0
LARGEST_Z = 1e8


@dataclass(frozen=True, slots=True)
class Link:
    """A monotone way between the reported scale and the scale of analysis."""

    name: str  #: What it is called.
    #: forward, back: from the reported scale to that of analysis, and back.
    forward: Callable[[Array], Array]
    back: Callable[[Array], Array]
    #: Derivative of `forward`: a standard error on the reported scale times it is one on the other.
    slope: Callable[[Array], Array]


def _logit(p: Array) -> Array:
    return np.asarray(np.log(p) - np.log1p(-p))


def _expit(x: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def _same(values: Array) -> Array:
    return values


def _logit_slope(p: Array) -> Array:
    return np.asarray(1.0 / (p * (1.0 - p)))


def _fisher_slope(r: Array) -> Array:
    return np.asarray(1.0 / (1.0 - r**2))


def _arcsine(p: Array) -> Array:
    return np.asarray(np.arcsin(np.sqrt(p)))


def _from_arcsine(x: Array) -> Array:
    """Beyond 0 and pi / 2 an arcsine is that of no proportion: the nearest one is given."""
    return np.asarray(np.sin(np.clip(x, 0.0, math.pi / 2)) ** 2)


def _arcsine_slope(p: Array) -> Array:
    return np.asarray(0.5 / np.sqrt(p * (1.0 - p)))


IDENTITY: Final = Link("identity", _same, _same, np.ones_like)
LOG: Final = Link("log", np.log, np.exp, np.reciprocal)
LOGIT: Final = Link("logit", _logit, _expit, _logit_slope)
FISHER: Final = Link("Fisher's z", np.arctanh, np.tanh, _fisher_slope)
ARCSINE: Final = Link("arcsine", _arcsine, _from_arcsine, _arcsine_slope)


@dataclass(frozen=True, slots=True)
class Measure:
    """An effect measure.

    Attributes
    ----------
    name
        Name in tables and TOML; carries the scale (``log_hazard_ratio``).
    title
        What the back-transformed value is called (``Hazard ratio``).
    abbreviation
        Short form for axes and tables (``HR``).
    link
        How the reported scale becomes the scale of analysis.
    groups
        2 if it compares two groups; 1 if it describes one, and no value of it means "no effect".
    contrast
        Name of the measure of a difference of two such groups, where it describes one and there is one.
    """

    name: str
    title: str
    abbreviation: str
    link: Link = IDENTITY
    groups: int = 2
    contrast: str = ""

    @property
    def log(self) -> bool:
        """Whether the analysis scale is the natural logarithm of the reported one."""
        return self.link.name == LOG.name

    @property
    def ratio(self) -> bool:
        """Whether what is reported is a ratio of two groups, printed with the digits of ratios."""
        return self.log and self.groups == 2

    def places(self, lower: ArrayLike, upper: ArrayLike) -> int:
        """Choose the decimals that intervals deserve as they are printed.

        Parameters
        ----------
        lower, upper
            Ends of intervals on the analysis scale, one shape.

        Returns
        -------
        int
            See `bayesrtw.printed.decimals`; those of rates, proportions and correlations follow from
            their intervals on the reported scale.
        """
        ends = [np.ravel(np.asarray(end, dtype=np.float64)) for end in (lower, upper)]
        if not self.ratio:
            with np.errstate(over="ignore"):
                ends = [self.back(end) for end in ends]
        half = np.abs(ends[1] - ends[0]) / 2
        return decimals(half[np.isfinite(half) & (half > 0)].tolist(), log=self.ratio)

    @property
    def null(self) -> float:
        """The value of no effect on the reported scale; NaN if there is none."""
        return float(self.back(0.0)) if self.groups == 2 else math.nan

    def back(self, effect: ArrayLike) -> Array:
        """Transform from the analysis scale to the reported one.

        Parameters
        ----------
        effect
            Values on the analysis scale, any shape.

        Returns
        -------
        ndarray
            The same shape; ratios for log measures.
        """
        return np.asarray(self.link.back(np.asarray(effect, dtype=np.float64)))

    def forward(self, reported: ArrayLike) -> Array:
        """Transform from the reported scale to the analysis scale.

        Parameters
        ----------
        reported
            Values as printed, any shape; > 0 for ratios.

        Returns
        -------
        ndarray
            The same shape.
        """
        return np.asarray(self.link.forward(np.asarray(reported, dtype=np.float64)))


MEASURES: Final[dict[str, Measure]] = {
    measure.name: measure
    for measure in (
        Measure("log_hazard_ratio", "Hazard ratio", "HR", LOG),
        Measure("log_risk_ratio", "Risk ratio", "RR", LOG),
        Measure("log_odds_ratio", "Odds ratio", "OR", LOG),
        Measure("log_peto_odds_ratio", "Peto odds ratio", "Peto OR", LOG),
        Measure("log_rate_ratio", "Rate ratio", "IRR", LOG),
        Measure("log_ratio_of_means", "Ratio of means", "RoM", LOG),
        Measure("log_ratio_of_medians", "Ratio of medians", "RoMed", LOG),
        Measure("log_variability_ratio", "Variability ratio", "VR", LOG),
        Measure("log_cv_ratio", "Ratio of coefficients of variation", "CVR", LOG),
        Measure("mean_difference", "Mean difference", "MD"),
        Measure("standardised_mean_difference", "Standardised mean difference", "SMD"),
        Measure(
            "standardised_mean_change_difference",
            "Standardised mean difference of changes",
            "SMD of change",
        ),
        Measure("risk_difference", "Risk difference", "RD"),
        Measure("rate_difference", "Rate difference", "IRD"),
        Measure("rmst_difference", "Difference of restricted mean times", "RMST difference"),
        Measure("z_correlation", "Correlation", "r", FISHER),
        Measure("logit_proportion", "Proportion", "proportion", LOGIT, 1, "log_odds_ratio"),
        Measure("log_proportion", "Proportion", "proportion", LOG, 1, "log_risk_ratio"),
        Measure("arcsine_proportion", "Proportion", "proportion", ARCSINE, groups=1),
        Measure(
            "log_cumulative_hazard",
            "Cumulative hazard",
            "cumulative hazard",
            LOG,
            1,
            "log_hazard_ratio",
        ),
        Measure("log_rate", "Rate", "rate", LOG, 1, "log_rate_ratio"),
        Measure("mean", "Mean", "mean", IDENTITY, 1, "mean_difference"),
        Measure("generic", "Effect", "effect"),
    )
}

#: Other names of measures, without case and punctuation: metafor's, RevMan's, and those of papers.
_CALLED: Final = {
    "hr": "log_hazard_ratio",
    "rr": "log_risk_ratio",
    "relativerisk": "log_risk_ratio",
    "or": "log_odds_ratio",
    "peto": "log_peto_odds_ratio",
    "petoor": "log_peto_odds_ratio",
    "irr": "log_rate_ratio",
    "incidencerateratio": "log_rate_ratio",
    "rom": "log_ratio_of_means",
    "lnrr": "log_ratio_of_means",
    "vr": "log_variability_ratio",
    "lnvr": "log_variability_ratio",
    "cvr": "log_cv_ratio",
    "lncvr": "log_cv_ratio",
    "md": "mean_difference",
    "smd": "standardised_mean_difference",
    "hedgesg": "standardised_mean_difference",
    "cohensd": "standardised_mean_difference",
    "standardizedmeandifference": "standardised_mean_difference",
    "smcr": "standardised_mean_change_difference",
    "rd": "risk_difference",
    "ird": "rate_difference",
    "rmst": "rmst_difference",
    "rmstd": "rmst_difference",
    "zcor": "z_correlation",
    "cor": "z_correlation",
    "correlation": "z_correlation",
    "pearsonr": "z_correlation",
    "plo": "logit_proportion",
    "proportion": "logit_proportion",
    "prevalence": "logit_proportion",
    "pln": "log_proportion",
    "pas": "arcsine_proportion",
    "irln": "log_rate",
    "mn": "mean",
}
_CALLED_BY_NAME: Final = {
    form.casefold().replace("_", "").replace(" ", ""): measure.name
    for measure in MEASURES.values()
    if measure.groups == 2
    for form in (measure.name, measure.name.removeprefix("log_"), measure.title)
} | {name.replace("_", ""): name for name in MEASURES}

#: What is asked of tests that tell the ill from the well, without case and punctuation.
_DIAGNOSTIC: Final = re.compile(
    r"sensitivity|specificity|diagnostic.*|dor|youden.*|s?auc|"
    r"areaunderthecurve|(positive|negative)?likelihoodratio"
)

#: What is said to whoever wants diagnostic accuracy pooled.
DIAGNOSTIC: Final = (
    "diagnostic accuracy is not pooled here: sensitivity and specificity are correlated and need a model "
    "of both"
)
DIAGNOSTIC_REMEDY: Final = (
    "use a bivariate or HSROC model (reitsma in the R package mada, metandi in Stata)"
)


def _bare(word: str) -> str:
    return "".join(sign for sign in word.casefold() if sign.isalnum())


def measure_called(word: str) -> str:
    """Find the name of a measure from what people call it."""
    bare = _bare(word)
    return _CALLED_BY_NAME.get(bare, _CALLED.get(bare, ""))


def is_diagnostic(word: str) -> bool:
    """Say whether a measure is one of diagnostic accuracy, see `DIAGNOSTIC`."""
    return _DIAGNOSTIC.fullmatch(_bare(word)) is not None


def measure_named(name: str) -> Measure:
    """Look a measure up."""
    if name not in MEASURES:
        if is_diagnostic(name):
            raise EvidenceError(f"measure {name!r}: {DIAGNOSTIC}; {DIAGNOSTIC_REMEDY}.")
        raise EvidenceError(f"measure {name!r} is not known; {suggestion(name, list(MEASURES))}")
    return MEASURES[name]


def of_ratio(ratio: float, name: str) -> float:
    """Give a threshold that a person states as a ratio as an effect on the analysis scale."""
    if not 0 < ratio < math.inf:
        raise SpecError(f"{name} is a ratio, above 0; found {ratio!r}.")
    return math.log(ratio)


def beyond_limits(effect: float, se: float, measure: Measure) -> Fault | None:
    """Say if numbers are beyond what any study gives, and what arithmetic can hold."""
    most = _most(measure)
    if abs(effect) > most:
        allowed = f"the effect must lie within {most:g} on the analysis scale"
        remedy = "divide percentage points and their errors by 100" if most == 1 else "correct it"
        return _beyond(allowed, f"found {effect:g}", remedy, effect)
    if se < 1 / LARGEST or se > LARGEST:
        allowed = f"the standard error must lie between {1 / LARGEST:g} and {LARGEST:g}"
        return _beyond(allowed, f"found {se:g}", "correct it", se)
    if abs(effect) > LARGEST_Z * se:
        found = f"the effect is {abs(effect) / se:.2g} standard errors from zero"
        both = f"found effect={effect:g} and se={se:g}"
        return _beyond(found, both, "correct one of them", effect)
    return None


def within_limits(effect: Array, se: Array, measure: Measure) -> NDArray[np.bool_]:
    """Say of many numbers whether `beyond_limits` would say nothing."""
    size, most = np.abs(effect), _most(measure)
    fine = (size <= most) & (size <= LARGEST_Z * se)
    return np.asarray(fine & (se >= 1 / LARGEST) & (se <= LARGEST))


def _most(measure: Measure) -> float:
    """Give the largest effect that can be: shares of people differ by one at most."""
    if measure.name == "risk_difference":
        return 1.0
    return LARGEST if measure.link.name == IDENTITY.name else LARGEST_LOG


def _beyond(allowed: str, found: str, remedy: str, value: float) -> Fault:
    return Fault(found, allowed, remedy, "beyond-limits", value=f"{value:g}")
