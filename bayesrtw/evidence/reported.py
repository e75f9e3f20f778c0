"""One reported result, as printed, to the analysis scale, with how it was done.

The rows of every source pass through `analysis_scale`, so a number is converted in one place and
the conversion is recorded beside it.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from bayesrtw.errors import Fault, Place
from bayesrtw.evidence import convert, summaries
from bayesrtw.evidence.measure import MEASURES, Measure, beyond_limits
from bayesrtw.registry import suggestion

#: Columns that stand once for each group, with _t for the programme's and _c for the comparison.
_BY_GROUP: Final = (
    "events",
    "n",
    "person_time",
    "pct",
    "mean",
    "sd",
    "se_mean",
    "ci_low_mean",
    "ci_high_mean",
    "median",
    "min",
    "q1",
    "q3",
    "max",
    "mean_change",
    "sd_change",
    "sd_baseline",
    "sd_final",
)

#: Columns of a result that hold numbers.
NUMBERS: Final = (
    "follow_up_months",
    "effect",
    "estimate",
    "ci_low",
    "ci_high",
    "ci_level",
    "se",
    "z",
    "o_minus_e",
    "variance",
    "correlation",
    *(f"{name}_{group}" for name in _BY_GROUP for group in ("t", "c")),
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
    "mean_changes": "mean_difference",
    "medians": "mean_difference",
    "rates": "log_rate_ratio",
    "o_minus_e": "log_hazard_ratio",
}

#: A standardised mean difference needs more people than this for its variance (N - 3.94 > 0).
SMALLEST_SMD = 3

#: Measures that counts can be turned into.
FROM_COUNTS: Final[dict[str, Callable[..., convert.Converted]]] = {
    "log_risk_ratio": convert.log_risk_ratio,
    "log_odds_ratio": convert.log_odds_ratio,
    "risk_difference": convert.risk_difference,
    "log_peto_odds_ratio": convert.log_peto_odds_ratio,
    "log_hazard_ratio": convert.complementary_log_log,
}

#: Measures that rates can be turned into.
FROM_RATES: Final[dict[str, Callable[..., convert.Converted]]] = {
    "log_rate_ratio": convert.log_rate_ratio,
    "rate_difference": convert.rate_difference,
}

#: A median with quartiles or range says something about a mean from this many people on: the critical
#: values of `summaries.skewness` begin here.
SMALLEST_FOR_MEDIANS = 5

#: An interval is said to be asymmetric if its centre is further from the estimate than this, in
#: half-widths, whatever the unprinted digits. 0.1 half-widths of a 95 % interval are 0.196 standard
#: errors: were the centre right, taking the estimate would raise its mean squared error by 0.196^2 =
#: 4 %. Less than that no reader would act on.
ASYMMETRY = 0.1

#: How papers write that a test was not significant.
_NOT_SIGNIFICANT: Final = frozenset({"n.s.", "ns", "n.s", "not significant"})

_P_VALUE: Final = re.compile(r"\s*(<=|>=|[<>=≤≥]?)\s*(-?(?:\d+\.?\d*|\.\d+)(?:[eE]-?\d+)?)\s*")


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
        What is wrong with the row, without its place in a file.
    notes
        Doubts about the row that do not stop it, e.g. an interval that is not symmetric.
    bound
        Where `se` is NaN, what the source says about it: "p < .01", "n.s.", "n = 120".
    """

    measure: str
    effect: float = math.nan
    se: float = math.nan
    conversion: str = ""
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    bound: str = ""


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
        return OnScale("generic", faults=(_unknown("reported", reported, list(REPORTED)),))
    name = text.get("measure") or REPORTED[reported]
    if name not in MEASURES:
        return OnScale("generic", faults=(_unknown("measure", name, list(MEASURES)),))
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
    beyond = beyond_limits(effect, se, measure)
    if beyond is not None:
        return OnScale(name, faults=(beyond,))
    bound = _bound(text.get("p_value", ""), get) if math.isnan(se) else ""
    return OnScale(name, effect, se, how, notes=_doubts(reported, measure, get), bound=bound)


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
        return "rates" if get.has("person_time_t") and not get.has("n_t") else "counts"
    if get.has("mean_t"):
        return "means"
    if get.has("mean_change_t"):
        return "mean_changes"
    return "o_minus_e" if get.has("o_minus_e") else "effect"


#: Measures that what is printed group by group, as a sum or bare may be analysed in.
_POSSIBLE: Final[dict[str, tuple[str, ...]]] = {
    "counts": tuple(FROM_COUNTS),
    "percentages": tuple(FROM_COUNTS),
    "means": ("mean_difference", "standardised_mean_difference", "log_ratio_of_means"),
    "mean_changes": ("mean_difference",),
    "medians": (
        "mean_difference",
        "standardised_mean_difference",
        "log_ratio_of_means",
        "log_hazard_ratio",
    ),
    "rates": tuple(FROM_RATES),
    "o_minus_e": ("log_hazard_ratio", "log_peto_odds_ratio"),
    "effect": tuple(MEASURES),
}


def _words(text: Mapping[str, str], reported: str, name: str, get: _Getter) -> list[Fault]:
    """Say which words of a row contradict each other."""
    faults = []
    if text.get("reversed", "") not in ("", "yes", "no"):
        said = text["reversed"]
        faults.append(_fault("reversed", f"reversed is {said!r}", "write yes, no or nothing", said))
    if "study" in text and not text["study"]:
        faults.append(_fault("study", "study must not be empty", "give the study a name"))
    possible = _POSSIBLE.get(reported, (REPORTED[reported],))
    if name not in possible:
        choices = suggestion(name, list(possible))
        found = f"measure is {name!r} and reported is {reported!r}"
        faults.append(_fault("measure", found, choices, name))
    if reported == "o_minus_e" and not text.get("measure"):
        remedy = "write log_hazard_ratio for a log-rank test, log_peto_odds_ratio for counts"
        faults.append(_fault("measure", "measure is empty and reported is 'o_minus_e'", remedy))
    bare = not text.get("reported") and get.has("estimate") and not get.has("effect")
    if bare and MEASURES[name].log:
        ratio = name.removeprefix("log_")
        found = f"reported is empty and measure is {name!r}: the estimate may be a ratio or its logarithm"
        remedy = f"write reported={ratio} or reported={name}"
        faults.append(_fault("reported", found, remedy))
    return faults


def _fault(column: str, found: str, remedy: str, value: str = "") -> Fault:
    return Fault(found, "", remedy, "not-allowed", Place(column=column), value)


def _unknown(column: str, value: str, choices: list[str]) -> Fault:
    return _fault(column, f"{column} is {value!r}", suggestion(value, choices), value)


def _must(
    column: str, allowed: str, found: str, remedy: str, rule: str = "not-allowed", of: str = ""
) -> Fault:
    allowed = f"{column}{of} must {allowed}"
    return Fault(f"found {found}", allowed, remedy, rule, Place(column=column))


def _p_value_faults(printed: str) -> list[Fault]:
    if not printed or printed.casefold() in _NOT_SIGNIFICANT:
        return []
    found = _P_VALUE.fullmatch(printed)
    if found is None:
        remedy = "write a number (.03), a bound (<.01), n.s., or leave the cell empty"
        return [_fault("p_value", f"p_value is {printed!r}", remedy, printed)]
    outside = _must("p_value", "lie between 0 and 1", repr(printed), _AGAINST)
    return [] if 0 <= float(found[2]) <= 1 else [outside]


def _faults(get: _Getter, reported: str, measure: Measure) -> list[Fault]:
    """Say which numbers contradict each other or their own meaning."""
    faults, upside_down, positive = [], "interval-upside-down", "not-positive"
    low, high = get("ci_low"), get("ci_high")
    column = "effect" if get.has("effect") else "estimate"
    estimate = get(column)
    if low >= high:
        found, remedy = f"ci_low={low:g}, ci_high={high:g}", f"swap them or {_THEM}"
        faults.append(_must("ci_low", "be less than ci_high", found, remedy, upside_down))
    elif estimate < low or estimate > high:
        found = f"{column}={estimate:g}, ci_low={low:g}, ci_high={high:g}"
        excluded = "interval-excludes-estimate"
        faults.append(_must(column, "lie in its interval", found, _AGAINST, excluded))
    for arm in ("t", "c"):
        low, high = get(f"ci_low_mean_{arm}"), get(f"ci_high_mean_{arm}")
        if low >= high:
            allowed, found = f"be less than ci_high_mean_{arm}", f"{low:g} and {high:g}"
            faults.append(_must(f"ci_low_mean_{arm}", allowed, found, _THEM, upside_down))
    if measure.log and reported not in _POSSIBLE and "log_" not in reported:
        remedy = f"correct it, or name the logarithm in reported (log_{reported})"
        faults += [
            _must(column, "be positive", f"{get(column):g}", remedy, positive, " of a ratio")
            for column in ("estimate", "ci_low", "ci_high")
            if get(column) <= 0
        ]
    remedy = "leave the cell empty where the source gives none"
    faults += [
        _must(column, "be positive", f"{get(column):g}", remedy, positive)
        for column in _POSITIVE
        if get(column) <= 0 and not (reported in ("counts", "percentages") and get(column) == 0)
    ]
    for arm in ("t", "c"):
        events, size = get(f"events_{arm}"), get(f"n_{arm}")
        if reported == "rates":  # a person may have several events
            if events < 0:
                faults.append(_must(f"events_{arm}", "not be negative", f"{events:g}", _AGAINST))
        elif events < 0 or events > size or size <= 0:
            allowed = f"lie between 0 and n_{arm}"
            found = f"events_{arm}={events:g}, n_{arm}={size:g}"
            faults.append(_must(f"events_{arm}", allowed, found, _THEM, "events-exceed-people"))
    if not 0 < get("ci_level", 0.95) < 1:
        found = f"{get('ci_level'):g}"
        faults.append(_must("ci_level", "lie between 0 and 1", found, "write 0.95 for 95 %"))
    if not -1 <= get("correlation", 0.0) <= 1:
        found = f"{get('correlation'):g}"
        faults.append(_must("correlation", "lie between -1 and 1", found, "correct it"))
    faults += _location_faults(get, reported, measure)
    return faults


#: What to do about a number, and about numbers that contradict each other.
_AGAINST: Final = "correct it against the source"
_THEM: Final = "correct them against the source"

#: Columns that may not be zero or negative.
_POSITIVE: Final = (
    "se",
    "variance",
    "multiplier",
    *(
        f"{name}_{group}"
        for name in ("sd", "se_mean", "sd_change", "sd_baseline", "sd_final", "person_time")
        for group in ("t", "c")
    ),
)


def _location_faults(get: _Getter, reported: str, measure: Measure) -> list[Fault]:
    """Say which means and medians cannot be: of a ratio, or out of their order."""
    faults = []
    for arm in ("t", "c"):
        column = {"means": f"mean_{arm}", "medians": f"median_{arm}"}.get(reported, "")
        if measure.log and get(column) <= 0:
            remedy = "correct it, or analyse the difference (measure=mean_difference)"
            found, rule = f"{get(column):g}", "not-positive"
            faults.append(_must(column, "be positive for a ratio", found, remedy, rule))
        order = ("min", "q1", "median", "q3", "max")
        there = [f"{name}_{arm}" for name in order if get.has(f"{name}_{arm}")]
        values = [get(name) for name in there]
        flat = any(
            get(f"{a}_{arm}") == get(f"{b}_{arm}") for a, b in (("q1", "q3"), ("min", "max"))
        )
        if values != sorted(values) or flat:
            found = ", ".join(f"{name}={get(name):g}" for name in there)
            others = "".join(f", {name}" for name in there[1:])
            faults.append(_must(there[0], "be in rising order", found, _THEM, of=others))
    return faults


def _converted(
    reported: str, measure: Measure, get: _Getter, p_value: str
) -> tuple[float, float, str]:
    if reported == "percentages":
        return math.nan, math.nan, _UNCONVERTED
    if reported in ("counts", "rates"):
        return _from_events(reported, measure, get)
    if reported == "means":
        return _from_means(measure, get)
    if reported == "mean_changes":
        return _from_changes(get)
    if reported == "medians":
        if measure.name == "log_hazard_ratio":
            return _from_times(get)
        return _from_medians(measure, get)
    if reported == "o_minus_e":
        if not get.has("o_minus_e", "variance"):
            return math.nan, math.nan, "O - E or V missing"
        found = convert.from_o_minus_e(get("o_minus_e"), get("variance"))
        return float(found.effect), float(found.se), f"{_words_of(measure)} from O - E and V"
    return _from_estimate(_scale_of(reported, measure), get, p_value)


#: What is said where nothing can be made of a row.
_UNCONVERTED: Final = "not converted: no standard error follows from the printed numbers"


def _scale_of(reported: str, measure: Measure) -> Measure:
    """Scale of what is printed: the measure's own, or none where the logarithm is printed already."""
    logged = reported.startswith("log_") or reported == "effect"
    return MEASURES["generic"] if logged else measure


def _words_of(measure: Measure) -> str:
    return measure.name.replace("_", " ").replace("peto", "Peto")


def _from_estimate(scale: Measure, get: _Getter, p_value: str) -> tuple[float, float, str]:
    estimate = get("effect", get("estimate"))
    if math.isnan(estimate):
        return math.nan, math.nan, "no estimate printed"
    effect = float(scale.forward(estimate))
    if get.has("se") and not scale.log:
        return effect, get("se"), "estimate and standard error as printed"
    if get.has("ci_low", "ci_high"):
        level = get("ci_level", 0.95)
        found = convert.from_interval(estimate, get("ci_low"), get("ci_high"), level, scale)
        return effect, float(found.se), f"estimate and {100 * level:g} % interval"
    if effect != 0 and get("z", 0.0) != 0:
        found = convert.from_z(estimate, get("z"), scale)
        return effect, float(found.se), f"estimate and z = {get('z'):g}"
    p = _exact_p(p_value)
    if 0 < p < 1 and effect != 0:
        found = convert.from_p_value(estimate, p, scale)
        return effect, float(found.se), f"estimate and p value {p_value} (two-sided, normal)"
    return effect, math.nan, "estimate only: no standard error follows from the printed numbers"


def _exact_p(printed: str) -> float:
    """Read a p value; NaN where only a bound ("<.01") or nothing is printed."""
    found = _P_VALUE.fullmatch(printed)
    return float(found[2]) if found is not None and found[1] in ("", "=") else math.nan


def _from_events(reported: str, measure: Measure, get: _Getter) -> tuple[float, float, str]:
    """Convert counts or rates: events of both groups with the people or the time they come from."""
    base = "n" if reported == "counts" else "person_time"
    cells = ("events_t", f"{base}_t", "events_c", f"{base}_c")
    if not get.has(*cells):
        return math.nan, math.nan, f"{reported} incomplete"
    function = (FROM_COUNTS if reported == "counts" else FROM_RATES)[measure.name]
    values = [get(cell) for cell in cells]
    found = function(*values)
    how = f"{_words_of(measure)} from {reported}"
    if math.isnan(float(found.effect)):
        return math.nan, math.nan, f"{how}: nobody or everybody has the event, which says nothing"
    if function is convert.complementary_log_log:
        how += " by complementary log-log, assumes proportional hazards and equal follow-up"
    zero = 0 in (values[0], values[2])
    if reported == "counts":
        zero = zero or values[0] == values[1] or values[2] == values[3]
    if zero and function is not convert.log_peto_odds_ratio:
        where = "each cell" if reported == "counts" else "the events of both groups"
        how += f", {convert.CONTINUITY:g} added to {where}"
    return float(found.effect), float(found.se), how


def _from_means(measure: Measure, get: _Getter) -> tuple[float, float, str]:
    if not get.has("mean_t", "mean_c"):
        return math.nan, math.nan, "means incomplete"
    se_t, how_t = _se_of_mean(get, "t")
    se_c, how_c = _se_of_mean(get, "c")
    n_t, n_c = get("n_t"), get("n_c")
    if measure.name == "standardised_mean_difference":
        sd_t, sd_c = get("sd_t", se_t * math.sqrt(n_t)), get("sd_c", se_c * math.sqrt(n_c))
        if math.isnan(sd_t + sd_c + n_t + n_c) or n_t + n_c <= SMALLEST_SMD:
            return math.nan, math.nan, "means without standard deviations, or fewer than 4 people"
        found = convert.standardised_mean_difference(
            get("mean_t"), sd_t, n_t, get("mean_c"), sd_c, n_c
        )
        return float(found.effect), float(found.se), "Hedges' g from means and SDs"
    ratio = measure.name == "log_ratio_of_means"
    function = convert.log_ratio_of_means if ratio else convert.mean_difference
    found = function(get("mean_t"), se_t, get("mean_c"), se_c)
    what = "log ratio of means" if ratio else "difference of means"
    how = f"{what}, {how_t}" if how_t == how_c else what
    if math.isnan(float(found.se)):
        how = f"{what} only: no standard error follows from the printed numbers"
    return float(found.effect), float(found.se), how


def _se_of_mean(get: _Getter, arm: str) -> tuple[float, str]:
    if get.has(f"se_mean_{arm}"):
        return get(f"se_mean_{arm}"), "standard errors as printed"
    if get.has(f"sd_{arm}", f"n_{arm}"):
        return get(f"sd_{arm}") / math.sqrt(get(f"n_{arm}")), "SE = SD / sqrt(n)"
    low, high = get(f"ci_low_mean_{arm}"), get(f"ci_high_mean_{arm}")
    z = float(convert.normal_quantile(get("ci_level", 0.95)))
    return (high - low) / (2 * z), "standard errors from the interval of each mean"


def _from_changes(get: _Getter) -> tuple[float, float, str]:
    if not get.has("mean_change_t", "mean_change_c"):
        return math.nan, math.nan, "mean changes incomplete"
    r = get("correlation")
    number: dict[str, float] = {}
    how = "difference of mean changes, SE = SD / sqrt(n)"
    for arm in ("t", "c"):
        sd = get(f"sd_change_{arm}")
        if math.isnan(sd) and get.has(f"sd_baseline_{arm}", f"sd_final_{arm}", "correlation"):
            sd = float(summaries.sd_of_change(get(f"sd_baseline_{arm}"), get(f"sd_final_{arm}"), r))
            how = f"difference of mean changes, their SDs from those before and after, correlation {r:g}"
        number |= {f"mean_{arm}": get(f"mean_change_{arm}"), f"sd_{arm}": sd}
        number[f"n_{arm}"] = get(f"n_{arm}")
    effect, se, _ = _from_means(MEASURES["mean_difference"], _Getter(number))
    if math.isnan(se):
        how = "difference of mean changes only: no standard error follows from the printed numbers"
    return effect, se, how


def _from_times(get: _Getter) -> tuple[float, float, str]:
    if not get.has("median_t", "median_c"):
        return math.nan, math.nan, "medians incomplete"
    events_t, events_c = (get(f"events_{arm}") or math.nan for arm in ("t", "c"))
    found = convert.log_hazard_ratio_of_medians(
        get("median_t"), events_t, get("median_c"), events_c
    )
    how = "log hazard ratio from medians, assumes exponential survival"
    if math.isnan(float(found.se)):
        how += "; no standard error without the events of both groups"
    return float(found.effect), float(found.se), how


def _from_medians(measure: Measure, get: _Getter) -> tuple[float, float, str]:
    number: dict[str, float] = {}
    for arm in ("t", "c"):
        median, size, spread = _spread(get, arm)
        if not size >= SMALLEST_FOR_MEDIANS:
            return math.nan, math.nan, _UNCONVERTED
        found = summaries.mean_and_sd(median, size, **spread)
        number |= {f"mean_{arm}": float(found.mean), f"sd_{arm}": float(found.sd), f"n_{arm}": size}
    if any(math.isnan(value) for value in number.values()):
        return math.nan, math.nan, _UNCONVERTED
    if measure.log and min(number["mean_t"], number["mean_c"]) <= 0:
        return math.nan, math.nan, "not converted: an estimated mean is not positive"
    effect, se, how = _from_means(measure, _Getter(number))
    return effect, se, f"{how}; means and SDs from medians (Luo, Wan), assumes normal values"


def _spread(get: _Getter, arm: str) -> tuple[float, float, dict[str, float]]:
    """Median, size and the quartiles and range of a group."""
    printed = {"minimum": "min", "q1": "q1", "q3": "q3", "maximum": "max"}
    spread = {name: get(f"{column}_{arm}") for name, column in printed.items()}
    return get(f"median_{arm}"), get(f"n_{arm}"), spread


def _bound(p_value: str, get: _Getter) -> str:
    """Say what the source tells about a standard error it does not give."""
    said = []
    found = _P_VALUE.fullmatch(p_value)
    if found is not None:
        said.append(f"p {found[1] or '='} {found[2]}")
    elif p_value:
        said.append("n.s.")
    size = get("n_t") + get("n_c") if get.has("n_t", "n_c") else get("n")
    if not math.isnan(size):
        said.append(f"n = {size:g}")
    return "; ".join(said)


def _doubts(reported: str, measure: Measure, get: _Getter) -> tuple[str, ...]:
    """Say what makes the numbers of a row doubtful without making them wrong."""
    if reported == "medians" and measure.name != "log_hazard_ratio":
        return tuple(
            f"median_{arm} lies too far from the middle of its quartiles or range for normal values: "
            f"skewness {float(skew):.2g} times the critical value"
            for arm in ("t", "c")
            for median, size, spread in (_spread(get, arm),)
            if size >= SMALLEST_FOR_MEDIANS
            and (skew := summaries.skewness(median, size, **spread)) > 1
        )
    if reported in _POSSIBLE and reported != "effect":
        return ()
    scale, notes = _scale_of(reported, measure), []
    estimate = get("effect", get("estimate"))
    if get("z") * float(scale.forward(estimate)) < 0:
        notes.append(f"z = {get('z'):g} and the estimate {estimate:g} point in opposite directions")
    low, high = get("ci_low"), get("ci_high")
    rounding = _rounding(estimate, low, high)
    if convert.asymmetry(estimate, low, high, scale, rounding) > ASYMMETRY:
        centre = float(scale.back((scale.forward(low) + scale.forward(high)) / 2))
        size = float(convert.asymmetry(estimate, low, high, scale))
        notes.append(
            f"interval is not symmetric{' on the log scale' if scale.log else ''}: centre {centre:.3g}, "
            f"printed {estimate:g}, asymmetry {size:.2f} of its half-width"
        )
    return tuple(notes)


def _rounding(*printed: float) -> float:
    """Half a unit of the last decimal of numbers printed alike.

    The number with most decimals speaks for all, since trailing zeros are lost when cells are read.
    """
    finite = [value for value in printed if not math.isnan(value)]
    exponents = [int(Decimal(f"{value:.12g}").as_tuple().exponent) for value in finite]
    return 0.5 * 10.0 ** min([0, *exponents])
