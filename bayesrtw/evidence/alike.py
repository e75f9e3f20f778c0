"""Plain rows that are converted alike, all at once; what is not plain is looked at by itself.

A group of rows holds numbers in the same columns and the same words. Its first row says what is done,
by `analysis_scale`; the same formulas then take the columns of the others as arrays. A row is plain only
if every number is well within what any check allows, so faults, doubts and corrections of empty cells
are found by `analysis_scale` alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bayesrtw.evidence import convert
from bayesrtw.evidence.measure import IDENTITY, LOG, Measure, within_limits
from bayesrtw.evidence.reported import (
    ASYMMETRY,
    NUMBERS,
    OnScale,
    analysis_scale,
    printed_as,
    scale_of,
)
from bayesrtw.evidence.route import ONE, ROUTES, SMALLEST_SMD, TWO, half_unit

Array = NDArray[np.float64]

#: Fewer rows are as fast by themselves.
_FEWEST: Final = 8

#: Bits of a whole number that says which columns hold numbers.
_MOST_COLUMNS: Final = 60

#: What a plain row may hold beside its words: of groups, and of an estimate.
_OF_GROUPS: Final = ("events", "non_events", "n", "person_time", "mean", "sd", "se_mean")
_OF_MEANS: Final = ("ci_low_mean", "ci_high_mean")
_OF_ESTIMATE: Final = frozenset(
    {"effect", "estimate", "se", "variance", "ci_low", "ci_high", "ci_level"}
    | {f"{name}{end}" for name in _OF_GROUPS for end in (*TWO, *ONE)}
)

#: Numbers that may be zero or negative.
_SIGNED: Final = ("mean", "effect", "estimate", "ci_low", "ci_high")


@dataclass(frozen=True, slots=True)
class Alike:
    """Rows that are converted alike."""

    rows: NDArray[np.intp]  #: Their places in the table.
    #: effect, se: on the analysis scale, one a row.
    effect: Array
    se: Array
    first: OnScale  #: What `analysis_scale` says of one of them: its words hold for all.


def alike(columns: Mapping[str, NDArray[np.generic]], count: int) -> list[Alike]:
    """Convert the plain rows of a table; rows that no answer names are to be looked at by themselves."""
    number = {
        name: np.asarray(columns[name], dtype=np.float64)
        for name in NUMBERS
        if name in columns and name != "follow_up_months"
    }
    if not 0 < len(number) <= _MOST_COLUMNS:
        return []
    there = {name: ~np.isnan(values) for name, values in number.items()}
    code = sum((held.astype(np.int64) << bit for bit, held in enumerate(there.values())))
    level = number.get("ci_level", np.full(count, 0.95))
    word = {
        name: columns[name].tolist()
        for name in ("study", "measure", "reported", "reversed", "p_value")
        if name in columns
    }
    empty = [""] * count
    words = [word.get(name, empty) for name in ("measure", "reported", "reversed", "p_value")]
    named = word.get("study", ["-"] * count)
    together: dict[tuple[object, ...], list[int]] = {}
    keys = zip(np.asarray(code).tolist(), level.tolist(), *words, strict=True)
    for row, key in enumerate(keys):
        if named[row] and not key[-1] and key[-2] in ("", "no"):
            together.setdefault(key, []).append(row)
    found = []
    for rows in together.values():
        if len(rows) >= _FEWEST:
            at = np.array(rows)
            held = {name: number[name][at] for name, some in there.items() if some[rows[0]]}
            text = {name: str(cells[rows[0]]) for name, cells in word.items()}
            found += _converted(at, held, text)
    return found


def _converted(
    rows: NDArray[np.intp], number: Mapping[str, Array], text: Mapping[str, str]
) -> list[Alike]:
    """Convert rows that hold the same words, and numbers in the same columns."""
    reported, measure = printed_as(text, {name: float(each[0]) for name, each in number.items()})
    if measure is None:
        return []
    with np.errstate(all="ignore"):
        if (reported, measure.name) in ROUTES and reported in ("counts", "rates", "means"):
            done = _of_groups(reported, measure, number)
        else:
            done = _of_estimate(scale_of(reported, measure), number)
        if done is None:
            return []
        plain, effect, se = done
        plain = plain & _sound(reported, number) & within_limits(effect, se, measure)
    kept = np.flatnonzero(plain)
    if not kept.size:
        return []
    first = analysis_scale(text, {name: float(each[kept[0]]) for name, each in number.items()})
    if first.faults or first.notes or first.bound:
        return []
    return [Alike(rows[kept], effect[kept], se[kept], first)]


def _sound(kind: str, number: Mapping[str, Array]) -> NDArray[np.bool_]:
    """Whether numbers are positive where they should be, and events fewer than people."""
    plain = np.ones(next(iter(number.values())).shape, dtype=bool)
    for name, values in number.items():
        if not name.startswith(_SIGNED):
            plain &= values > 0
    plain &= number.get("ci_level", np.array(0.5)) < 1
    for end in (*TWO, *ONE):
        group = _completed(number, end)
        if kind != "rates" and {"events", "n"} <= group.keys():
            plain &= group["events"] < group["n"]
    return plain


def _of_groups(
    kind: str, measure: Measure, number: Mapping[str, Array]
) -> tuple[NDArray[np.bool_], Array, Array] | None:
    """Convert numbers of groups by their route; None where a column is missing or one too many."""
    ends = ONE if measure.groups == 1 else TWO
    allowed = {f"{name}{end}" for name in (*_OF_GROUPS, *_OF_MEANS) for end in ends} | {"ci_level"}
    if number.keys() - allowed:
        return None
    plain = np.ones(next(iter(number.values())).shape, dtype=bool)
    values, route = [], ROUTES[kind, measure.name]
    for end in ends:
        group = _completed(number, end)
        if group.keys() & {*_OF_MEANS}:
            if not {*_OF_MEANS} <= group.keys():
                return None
            plain &= group["ci_low_mean"] < group["ci_high_mean"]
        if not set(route.needs) <= group.keys():
            return None
        values += [group[name] for name in route.needs]
    if measure.name == "standardised_mean_difference":
        plain &= values[2] + values[5] > SMALLEST_SMD
    done = route.function(*values)
    return plain, np.asarray(done.effect), np.asarray(done.se)


def _completed(number: Mapping[str, Array], end: str) -> dict[str, Array]:
    """Work out what follows of a group, as `completed` does of a row's."""
    group = {
        name: number[f"{name}{end}"]
        for name in (*_OF_GROUPS, *_OF_MEANS)
        if f"{name}{end}" in number
    }
    if "n" not in group and {"events", "non_events"} <= group.keys():
        group["n"] = group["events"] + group["non_events"]
    if "se_mean" not in group and {"sd", "n"} <= group.keys():
        group["se_mean"] = group["sd"] / np.sqrt(group["n"])
    if "se_mean" not in group and group.keys() >= {*_OF_MEANS}:
        z = convert.normal_quantile(number.get("ci_level", 0.95))
        group["se_mean"] = (group["ci_high_mean"] - group["ci_low_mean"]) / (2 * z)
    if "sd" not in group and {"se_mean", "n"} <= group.keys():
        group["sd"] = group["se_mean"] * np.sqrt(group["n"])
    return group


def _of_estimate(
    scale: Measure, number: Mapping[str, Array]
) -> tuple[NDArray[np.bool_], Array, Array] | None:
    """Convert estimates with a standard error or an interval, printed plainly or as a ratio."""
    one = number.keys() & {"effect", "estimate"}
    if number.keys() - _OF_ESTIMATE or len(one) != 1:
        return None
    if scale.link.name not in (IDENTITY.name, LOG.name):
        return None
    estimate, level = number[next(iter(one))], number.get("ci_level", np.array(0.95))
    effect, plain = scale.forward(estimate), np.ones(estimate.shape, dtype=bool)
    ends = {"ci_low", "ci_high"} & number.keys()
    if len(ends) == 1:
        return None
    if ends:
        low, high = number["ci_low"], number["ci_high"]
        plain &= (low < estimate) & (estimate < high)
        if scale.log:
            plain &= low > 0
        plain &= _symmetric(estimate, low, high, scale, plain)
    if "se" in number and not scale.log:
        return plain, effect, number["se"]
    if "variance" in number and not scale.log:
        return plain, effect, np.sqrt(number["variance"])
    if not ends:
        return None
    return plain, effect, np.asarray(convert.from_interval(estimate, low, high, level, scale).se)


def _symmetric(
    estimate: Array, low: Array, high: Array, scale: Measure, plain: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether intervals are symmetric, if need be within the digits that are not printed."""
    fine = convert.asymmetry(estimate, low, high, scale) <= ASYMMETRY
    doubtful = np.flatnonzero(plain & ~fine)
    if doubtful.size:
        three = estimate[doubtful], low[doubtful], high[doubtful]
        rounding = [half_unit(*each) for each in zip(*(c.tolist() for c in three), strict=True)]
        fine[doubtful] = convert.asymmetry(*three, scale, np.array(rounding)) <= ASYMMETRY
    return fine
