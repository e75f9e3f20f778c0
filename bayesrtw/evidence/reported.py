"""One reported result, as printed, to the analysis scale, with how it was done.

The rows of every source pass through `analysis_scale`, so a number is converted in one place and
the conversion is recorded beside it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bayesrtw.evidence import convert
from bayesrtw.evidence.measure import MEASURES, Measure
from bayesrtw.registry import suggestion

#: Columns of a result that hold numbers.
NUMBERS: Final = (
    "follow_up_months",
    "effect",
    "estimate",
    "ci_low",
    "ci_high",
    "ci_level",
    "se",
    "events_t",
    "n_t",
    "events_c",
    "n_c",
    "pct_t",
    "pct_c",
    "mean_t",
    "sd_t",
    "se_mean_t",
    "ci_low_mean_t",
    "ci_high_mean_t",
    "mean_c",
    "sd_c",
    "se_mean_c",
    "ci_low_mean_c",
    "ci_high_mean_c",
    "median_t",
    "median_c",
    "multiplier",
)

#: What a source may print, to the measure it is analysed in unless the row says otherwise.
REPORTED: Final[dict[str, str]] = {
    "effect": "generic",
    "hazard_ratio": "log_hazard_ratio",
    "risk_ratio": "log_risk_ratio",
    "odds_ratio": "log_odds_ratio",
    "rate_ratio": "log_rate_ratio",
    "ratio_of_means": "log_ratio_of_means",
    "risk_difference": "risk_difference",
    "mean_difference": "mean_difference",
    "standardised_mean_difference": "standardised_mean_difference",
    "log_hazard_ratio": "log_hazard_ratio",
    "log_risk_ratio": "log_risk_ratio",
    "log_odds_ratio": "log_odds_ratio",
    "log_rate_ratio": "log_rate_ratio",
    "log_ratio_of_means": "log_ratio_of_means",
    "counts": "log_risk_ratio",
    "percentages": "log_risk_ratio",
    "means": "mean_difference",
    "medians": "mean_difference",
}

#: A standardised mean difference needs more people than this for its variance (N - 3.94 > 0).
SMALLEST_SMD = 3

#: Measures that counts can be turned into.
FROM_COUNTS: Final[dict[str, Callable[..., convert.Converted]]] = {
    "log_risk_ratio": convert.log_risk_ratio,
    "log_odds_ratio": convert.log_odds_ratio,
    "risk_difference": convert.risk_difference,
}


@dataclass(frozen=True, slots=True)
class OnScale:
    """A result on the analysis scale.

    Attributes
    ----------
    measure
        Name of the measure.
    effect, se
        On the analysis scale; NaN where the source does not give it.
    conversion
        How they follow from the printed numbers, in words.
    faults
        What is wrong with the row: each "column: rule; found ...; what to do".
    """

    measure: str
    effect: float = math.nan
    se: float = math.nan
    conversion: str = ""
    faults: tuple[str, ...] = ()


def analysis_scale(text: Mapping[str, str], number: Mapping[str, float]) -> OnScale:
    """Convert one reported result.

    Parameters
    ----------
    text
        The row's text columns: ``reported``, ``measure``, ``p_value``, ``reversed``.
    number
        The row's numeric columns (see `NUMBERS`); NaN where empty.

    Returns
    -------
    OnScale
        Effect and standard error, or the faults that prevent them.
    """
    get = _Getter(number)
    reported = text.get("reported") or _reported_kind(get)
    if reported not in REPORTED:
        hint = suggestion(reported, list(REPORTED)).rstrip(".")
        return OnScale("generic", faults=(f"reported is {reported!r}; {hint}",))
    name = text.get("measure") or REPORTED[reported]
    if name not in MEASURES:
        hint = suggestion(name, list(MEASURES)).rstrip(".")
        return OnScale("generic", faults=(f"measure is {name!r}; {hint}",))
    measure = MEASURES[name]
    faults = [*_words(text, reported, name, get), *_faults(get, reported, measure)]
    if not faults:
        faults += _p_value_faults(text.get("p_value", ""))
    if faults:
        return OnScale(name, faults=tuple(faults))
    effect, se, how = _converted(reported, measure, get, text.get("p_value", ""))
    factor = get("multiplier", 1.0)
    if factor != 1.0:
        effect, se, how = effect * factor, se * factor, f"{how}, times {factor:g}"
    if text.get("reversed") == "yes":
        effect, how = -effect, f"{how}, turned round"
    return OnScale(name, effect, se, how)


class _Getter:
    """Reads a number of a row, NaN or a default where the cell is empty."""

    def __init__(self, number: Mapping[str, float]) -> None:
        self._number = number

    def __call__(self, column: str, default: float = math.nan) -> float:
        value = self._number.get(column, math.nan)
        return default if math.isnan(value) else value

    def has(self, *columns: str) -> bool:
        """Whether every one of the columns holds a number."""
        return not any(math.isnan(self(column)) for column in columns)


def _reported_kind(get: _Getter) -> str:
    if get.has("effect") or get.has("estimate"):
        return "effect"
    if get.has("events_t") or get.has("events_c"):
        return "counts"
    return "means" if get.has("mean_t") else "effect"


#: Measures that what was reported may be analysed in.
_POSSIBLE: Final[dict[str, tuple[str, ...]]] = {
    "counts": tuple(FROM_COUNTS),
    "percentages": tuple(FROM_COUNTS),
    "means": ("mean_difference", "standardised_mean_difference"),
    "medians": ("mean_difference",),
    "effect": tuple(MEASURES),
}


def _words(text: Mapping[str, str], reported: str, name: str, get: _Getter) -> list[str]:
    """Say which words of a row contradict each other."""
    faults = []
    if text.get("reversed", "") not in ("", "yes", "no"):
        faults.append(f"reversed is {text['reversed']!r}; write yes, no or nothing")
    if "study" in text and not text["study"]:
        faults.append("study must not be empty; give the study a name")
    possible = _POSSIBLE.get(reported, (REPORTED[reported],))
    if name not in possible:
        choices = suggestion(name, list(possible)).rstrip(".")
        faults.append(f"measure is {name!r} and reported is {reported!r}; {choices}")
    bare = not text.get("reported") and get.has("estimate") and not get.has("effect")
    if bare and MEASURES[name].log:
        ratio = name.removeprefix("log_")
        faults.append(
            f"reported is empty and measure is {name!r}: the estimate may be a ratio or its logarithm; "
            f"write reported={ratio} or reported={name}"
        )
    return faults


def _p_value_faults(printed: str) -> list[str]:
    value = _exact_p(printed)
    if math.isnan(value) or 0 <= value <= 1:
        return []
    return [f"p_value must lie between 0 and 1; found {printed!r}; correct it against the source"]


def _faults(get: _Getter, reported: str, measure: Measure) -> list[str]:
    """Say which numbers contradict each other or their own meaning."""
    faults = []
    low, high = get("ci_low"), get("ci_high")
    column = "effect" if get.has("effect") else "estimate"
    estimate = get(column)
    if low >= high:
        faults.append(
            f"ci_low must be less than ci_high; found ci_low={low:g}, ci_high={high:g}; swap them or "
            "correct them against the source"
        )
    elif estimate < low or estimate > high:
        faults.append(
            f"{column} must lie in its interval; found {column}={estimate:g}, ci_low={low:g}, "
            f"ci_high={high:g}; correct it against the source"
        )
    for arm in ("t", "c"):
        low, high = get(f"ci_low_mean_{arm}"), get(f"ci_high_mean_{arm}")
        if low >= high:
            faults.append(
                f"ci_low_mean_{arm} must be less than ci_high_mean_{arm}; found {low:g} and {high:g}; "
                "correct them against the source"
            )
    if measure.log and reported not in ("counts", "means", "effect") and "log_" not in reported:
        faults += [
            f"{column} of a ratio must be positive; found {get(column):g}; correct it, or name the "
            f"logarithm in reported (log_{reported})"
            for column in ("estimate", "ci_low", "ci_high")
            if get(column) <= 0
        ]
    faults += [
        f"{column} must be positive; found {get(column):g}; leave the cell empty where the source "
        "gives none"
        for column in ("se", "sd_t", "sd_c", "se_mean_t", "se_mean_c", "multiplier")
        if get(column) <= 0 and not (reported in ("counts", "percentages") and get(column) == 0)
    ]
    for arm in ("t", "c"):
        events, size = get(f"events_{arm}"), get(f"n_{arm}")
        if events < 0 or events > size or size <= 0:
            faults.append(
                f"events_{arm} must lie between 0 and n_{arm}; found events_{arm}={events:g}, "
                f"n_{arm}={size:g}; correct them against the source"
            )
    if not 0 < get("ci_level", 0.95) < 1:
        faults.append(
            f"ci_level must lie between 0 and 1; found {get('ci_level'):g}; write 0.95 for 95 %"
        )
    return faults


def _converted(
    reported: str, measure: Measure, get: _Getter, p_value: str
) -> tuple[float, float, str]:
    if reported == "counts":
        return _from_counts(measure, get)
    if reported == "means":
        return _from_means(measure, get)
    if reported in ("medians", "percentages"):
        return (
            math.nan,
            math.nan,
            "not converted: no standard error follows from the printed numbers",
        )
    logged = reported.startswith("log_") or reported == "effect"
    scale = MEASURES["generic"] if logged else measure
    estimate = get("effect", get("estimate"))
    if math.isnan(estimate):
        return math.nan, math.nan, "no estimate printed"
    effect = float(scale.forward(estimate))
    if get.has("se") and (logged or not measure.log):
        return effect, get("se"), "estimate and standard error as printed"
    if get.has("ci_low", "ci_high"):
        level = get("ci_level", 0.95)
        found = convert.from_interval(estimate, get("ci_low"), get("ci_high"), level, scale)
        return effect, float(found.se), f"estimate and {100 * level:g} % interval"
    p = _exact_p(p_value)
    if 0 < p < 1 and effect != 0:
        found = convert.from_p_value(estimate, p, scale)
        return effect, float(found.se), f"estimate and p value {p_value} (two-sided, normal)"
    return effect, math.nan, "estimate only: no standard error follows from the printed numbers"


def _exact_p(printed: str) -> float:
    """Read a p value; NaN where only a bound ("<.01") or nothing is printed."""
    try:
        return float(printed)
    except ValueError:
        return math.nan


def _from_counts(measure: Measure, get: _Getter) -> tuple[float, float, str]:
    cells = ("events_t", "n_t", "events_c", "n_c")
    if measure.name not in FROM_COUNTS or not get.has(*cells):
        return math.nan, math.nan, "counts incomplete"
    values = [get(cell) for cell in cells]
    found = FROM_COUNTS[measure.name](*values)
    zero = 0 in (values[0], values[2]) or values[0] == values[1] or values[2] == values[3]
    added = f", {convert.CONTINUITY:g} added to each cell" if zero else ""
    name = measure.name.replace("_", " ")
    return float(found.effect), float(found.se), f"{name} from counts{added}"


def _from_means(measure: Measure, get: _Getter) -> tuple[float, float, str]:
    if not get.has("mean_t", "mean_c"):
        return math.nan, math.nan, "means incomplete"
    spread = ("sd_t", "n_t", "sd_c", "n_c")
    if measure.name == "standardised_mean_difference":
        if not get.has(*spread) or get("n_t") + get("n_c") <= SMALLEST_SMD:
            return math.nan, math.nan, "means without standard deviations, or fewer than 4 people"
        found = convert.standardised_mean_difference(
            get("mean_t"), get("sd_t"), get("n_t"), get("mean_c"), get("sd_c"), get("n_c")
        )
        return float(found.effect), float(found.se), "Hedges' g from means and SDs"
    se_t, how_t = _se_of_mean(get, "t")
    se_c, how_c = _se_of_mean(get, "c")
    found = convert.mean_difference(get("mean_t"), se_t, get("mean_c"), se_c)
    how = f"difference of means, {how_t}" if how_t == how_c else "difference of means"
    if math.isnan(float(found.se)):
        how = "difference of means only: no standard error follows from the printed numbers"
    return float(found.effect), float(found.se), how


def _se_of_mean(get: _Getter, arm: str) -> tuple[float, str]:
    if get.has(f"se_mean_{arm}"):
        return get(f"se_mean_{arm}"), "standard errors as printed"
    if get.has(f"sd_{arm}", f"n_{arm}"):
        return get(f"sd_{arm}") / math.sqrt(get(f"n_{arm}")), "SE = SD / sqrt(n)"
    low, high = get(f"ci_low_mean_{arm}"), get(f"ci_high_mean_{arm}")
    z = float(convert.normal_quantile(get("ci_level", 0.95)))
    return (high - low) / (2 * z), "standard errors from the interval of each mean"
