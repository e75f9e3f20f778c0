"""Rows of a Cochrane review, in whatever file they come, as the cells of a results table.

RevMan 5 files and data packages say the same things under different names: an analysis has a kind of
data and an effect measure, a study in it has counts, means, a contrast, or O - E with its variance.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from bayesrtw.evidence.measure import MEASURES, Benefit
from bayesrtw.evidence.route import FROM_COUNTS, SMALLEST_SMD

#: What a study's row holds: counts, means, an effect with its standard error, or O - E with variance.
Kind = Literal["dichotomous", "continuous", "contrast", "o_minus_e", "other"]

_PETO: Final = "log_peto_odds_ratio"

#: Names of effect measures in RevMan 5, RevMan Web and their exports (lower case, spaces) to ours.
_MEASURES: Final = {
    "or": "log_odds_ratio",
    "odds ratio": "log_odds_ratio",
    "peto or": _PETO,
    "peto odds ratio": _PETO,
    "rr": "log_risk_ratio",
    "risk ratio": "log_risk_ratio",
    "relative risk": "log_risk_ratio",
    "rd": "risk_difference",
    "risk difference": "risk_difference",
    "md": "mean_difference",
    "wmd": "mean_difference",
    "mean difference": "mean_difference",
    "smd": "standardised_mean_difference",
    "std. mean difference": "standardised_mean_difference",
    "standardized mean difference": "standardised_mean_difference",
    "standardised mean difference": "standardised_mean_difference",
    "hr": "log_hazard_ratio",
    "hazard ratio": "log_hazard_ratio",
    "irr": "log_rate_ratio",
    "rate ratio": "log_rate_ratio",
    "incidence rate ratio": "log_rate_ratio",
    "rom": "log_ratio_of_means",
    "ratio of means": "log_ratio_of_means",
}

#: Appended by RevMan to a measure whose events and non-events are swapped.
_NON_EVENT: Final = "(non-event)"

#: Relative difference up to which a recomputed effect is the printed one; RevMan prints six decimals.
AGREES: Final = 1e-3
ROUNDING: Final = 1e-6

#: Numbers beyond this overflow when they are squared and summed.
LARGEST: Final = 1e100

#: Why a row cannot be used; each is a cause of quarantine.
MISSING: Final = "numbers are missing"
NOT_A_NUMBER: Final = "a cell holds no number"
TOO_LARGE: Final = "a number is too large to compute with"
NO_PEOPLE: Final = "no people in an arm"
EVENTS_OUTSIDE: Final = "events are not between 0 and the people of the arm"
NO_EVENTS: Final = "no events in either arm: the measure is undefined"
ALL_EVENTS: Final = "everybody in both arms had the event: the measure is undefined"
NO_SPREAD: Final = "a standard deviation is zero or negative"
FEW_PEOPLE: Final = "too few people for a standardised mean difference"
MEAN_SIGN: Final = "a ratio of means needs positive means"
NO_SE: Final = "the standard error is zero or missing"
NO_VARIANCE: Final = "the variance of O - E is zero or missing"
NO_MEASURE: Final = "the effect measure is not known"
NO_NUMBERS: Final = "the analysis holds text only"
NOT_POOLED: Final = "the review leaves the row out of its overall result"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """An analysis of a review."""

    #: group, number: as in "Analysis 1.2".
    group: str
    number: str
    #: name, comparison: titles of the analysis and of the group it belongs to.
    name: str
    comparison: str
    kind: Kind  #: What its rows hold.
    measure: str  #: The effect measure as the file names it.
    #: Whether contrasts are logarithms of ratios; None where the file does not say.
    log: bool | None = None
    swapped: bool = False  #: Whether the review analyses the absence of the event.
    unit: str = ""  #: Unit of differences, where stated.
    benefit: Benefit | None = None  #: Direction of benefit, where stated.
    #: What the graph calls lower and higher effects; empty where it does not.
    sides: tuple[str, str] = ("", "")
    totals: bool = True  #: Whether the review shows an overall result.


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRow:
    """A study's row in an analysis.

    Attributes
    ----------
    setting
        The analysis.
    study, year, subgroup, note
        As the file has them.
    cells
        Numbers as printed: ``events_t, n_t, events_c, n_c, mean_t, sd_t, mean_c, sd_c, contrast,
        contrast_se, o_minus_e, variance``, and ``review_estimate, review_ci_low,
        review_ci_high`` (as displayed, ratios for ratio measures), ``review_weight``.
    locator
        Where it stands in the file; unique.
    pooled
        Whether the review's overall result uses the row.
    """

    setting: Setting
    study: str
    locator: str
    cells: Mapping[str, str]
    year: str = ""
    subgroup: str = ""
    note: str = ""
    pooled: bool = True


@dataclass(slots=True)
class Cells:
    """A row of a results table in the making."""

    text: dict[str, str] = field(default_factory=dict)  #: Column to cell.
    cause: str = ""  #: Why it cannot be used; empty if it can.
    notes: list[str] = field(default_factory=list)  #: What was done to it.


def number(cell: str) -> float:
    """Read a printed number."""
    if cell in ("", "#N/A", "N/A", "NaN", "nan"):
        return math.nan
    try:
        value = math.inf if "_" in cell else float(cell)
    except ValueError:
        return math.inf
    return value if math.isfinite(value) else math.inf


def written(value: float) -> str:
    """Write a number so that it reads back to the same bits."""
    return repr(float(value)).removesuffix(".0")


def measure_of(setting: Setting) -> tuple[str, bool]:
    """Translate the name of an effect measure."""
    name = " ".join(setting.measure.replace("_", " ").lower().split())
    swapped = setting.swapped or name.endswith(_NON_EVENT)
    return _MEASURES.get(name.removesuffix(_NON_EVENT).strip(), ""), swapped


def row_of(entry: ReviewRow) -> Cells:
    """Turn a study's row into cells of a results table."""
    value = {name: number(cell) for name, cell in entry.cells.items()}
    row = _KINDS[entry.setting.kind](entry, value)
    wanted = _COLUMNS[entry.setting.kind]
    row.text |= {
        name: entry.cells[name]
        for name in wanted
        if name not in row.text and not math.isnan(value.get(name, math.nan))
    }
    if not row.cause and any(math.isinf(value.get(name, 0.0)) for name in wanted):
        row.cause = NOT_A_NUMBER
    if not row.cause and any(abs(value.get(name, 0.0)) > LARGEST for name in wanted):
        row.cause = TOO_LARGE
    if not row.cause and not entry.pooled:
        row.cause = NOT_POOLED
    row.text |= {
        name: entry.cells[name]
        for name in ("review_estimate", "review_ci_low", "review_ci_high", "review_weight")
        if math.isfinite(value.get(name, math.nan))
    }
    return row


#: Cells of an entry that each kind of data has; in the others a zero means "not applicable".
_COLUMNS: Final[dict[Kind, tuple[str, ...]]] = {
    "dichotomous": ("events_t", "n_t", "events_c", "n_c"),
    "continuous": ("mean_t", "sd_t", "n_t", "mean_c", "sd_c", "n_c"),
    "contrast": ("contrast", "contrast_se"),
    "o_minus_e": ("o_minus_e", "variance"),
    "other": (),
}


def _dichotomous(entry: ReviewRow, value: Mapping[str, float]) -> Cells:
    name, swapped = measure_of(entry.setting)
    row = Cells({"reported": "counts", "measure": name})
    if name not in FROM_COUNTS:
        row.cause = NO_MEASURE
        return row
    a, n1, c, n0 = (value.get(cell, math.nan) for cell in _COLUMNS["dichotomous"])
    if any(map(math.isnan, (a, n1, c, n0))):
        row.cause = MISSING
    elif any(map(math.isinf, (a, n1, c, n0))):
        row.cause = NOT_A_NUMBER
    elif n1 <= 0 or n0 <= 0:
        row.cause = NO_PEOPLE
    elif not (0 <= a <= n1 and 0 <= c <= n0):
        row.cause = EVENTS_OUTSIDE
    if row.cause:
        return row
    if swapped and not _printed_as_given(name, value):
        a, c = n1 - a, n0 - c
        row.text |= {"events_t": written(a), "events_c": written(c)}
        row.notes.append("events and non-events swapped, as the review does")
    if name == "risk_difference":
        return row
    if a == c == 0:
        row.cause = NO_EVENTS
    elif a == n1 and c == n0 and name != "log_risk_ratio":
        # RevMan displays a risk ratio of 1 there, as the correction of empty cells gives.
        row.cause = ALL_EVENTS
    return row


def _printed_as_given(name: str, value: Mapping[str, float]) -> bool:
    """Whether the printed estimate follows from the counts without swapping them."""
    printed = value.get("review_estimate", math.nan)
    a, n1, c, n0 = (value[cell] for cell in _COLUMNS["dichotomous"])
    if not math.isfinite(printed):
        return False
    measure = MEASURES[name]

    def differs(events_t: float, events_c: float) -> bool:
        if measure.log and (events_t == events_c == 0 or (events_t == n1 and events_c == n0)):
            return True
        found = float(measure.back(FROM_COUNTS[name](events_t, n1, events_c, n0).effect))
        return abs(found - printed) > AGREES * abs(printed) + ROUNDING

    return differs(n1 - a, n0 - c) and not differs(a, c)


def _continuous(entry: ReviewRow, value: Mapping[str, float]) -> Cells:
    name, _ = measure_of(entry.setting)
    row = Cells({"reported": "means", "measure": name})
    if name not in ("mean_difference", "standardised_mean_difference", "log_ratio_of_means"):
        row.cause = NO_MEASURE
        return row
    cells = [value.get(cell, math.nan) for cell in _COLUMNS["continuous"]]
    mean_t, sd_t, n_t, mean_c, sd_c, n_c = cells
    if any(map(math.isnan, cells)):
        row.cause = MISSING
    elif any(map(math.isinf, cells)):
        row.cause = NOT_A_NUMBER
    elif n_t <= 0 or n_c <= 0:
        row.cause = NO_PEOPLE
    elif sd_t <= 0 or sd_c <= 0:
        row.cause = NO_SPREAD
    elif name == "standardised_mean_difference" and n_t + n_c <= SMALLEST_SMD:
        row.cause = FEW_PEOPLE
    elif name == "log_ratio_of_means" and (mean_t <= 0 or mean_c <= 0):
        row.cause = MEAN_SIGN
    return row


def _contrast(entry: ReviewRow, value: Mapping[str, float]) -> Cells:
    name, _ = measure_of(entry.setting)
    name = "log_odds_ratio" if name == _PETO else name
    log = entry.setting.log
    row = Cells()
    if name and log is not None and log != MEASURES[name].log:
        row.notes.append(f"entered as {entry.setting.measure!r}, not on the scale of that measure")
        name = ""
    if not name:
        kind = "logarithm of a ratio" if log else "difference"
        row.notes.append(f"generic inverse variance: a {kind} whose measure the file does not name")
        name = "generic"
    row.text = {"reported": "effect" if name == "generic" else name, "measure": name}
    estimate, se = value.get("contrast", math.nan), value.get("contrast_se", math.nan)
    if math.isnan(estimate) or math.isnan(se):
        row.cause = MISSING
    elif not math.isfinite(estimate):
        row.cause = NOT_A_NUMBER
    elif not 0 < se < math.inf:
        row.cause = NO_SE
    else:
        row.text |= {"estimate": entry.cells["contrast"], "se": entry.cells["contrast_se"]}
    return row


def _o_minus_e(entry: ReviewRow, value: Mapping[str, float]) -> Cells:
    name, _ = measure_of(entry.setting)
    row = Cells({"reported": "o_minus_e", "measure": name or "generic"})
    if name and not MEASURES[name].log:
        row.cause = NO_MEASURE
        return row
    o_minus_e, variance = (value.get(cell, math.nan) for cell in _COLUMNS["o_minus_e"])
    if math.isnan(o_minus_e) or math.isnan(variance):
        row.cause = MISSING
    elif math.isinf(o_minus_e) or math.isinf(variance):
        row.cause = NOT_A_NUMBER
    elif variance <= 0:
        row.cause = NO_VARIANCE
    elif name not in ("log_hazard_ratio", _PETO):
        # O - E stands for a log hazard or a Peto odds ratio; under other names, take its quotient.
        row.text |= {
            "reported": name or "effect",
            "estimate": written(o_minus_e / variance),
            "se": written(1.0 / math.sqrt(variance)),
        }
        row.notes.append("(O - E) / V with standard error 1 / sqrt(V)")
    return row


def _other(entry: ReviewRow, value: Mapping[str, float]) -> Cells:  # noqa: ARG001 - as the others
    return Cells({"reported": "effect", "measure": "generic"}, NO_NUMBERS)


_KINDS: Final = {
    "dichotomous": _dichotomous,
    "continuous": _continuous,
    "contrast": _contrast,
    "o_minus_e": _o_minus_e,
    "other": _other,
}
