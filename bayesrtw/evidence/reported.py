"""One reported result, as printed, to the analysis scale, with how it was done.

The rows of every source pass through `analysis_scale`, so a number is converted in one place and
the conversion is recorded beside it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bayesrtw.errors import Fault, Whereabouts
from bayesrtw.evidence import convert, summaries
from bayesrtw.evidence.measure import (
    DIAGNOSTIC,
    DIAGNOSTIC_REMEDY,
    MEASURES,
    Measure,
    beyond_limits,
    is_diagnostic,
    measure_called,
)
from bayesrtw.evidence.route import (
    ONE,
    P_VALUE,
    ROUTES,
    SMALLEST_FOR_MEDIANS,
    TWO,
    Numbers,
    by_groups,
    from_changes,
    from_estimate,
    from_medians,
    from_percentages,
    half_unit,
    spread_of,
)
from bayesrtw.registry import suggestion

#: Columns of a group: of the programme's with _t, of the comparison with _c, of a single one as they are.
_OF_GROUP: Final = ("events", "non_events", "n", "person_time", "pct", "mean", "sd", "se_mean")

#: Columns that stand once for each of two groups.
_BY_GROUP: Final = (
    *_OF_GROUP,
    "ci_low_mean",
    "ci_high_mean",
    "median",
    "min",
    "q1",
    "q3",
    "max",
    "mean_change",
    "sd_change",
    "mean_baseline",
    "sd_baseline",
    "mean_final",
    "sd_final",
    "correlation",
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
    "t_value",
    "f_value",
    "chi2",
    "r",
    "o_minus_e",
    "variance",
    "correlation",
    *_OF_GROUP,
    *(f"{name}{group}" for name in _BY_GROUP for group in TWO),
    "multiplier",
)

#: What is printed group by group, or as a sum, instead of as an estimate, to its usual measure: of two
#: groups, and of one.
_SUMMARIES: Final[dict[str, tuple[str, str]]] = {
    "counts": ("log_risk_ratio", "logit_proportion"),
    "percentages": ("log_risk_ratio", "logit_proportion"),
    "means": ("mean_difference", "mean"),
    "mean_changes": ("mean_difference", ""),
    "medians": ("mean_difference", ""),
    "rates": ("log_rate_ratio", "log_rate"),
    "correlations": ("z_correlation", "z_correlation"),
    "o_minus_e": ("log_hazard_ratio", ""),
}


#: What a source may print, to the measure it is analysed in unless the row says otherwise. The name of a
#: measure is a number on its scale of analysis already.
REPORTED: Final[dict[str, str]] = (
    {"effect": "generic"}
    | {
        name.removeprefix("log_").removeprefix("z_").removeprefix("logit_"): name
        for name, measure in MEASURES.items()
        if name not in ("generic", "log_proportion", "arcsine_proportion")
    }
    | {name: name for name in MEASURES if name != "generic"}
    | {kind: usual for kind, (usual, _) in _SUMMARIES.items()}
)

#: An interval is said to be asymmetric if its centre is further from the estimate than this, in
#: half-widths, whatever the unprinted digits. 0.1 half-widths of a 95 % interval are 0.196 standard
#: errors: were the centre right, taking the estimate would raise its mean squared error by 0.196^2 =
#: 4 %. Less than that no reader would act on.
ASYMMETRY = 0.1

#: How papers write that a test was not significant.
_NOT_SIGNIFICANT: Final = frozenset({"n.s.", "ns", "n.s", "not significant"})


@dataclass(frozen=True, slots=True)
class OnScale:
    """A result on the analysis scale."""

    measure: str  #: Name of the measure.
    #: effect, se: on the analysis scale; NaN where the source does not give it.
    effect: float = math.nan
    se: float = math.nan
    conversion: str = ""  #: How they follow from the printed numbers, in words.
    faults: tuple[Fault, ...] = ()  #: What is wrong with the row, without its place in a file.
    #: Doubts about the row that do not stop it, e.g. an interval that is not symmetric.
    notes: tuple[str, ...] = ()
    #: Where `se` is NaN, what the source says about it: "p < .01", "n.s.", "n = 120".
    bound: str = ""


def analysis_scale(text: Mapping[str, str], number: Mapping[str, float]) -> OnScale:
    """Convert one reported result."""
    get = Numbers(number)
    called, measure_, reported = _read_as(text, get)
    for column, word in (("measure", called), ("reported", reported)):
        if is_diagnostic(word):
            fault = _fault(column, f"{column} is {word!r}: {DIAGNOSTIC}", DIAGNOSTIC_REMEDY, word)
            return OnScale("generic", faults=(fault,))
    if reported not in REPORTED:
        return OnScale("generic", faults=(_unknown("reported", reported, list(REPORTED)),))
    if called and not measure_:
        return OnScale("generic", faults=(_unknown("measure", called, list(MEASURES)),))
    name = measure_ or _usual(reported, get)
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


def printed_as(text: Mapping[str, str], number: Mapping[str, float]) -> tuple[str, Measure | None]:
    """Say what a row prints, and its measure."""
    get = Numbers(number)
    called, measure, reported = _read_as(text, get)
    if reported not in REPORTED or (called and not measure):
        return reported, None
    return reported, MEASURES[measure or _usual(reported, get)]


def _read_as(text: Mapping[str, str], get: Numbers) -> tuple[str, str, str]:
    """Give what the measure is called, its name if it has one, and what is printed."""
    called = text.get("measure", "")
    measure = called if called in MEASURES else measure_called(called)
    reported = _printed_as(text.get("reported", "")) or _reported_kind(get, called, measure)
    return called, measure, reported


def _printed_as(word: str) -> str:
    """Name what is printed, from what people call it; as it is where nobody calls anything so."""
    if word in REPORTED or not word:
        return word
    bare = word.casefold().lstrip()
    for prefix in ("log", "ln"):
        found = measure_called(bare.removeprefix(prefix)) if bare.startswith(prefix) else ""
        if found and MEASURES[found].log:
            return found
    name = measure_called(word)
    return next((printed for printed, of in REPORTED.items() if of == name), word)


def _reported_kind(get: Numbers, called: str, measure: str) -> str:
    """See from the columns what is printed, where no cell says so."""
    if get.has("effect"):
        return "effect"
    if get.has("estimate"):
        # "OR" is what is printed; "log_odds_ratio" may be the scale of analysis alone
        spelt = called not in MEASURES and MEASURES[measure or "generic"].link.name != "identity"
        return _printed_as(called) if spelt else "effect"
    timed = [end for end in (*TWO, *ONE) if get.has(f"person_time{end}", f"events{end}")]
    kinds = ["rates"] if any(not get.has(f"n{end}") for end in timed) else []
    kinds += [kind for kind, columns in _SIGNS if any(get.has(column) for column in columns)]
    kinds += ["rates"] if timed else []
    fitting = [kind for kind in kinds if not measure or measure in _POSSIBLE[kind]]
    return next(iter([*fitting, *kinds]), "effect")


#: Columns that show what is printed; the first kind that has one.
_SIGNS: Final = (
    ("counts", ("events_t", "events_c", "events")),
    ("percentages", ("pct_t", "pct")),
    ("mean_changes", ("mean_change_t", "mean_baseline_t")),
    ("means", ("mean_t", "mean")),
    ("medians", ("median_t",)),
    ("o_minus_e", ("o_minus_e",)),
    ("correlations", ("r",)),
)


def _usual(reported: str, get: Numbers) -> str:
    """Name the measure of a row that names none."""
    if reported not in _SUMMARIES:
        return REPORTED[reported]
    if reported == "mean_changes" and get.has("mean_baseline_t", "mean_final_t", "correlation"):
        return "standardised_mean_change_difference"
    two, one = _SUMMARIES[reported]
    groups = ("events", "pct", "mean", "person_time")
    alone = any(get.has(name) for name in groups) and not any(
        get.has(f"{name}{end}") for name in groups for end in TWO
    )
    return one if alone else two


#: Measures that what was reported may be analysed in.
_POSSIBLE: Final[dict[str, tuple[str, ...]]] = {
    **{
        kind: tuple(name for of, name in ROUTES if of == kind)
        for kind in ("counts", "rates", "means", "correlations")
    },
    "percentages": tuple(name for of, name in ROUTES if of == "counts"),
    "mean_changes": (
        "mean_difference",
        "standardised_mean_difference",
        "standardised_mean_change_difference",
    ),
    "medians": (
        "mean_difference",
        "standardised_mean_difference",
        "log_ratio_of_means",
        "log_hazard_ratio",
        "log_ratio_of_medians",
    ),
    "o_minus_e": ("log_hazard_ratio", "log_peto_odds_ratio"),
    "effect": tuple(MEASURES),
    "proportion": (
        "logit_proportion",
        "log_proportion",
        "arcsine_proportion",
        "log_cumulative_hazard",
    ),
}


def _words(text: Mapping[str, str], reported: str, name: str, get: Numbers) -> list[Fault]:
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
    bare = reported == "effect" and not text.get("reported") and not get.has("effect")
    if bare and get.has("estimate") and MEASURES[name].log:
        ratio = name.removeprefix("log_")
        found = f"reported is empty and measure is {name!r}: the estimate may be a ratio or its logarithm"
        remedy = f"write reported={ratio} or reported={name}"
        faults.append(_fault("reported", found, remedy))
    return faults


def _fault(column: str, found: str, remedy: str, value: str = "") -> Fault:
    return Fault(found, "", remedy, "not-allowed", Whereabouts(column=column), value)


def _unknown(column: str, value: str, choices: list[str]) -> Fault:
    return _fault(column, f"{column} is {value!r}", suggestion(value, choices), value)


def _must(
    column: str, allowed: str, found: str, remedy: str, rule: str = "not-allowed", of: str = ""
) -> Fault:
    allowed = f"{column}{of} must {allowed}"
    return Fault(f"found {found}", allowed, remedy, rule, Whereabouts(column=column))


def _p_value_faults(printed: str) -> list[Fault]:
    if not printed or printed.casefold() in _NOT_SIGNIFICANT:
        return []
    found = P_VALUE.fullmatch(printed)
    if found is None:
        remedy = "write a number (.03), a bound (<.01), n.s., or leave the cell empty"
        return [_fault("p_value", f"p_value is {printed!r}", remedy, printed)]
    outside = _must("p_value", "lie between 0 and 1", repr(printed), _AGAINST)
    return [] if 0 <= float(found[2]) <= 1 else [outside]


def _faults(get: Numbers, reported: str, measure: Measure) -> list[Fault]:
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
    if measure.log and reported not in _SUMMARIES and scale_of(reported, measure).log:
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
    for end in (*TWO, *ONE):
        events, size = get(f"events{end}"), get(f"n{end}")
        if reported == "rates":  # a person may have several events
            if events < 0:
                faults.append(_must(f"events{end}", "not be negative", f"{events:g}", _AGAINST))
        elif events < 0 or events > size or size <= 0:
            allowed = f"lie between 0 and n{end}"
            found = f"events{end}={events:g}, n{end}={size:g}"
            faults.append(_must(f"events{end}", allowed, found, _THEM, "events-exceed-people"))
        if get(f"non_events{end}") < 0:
            found = f"{get(f'non_events{end}'):g}"
            faults.append(_must(f"non_events{end}", "not be negative", found, _AGAINST))
    if not 0 < get("ci_level", 0.95) < 1:
        found = f"{get('ci_level'):g}"
        faults.append(_must("ci_level", "lie between 0 and 1", found, "write 0.95 for 95 %"))
    faults += _bounded(get, reported, measure)
    faults += _location_faults(get, reported, measure)
    return faults


def _bounded(get: Numbers, reported: str, measure: Measure) -> list[Fault]:
    """Say which correlations, percentages and proportions lie beyond their ends."""
    ends = dict.fromkeys(("correlation", "correlation_t", "correlation_c", "r"), (-1.0, 1.0))
    ends |= {f"pct{end}": (0.0, 100.0) for end in (*TWO, *ONE)}
    faults = [
        _must(name, f"lie between {low:g} and {high:g}", f"{get(name):g}", "correct it")
        for name, (low, high) in ends.items()
        if not low <= get(name, 0.0) <= high
    ]
    link = scale_of(reported, measure).link.name
    if reported in _SUMMARIES or link not in ("logit", "arcsine", "Fisher's z"):
        return faults
    least, of = -1 if link == "Fisher's z" else 0, f" of a {measure.title.lower()}"
    remedy = "correct it, or divide percentages by 100"
    return faults + [
        _must(column, f"lie between {least} and 1", f"{get(column):g}", remedy, of=of)
        for column in ("estimate", "ci_low", "ci_high")
        if get(column) <= least or get(column) >= 1
    ]


#: What to do about a number, and about numbers that contradict each other.
_AGAINST: Final = "correct it against the source"
_THEM: Final = "correct them against the source"

#: Columns that may not be zero or negative.
_POSITIVE: Final = (
    "se",
    "variance",
    "multiplier",
    *(
        f"{name}{end}"
        for name in ("sd", "se_mean", "sd_change", "sd_baseline", "sd_final", "person_time")
        for end in (*TWO, *ONE)
    ),
)

#: Measures that need means or medians above zero.
_RATIOS: Final = frozenset(
    {"log_ratio_of_means", "log_cv_ratio", "log_hazard_ratio", "log_ratio_of_medians"}
)


def _location_faults(get: Numbers, reported: str, measure: Measure) -> list[Fault]:
    """Say which means and medians cannot be: of a ratio, or out of their order."""
    faults = []
    for arm in ("t", "c"):
        column = {"means": f"mean_{arm}", "medians": f"median_{arm}"}.get(reported, "")
        if measure.name in _RATIOS and get(column) <= 0:
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
    reported: str, measure: Measure, get: Numbers, p_value: str
) -> tuple[float, float, str]:
    if (reported, measure.name) in ROUTES and reported not in ("medians", "mean_changes"):
        return by_groups(reported, measure, get)
    if reported == "percentages":
        return from_percentages(measure, get)
    if reported == "mean_changes":
        return from_changes(measure, get)
    if reported == "medians":
        return from_medians(measure, get)
    if reported == "o_minus_e":
        if not get.has("o_minus_e", "variance"):
            return math.nan, math.nan, "O - E or V missing"
        found = convert.from_o_minus_e(get("o_minus_e"), get("variance"))
        words = measure.name.replace("_", " ").replace("peto", "Peto")
        return float(found.effect), float(found.se), f"{words} from O - E and V"
    standardised = measure.name == "standardised_mean_difference"
    if standardised and get.has("t_value", "n_t", "n_c") and not _estimated(get):
        found = convert.standardised_of_t(get("t_value"), get("n_t"), get("n_c"))
        return float(found.effect), float(found.se), f"Hedges' g from t = {get('t_value'):g}"
    return from_estimate(scale_of(reported, measure), measure, get, p_value)


def _estimated(get: Numbers) -> bool:
    return get.has("effect") or get.has("estimate")


def scale_of(reported: str, measure: Measure) -> Measure:
    """Give the scale of what is printed."""
    return MEASURES["generic"] if reported in (*MEASURES, "effect") else measure


def _bound(p_value: str, get: Numbers) -> str:
    """Say what the source tells about a standard error it does not give."""
    said = []
    found = P_VALUE.fullmatch(p_value)
    if found is not None:
        said.append(f"p {found[1] or '='} {found[2]}")
    elif p_value:
        said.append("n.s.")
    size = get("n_t") + get("n_c") if get.has("n_t", "n_c") else get("n")
    if not math.isnan(size):
        said.append(f"n = {size:g}")
    return "; ".join(said)


def _doubts(reported: str, measure: Measure, get: Numbers) -> tuple[str, ...]:
    """Say what makes the numbers of a row doubtful without making them wrong."""
    if reported == "medians" and measure.name not in ("log_hazard_ratio", "log_ratio_of_medians"):
        return tuple(
            f"median{end} lies too far from the middle of its quartiles or range for normal values: "
            f"skewness {float(skew):.2g} times the critical value"
            for end in TWO
            for median, size, spread in (spread_of(get, end),)
            if size >= SMALLEST_FOR_MEDIANS
            and (skew := summaries.skewness(median, size, **spread)) > 1
        )
    if reported in _SUMMARIES:
        return ()
    scale, notes = scale_of(reported, measure), []
    estimate = get("effect", get("estimate"))
    if get("z") * float(scale.forward(estimate)) < 0:
        notes.append(f"z = {get('z'):g} and the estimate {estimate:g} point in opposite directions")
    low, high = get("ci_low"), get("ci_high")
    rounding = half_unit(estimate, low, high)
    if convert.asymmetry(estimate, low, high, scale, rounding) > ASYMMETRY:
        centre = float(scale.back((scale.forward(low) + scale.forward(high)) / 2))
        size = float(convert.asymmetry(estimate, low, high, scale))
        notes.append(
            f"interval is not symmetric{' on the log scale' if scale.log else ''}: centre {centre:.3g}, "
            f"printed {estimate:g}, asymmetry {size:.2f} of its half-width"
        )
    return tuple(notes)
