"""The ways from printed numbers to a measure: one table, and the numbers that fill it."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from bayesrtw.evidence import convert, summaries
from bayesrtw.evidence.groups import CONTINUITY, OF_GROUP, Converted, contrast, corrected
from bayesrtw.evidence.measure import MEASURES, Measure

#: A standardised mean difference needs more people than this for its variance (N - 3.94 > 0).
SMALLEST_SMD = 3

#: A median with quartiles or range says something about a mean from this many people on: the critical
#: values of `summaries.skewness` begin here.
SMALLEST_FOR_MEDIANS = 5

#: What is said where nothing can be made of a row.
UNCONVERTED: Final = "not converted: no standard error follows from the printed numbers"

#: Ends of the columns of the programme's and the comparison group, and of a single group.
TWO, ONE = ("_t", "_c"), ("",)

P_VALUE: Final = re.compile(r"\s*(<=|>=|[<>=≤≥]?)\s*(-?(?:\d+\.?\d*|\.\d+)(?:[eE]-?\d+)?)\s*")


class Numbers:
    """The numbers of a row, NaN or a default where a cell is empty."""

    def __init__(self, number: Mapping[str, float]) -> None:
        self._number = dict(number)

    def __call__(self, column: str, default: float = math.nan) -> float:
        """Give a number."""
        value = self._number.get(column, math.nan)
        return default if math.isnan(value) else value

    def has(self, *columns: str) -> bool:
        """Whether every one of the columns holds a number."""
        return not any(math.isnan(self(column)) for column in columns)

    def having(self, **number: float) -> "Numbers":
        """Add numbers, or put them in the place of others."""
        return Numbers(self._number | number)


@dataclass(frozen=True, slots=True)
class Route:
    """A way from what is printed group by group to a measure."""

    #: Columns of each group, without their ends; the standard error may hang on the later ones.
    needs: tuple[str, ...]
    #: Takes those of the programme's group, then those of the comparison group; or of the one group.
    function: Callable[..., Converted]
    words: str  #: What is done.


def _two(measure: str, *values: ArrayLike) -> Converted:
    half = len(values) // 2
    return contrast(OF_GROUP[measure], values[:half], values[half:])


def _one_count(measure: str, events: ArrayLike, n: ArrayLike) -> Converted:
    """Take a proportion, with half an event and half a non-event more where one of them is missing."""
    if measure == "arcsine_proportion":
        return OF_GROUP[measure](events, n)
    return OF_GROUP[measure](*corrected(events, n, 1.0, 2.0)[:2])


def _one_rate(events: ArrayLike, person_time: ArrayLike) -> Converted:
    return OF_GROUP["log_rate"](np.where(np.equal(events, 0), CONTINUITY, events), person_time)


_CELLS: Final = ("events", "n")
_TIMES: Final = ("events", "person_time")

#: What is printed, and the measure, to the way from one to the other.
ROUTES: Final[dict[tuple[str, str], Route]] = (
    {
        ("counts", name): Route(_CELLS, function, f"{words} from counts")
        for name, words, function in (
            ("log_risk_ratio", "log risk ratio", convert.log_risk_ratio),
            ("log_odds_ratio", "log odds ratio", convert.log_odds_ratio),
            ("risk_difference", "risk difference", convert.risk_difference),
            ("log_peto_odds_ratio", "log Peto odds ratio", convert.log_peto_odds_ratio),
            ("log_hazard_ratio", "log hazard ratio", convert.complementary_log_log),
            ("logit_proportion", "logit of a proportion", partial(_one_count, "logit_proportion")),
            ("log_proportion", "log of a proportion", partial(_one_count, "log_proportion")),
            (
                "log_cumulative_hazard",
                "complementary log-log",
                partial(_one_count, "log_cumulative_hazard"),
            ),
            (
                "arcsine_proportion",
                "arcsine of a proportion",
                partial(_one_count, "arcsine_proportion"),
            ),
        )
    }
    | {
        ("rates", "log_rate_ratio"): Route(
            _TIMES, convert.log_rate_ratio, "log rate ratio from rates"
        ),
        ("rates", "rate_difference"): Route(
            _TIMES, convert.rate_difference, "rate difference from rates"
        ),
        ("rates", "log_rate"): Route(_TIMES, _one_rate, "log rate from events and time"),
    }
    | {
        (kind, name): Route(needs, partial(_two, name), words)
        for kind, name, needs, words in (
            ("means", "mean_difference", ("mean", "se_mean"), "difference of means"),
            (
                "means",
                "rmst_difference",
                ("mean", "se_mean"),
                "difference of restricted mean times",
            ),
            ("means", "log_ratio_of_means", ("mean", "se_mean"), "log ratio of means"),
            ("means", "log_variability_ratio", ("sd", "n"), "log variability ratio from SDs"),
            (
                "means",
                "log_cv_ratio",
                ("mean", "sd", "n"),
                "log ratio of coefficients of variation",
            ),
            (
                "medians",
                "log_ratio_of_medians",
                ("median", "q1", "q3", "n"),
                "log ratio of medians, assumes log-normal values",
            ),
            (
                "mean_changes",
                "standardised_mean_change_difference",
                ("mean_change", "sd_baseline", "n", "correlation"),
                "difference of mean changes in SDs before them, exact J",
            ),
        )
    }
    | {
        ("means", "standardised_mean_difference"): Route(
            ("mean", "sd", "n"),
            convert.standardised_mean_difference,
            "Hedges' g from means and SDs",
        ),
        ("means", "mean"): Route(("mean", "se_mean"), OF_GROUP["mean"], "mean"),
        ("correlations", "z_correlation"): Route(
            ("r", "n"), convert.z_correlation, "Fisher's z from a correlation and its people"
        ),
    }
)

#: Measures that counts and rates can be turned into.
FROM_COUNTS: Final[dict[str, Callable[..., Converted]]] = {
    name: route.function
    for (kind, name), route in ROUTES.items()
    if kind == "counts" and MEASURES[name].groups == 2
}


def by_groups(kind: str, measure: Measure, get: Numbers) -> tuple[float, float, str]:
    """Convert what is printed group by group."""
    route = ROUTES[kind, measure.name]
    ends = ONE if measure.groups == 1 or kind == "correlations" else TWO
    get, how = completed(get, ends)
    values = [get(f"{column}{end}") for end in ends for column in route.needs]
    smd = measure.name == "standardised_mean_difference"
    if any(math.isnan(get(f"{route.needs[0]}{end}")) for end in ends):
        return math.nan, math.nan, f"{_NAMES[kind]} incomplete"
    if smd and not (sum(get(f"n{end}") for end in ends) > SMALLEST_SMD and get.has("sd_t", "sd_c")):
        return math.nan, math.nan, "means without standard deviations, or fewer than 4 people"
    with np.errstate(divide="ignore", invalid="ignore"):
        found = route.function(*values)
    effect, se, words = float(found.effect), float(found.se), route.words
    if math.isnan(effect):
        if not any(math.isnan(value) for value in values):
            return math.nan, math.nan, f"{words}: {_silent(kind, measure)}"
        return math.nan, math.nan, f"{_NAMES[kind]} incomplete"
    if "se_mean" in route.needs and how:
        words += f", {how}"
    if kind in ("counts", "rates"):
        words += _assumed(kind, measure, values)
    if math.isnan(se) or not se > 0:
        words = f"{route.words} only: no standard error follows from the printed numbers"
        return effect, math.nan, words
    return effect, se, words


_NAMES: Final = {"mean_changes": "mean changes"} | {
    kind: kind for kind in ("counts", "rates", "means", "medians", "correlations")
}

#: What is said of a table that says nothing, the first words of which mark such rows.
SILENT: Final = "has the event, which says nothing"


def _silent(kind: str, measure: Measure) -> str:
    nobody = (
        "nobody" if kind == "rates" or measure.name == "log_risk_ratio" else "nobody or everybody"
    )
    return f"{nobody} {SILENT}" if kind in ("counts", "rates") else "the numbers give none"


def _assumed(kind: str, measure: Measure, values: list[float]) -> str:
    """Say what a conversion of counts or rates assumes and adds."""
    said = ""
    if measure.name == "log_hazard_ratio":
        said = " by complementary log-log, assumes proportional hazards and equal follow-up"
    events, of = values[::2], values[1::2]
    empty = 0 in events or (
        kind == "counts" and any(a == n for a, n in zip(events, of, strict=True))
    )
    if empty and measure.name not in ("log_peto_odds_ratio", "arcsine_proportion"):
        where = "each cell" if kind == "counts" else "the events"
        both = " of both groups" if kind == "rates" and measure.groups == 2 else ""
        said += f", {CONTINUITY:g} added to {where}{both}"
    return said


def completed(get: Numbers, ends: tuple[str, ...] = TWO) -> tuple[Numbers, str]:
    """Work out what follows of each group: its people, its events, SDs and errors of its mean."""
    said = []
    for end in ends:
        n, sd, se = get(f"n{end}"), get(f"sd{end}"), get(f"se_mean{end}")
        n = n if not math.isnan(n) else get(f"events{end}") + get(f"non_events{end}")
        low, high = get(f"ci_low_mean{end}"), get(f"ci_high_mean{end}")
        z = float(convert.normal_quantile(get("ci_level", 0.95)))
        choices = (
            (se, "standard errors as printed"),
            (sd / math.sqrt(n) if n > 0 else math.nan, "SE = SD / sqrt(n)"),
            ((high - low) / (2 * z), "standard errors from the interval of each mean"),
        )
        se, how = next((c for c in choices if not math.isnan(c[0])), (math.nan, ""))
        sd = sd if not math.isnan(sd) else se * math.sqrt(n) if n > 0 else math.nan
        said.append(how)
        get = get.having(
            **{f"n{end}": n, f"sd{end}": sd, f"se_mean{end}": se},
            **{f"correlation{end}": get(f"correlation{end}", get("correlation"))},
        )
    return get, said[0] if len(set(said)) == 1 else ""


def from_percentages(measure: Measure, get: Numbers) -> tuple[float, float, str]:
    """Convert percentages of people, where they are those of a whole number of them."""
    ends = TWO if measure.groups == 2 else ONE
    get, _ = completed(get, ends)
    for end in ends:
        printed, n = get(f"pct{end}"), get(f"n{end}")
        if math.isnan(printed + n):
            return math.nan, math.nan, UNCONVERTED
        events = float(round(printed * n / 100))
        # 33 of 176 are 18.75, which may be printed 18.8
        if not abs(100 * events / n - printed) <= half_unit(printed) + 1e-9:
            how = f"not converted: {printed:g} % of {n:g} people is no whole number of them"
            return math.nan, math.nan, how
        get = get.having(**{f"events{end}": events})
    effect, se, how = by_groups("counts", measure, get)
    return effect, se, how.replace("from counts", "from percentages of whole numbers of people")


def half_unit(*printed: float) -> float:
    """Give half a unit of the last decimal of numbers printed alike."""
    finite = [value for value in printed if not math.isnan(value)]
    exponents = [int(Decimal(f"{value:.12g}").as_tuple().exponent) for value in finite]
    return 0.5 * 10.0 ** min([0, *exponents])


def filled(get: Numbers) -> Numbers:
    """Work out counts, means and SDs of each group from percentages, changes and medians too."""
    get, _ = completed(get)
    number: dict[str, float] = {}
    for end in TWO:
        if not get.has(f"mean{end}"):
            changed, _ = _changed(get)
            median, size, spread = spread_of(get, end)
            found = summaries.mean_and_sd(median, size, **spread)
            mean, sd = float(found.mean), float(found.sd)
            number |= {
                f"mean{end}": changed(f"mean{end}", mean),
                f"sd{end}": changed(f"sd{end}", sd),
            }
        if not get.has(f"events{end}"):
            number[f"events{end}"] = get(f"pct{end}") * get(f"n{end}") / 100
    return completed(get.having(**number))[0]


def _changed(get: Numbers) -> tuple[Numbers, str]:
    """Take mean changes and their SDs for means and SDs."""
    how = ""
    for end in TWO:
        before, after, sd = (get(f"{c}{end}") for c in ("sd_baseline", "sd_final", "sd_change"))
        change = get(f"mean_change{end}", get(f"mean_final{end}") - get(f"mean_baseline{end}"))
        r = get(f"correlation{end}")
        if math.isnan(r):
            r = float(summaries.correlation_of_change(before, after, sd))
        if math.isnan(sd):
            sd = float(summaries.sd_of_change(before, after, r))
            how = f", their SDs from those before and after, correlation {r:g}"
        get = get.having(
            **{f"mean_change{end}": change, f"correlation{end}": r, f"mean{end}": change},
            **{f"sd{end}": sd, f"se_mean{end}": math.nan},
        )
    return get, how


def from_changes(measure: Measure, get: Numbers) -> tuple[float, float, str]:
    """Convert mean changes, or means before and after."""
    get, how = _changed(completed(get)[0])
    if math.isnan(get("mean_change_t") + get("mean_change_c")):
        return math.nan, math.nan, "mean changes incomplete"
    if measure.name == "mean_difference":
        effect, se, _ = by_groups("means", measure, get)
        if math.isnan(se):
            how = " only: no standard error follows from the printed numbers"
        return effect, se, f"difference of mean changes{how or ', SE = SD / sqrt(n)'}"
    in_sds = MEASURES["standardised_mean_change_difference"]
    if get.has("sd_baseline_t", "sd_baseline_c"):
        return by_groups("mean_changes", in_sds, get)
    if measure.name == in_sds.name:
        return math.nan, math.nan, "mean changes without the SDs before them"
    effect, se, how = by_groups("means", measure, get)
    return effect, se, how.replace("means and SDs", "mean changes and their SDs")


def from_medians(measure: Measure, get: Numbers) -> tuple[float, float, str]:
    """Convert medians with quartiles or range, or median times with events."""
    if measure.name == "log_hazard_ratio":
        return _from_times(get)
    if measure.name == "log_ratio_of_medians":
        return by_groups("medians", measure, get)
    number: dict[str, float] = {}
    for end in TWO:
        median, size, spread = spread_of(get, end)
        if not size >= SMALLEST_FOR_MEDIANS:
            return math.nan, math.nan, UNCONVERTED
        found = summaries.mean_and_sd(median, size, **spread)
        number |= {f"mean{end}": float(found.mean), f"sd{end}": float(found.sd), f"n{end}": size}
    if any(math.isnan(value) for value in number.values()):
        return math.nan, math.nan, UNCONVERTED
    if measure.log and min(number["mean_t"], number["mean_c"]) <= 0:
        return math.nan, math.nan, "not converted: an estimated mean is not positive"
    effect, se, how = by_groups("means", measure, Numbers(number))
    return effect, se, f"{how}; means and SDs from medians (Luo, Wan), assumes normal values"


def _from_times(get: Numbers) -> tuple[float, float, str]:
    if not get.has("median_t", "median_c"):
        return math.nan, math.nan, "medians incomplete"
    events_t, events_c = (get(f"events{end}") or math.nan for end in TWO)
    found = convert.log_hazard_ratio_of_medians(
        get("median_t"), events_t, get("median_c"), events_c
    )
    how = "log hazard ratio from medians, assumes exponential survival"
    if math.isnan(float(found.se)):
        how += "; no standard error without the events of both groups"
    return float(found.effect), float(found.se), how


def spread_of(get: Numbers, end: str) -> tuple[float, float, dict[str, float]]:
    """Give median, size and the quartiles and range of a group."""
    printed = {"minimum": "min", "q1": "q1", "q3": "q3", "maximum": "max"}
    spread = {name: get(f"{column}{end}") for name, column in printed.items()}
    return get(f"median{end}"), get(f"n{end}"), spread


def from_estimate(
    scale: Measure, measure: Measure, get: Numbers, p_value: str
) -> tuple[float, float, str]:
    """Take a printed estimate with whatever says how precise it is."""
    estimate = get("effect", get("estimate"))
    if math.isnan(estimate):
        return math.nan, math.nan, "no estimate printed"
    effect = float(scale.forward(estimate))
    if get.has("se") and not scale.log:
        slope = float(scale.link.slope(np.asarray(estimate)))
        return effect, slope * get("se"), "estimate and standard error as printed"
    if get.has("variance") and not scale.log:
        slope = float(scale.link.slope(np.asarray(estimate)))
        return effect, slope * math.sqrt(get("variance")), "estimate and variance as printed"
    if get.has("ci_low", "ci_high"):
        level = get("ci_level", 0.95)
        found = convert.from_interval(estimate, get("ci_low"), get("ci_high"), level, scale)
        return effect, float(found.se), f"estimate and {100 * level:g} % interval"
    tests = {"z": get("z"), "t": get("t_value"), "F": math.sqrt(max(get("f_value"), 0.0))}
    tests["chi2"] = math.sqrt(max(get("chi2"), 0.0))
    for name, value in tests.items():
        if effect != 0 and not math.isnan(value) and value != 0:
            printed = value**2 if name in ("F", "chi2") else value
            found = convert.from_z(estimate, value, scale)
            return effect, float(found.se), f"estimate and {name} = {printed:g}"
    p = exact_p(p_value)
    if 0 < p < 1 and effect != 0:
        found = convert.from_p_value(estimate, p, scale)
        return effect, float(found.se), f"estimate and p value {p_value} (two-sided, normal)"
    se, how = _error_of_people(effect, measure, get)
    if not math.isnan(se):
        return effect, se, how
    if scale.log and (get.has("se") or get.has("variance")):
        how = (
            f"its logarithm's or its own; --columns ...=se_log says the former of its column, and "
            f"reported={measure.name} of a row"
        )
        return effect, math.nan, f"estimate only: the standard error may be {how}"
    return effect, math.nan, "estimate only: no standard error follows from the printed numbers"


def _error_of_people(effect: float, measure: Measure, get: Numbers) -> tuple[float, str]:
    """Give the standard error that follows from people, counts or SDs printed beside an estimate."""
    both, _ = completed(get)
    n_t, n_c = both("n_t", get("n") / 2), both("n_c", get("n") / 2)
    if measure.name == "standardised_mean_difference" and min(n_t, n_c) > 0:
        half = "" if both.has("n_t", "n_c") else ", taken to be in two equal groups"
        found = float(convert.se_of_standardised(effect, n_t, n_c))
        return found, f"estimate and people (Borenstein 4.20){half}"
    if measure.name == "z_correlation" and get("n") > 3:
        return 1 / math.sqrt(get("n") - 3), "estimate and people (Borenstein 6.3)"
    for kind in ("counts", "percentages", "rates", "means"):
        if (kind if kind != "percentages" else "counts", measure.name) in ROUTES:
            convert_ = from_percentages if kind == "percentages" else partial(by_groups, kind)
            _, se, how = convert_(measure, get)
            if not math.isnan(se):
                return se, f"estimate as printed, its standard error that of the {how}"
    return math.nan, ""


def exact_p(printed: str) -> float:
    """Read a p value; NaN where only a bound ("<.01") or nothing is printed."""
    found = P_VALUE.fullmatch(printed)
    return float(found[2]) if found is not None and found[1] in ("", "=") else math.nan
