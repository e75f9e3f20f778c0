"""What a table is that holds no result that can be pooled, and what is missing."""

import math
import re
from collections.abc import Mapping, Sequence

from bayesrtw.errors import shown
from bayesrtw.evidence.frame import ONLY_RETURNS
from bayesrtw.evidence.measure import DIAGNOSTIC
from bayesrtw.evidence.rows import all_numbers
from bayesrtw.reading.cleaned import floats
from bayesrtw.reading.headings import (
    LEVELS,
    arm_of,
    bare,
    meanings,
    of_group,
    of_interval,
    with_stem,
)
from bayesrtw.reading.way import Way

#: Counts of a test against the truth.
_TESTS = ({"tp", "fn"}, {"tp", "tn"}, {"tp", "np", "tn", "nn"}, {"sensitivity", "specificity"})


def unread(
    columns: Mapping[str, Sequence[str]], roles: Mapping[str, str], texts: Mapping[str, str]
) -> str:
    """Say what a table without a readable result is."""
    short = {bare(heading): heading for heading in columns}
    free = {h: c for h, c in columns.items() if h not in (*roles.values(), *texts.values())}
    numbers = {h: c for h, c in free.items() if all_numbers(c)}
    if any(test <= short.keys() for test in _TESTS):
        return f"counts of a test against the truth: {DIAGNOSTIC}."
    for found in (
        _level_unknown(columns),
        _cells_unknown({h: c for h, c in free.items() if h not in numbers}),
        _estimate_missing(
            {**{r: columns[r] for r in ("ci_low", "ci_high") if r in roles}, **numbers}
        ),
        _several_arms(columns),
        _uncounted(numbers),
        _one_arm(numbers, columns, texts),
        _tests_only(numbers, texts),
        _coefficients(short),
    ):
        if found:
            return found
    if own := [each for each in columns if each in ONLY_RETURNS - {"at", "at_2", "at_3"}]:
        return (
            f"no column holds a result; {shown(own)} are read where all rows tell hazard ratios of returning "
            "to work (--measure log_hazard_ratio, or a column measure), by an analysis whose likelihood is "
            "'return_to_work'"
        )
    return (
        f"no column holds a result; found {shown(columns)}; give effect and se, or estimate with ci_low "
        "and ci_high, or counts (events_t, n_t, events_c, n_c), or means (mean_t, sd_t, n_t, mean_c, sd_c, "
        "n_c); or say what the columns are: --columns ...=effect,...=se"
    )


def of_groups(ways: Sequence[Way]) -> tuple[list[Way], str]:
    """Leave out means of single groups, none of which is an effect, and say what to do with them."""
    means = [way for way in ways if way.words.get("measure") == "mean"]
    if not any(q == "mean" and end for w in means for q, end, _, _ in of_group(w.roles["effect"])):
        return list(ways), ""
    return [way for way in ways if way not in means], (
        f"{shown([way.roles['effect'] for way in means])}: means of single groups and no effects; "
        "give both groups alike, as mean_t, sd_t, n_t and mean_c, sd_c, n_c, or the standard error of each "
        "mean in se_mean_t and se_mean_c: (upper - lower) / 3.92 of a 95 % interval (2 t with n - 1 degrees "
        "of freedom in place of 3.92 in groups below 60)"
    )


def _level_unknown(columns: Mapping[str, Sequence[str]]) -> str:
    """Find intervals of a level that headings are not read for."""
    for heading, cells in columns.items():
        for text in (heading, *cells[:1]):
            found = re.search(
                r"(\d\d(?:\.\d+)?)\s*-?%\s*-?(ci|cri|ki|ic|confidence|credible|lower|upper)\b",
                text,
                re.I,
            )
            if found and found[1] not in LEVELS:
                return (
                    f"{text!r} is of an interval of {found[1]} %; give its ends in ci_low and ci_high, and "
                    f"ci_level, {float(found[1]) / 100:g}, in a column of its own."
                )
    return ""


def _cells_unknown(texts: Mapping[str, Sequence[str]]) -> str:
    """Find columns whose heading is known, and whose cells are no numbers."""
    for heading, cells in texts.items():
        there = [cell for cell in cells if any(map(str.isdigit, cell))]
        about = re.sub(r"\([^()]*\)", "", heading)
        known = any(w.implies or w.use == "spread" for w, _ in with_stem(about, "effect", "spread"))
        if there and (known or any(end for _, end, _, _ in of_group(about))):
            return (
                f"{heading!r} holds {there[0]!r}, which is not understood; write numbers alone, without "
                "units, or 0.82 (0.65 to 1.03), 12/50 for events of people, and 14.2 (3.3) under a heading "
                "that says what they are, such as mean (SD)."
            )
    return ""


def _estimate_missing(numbers: Mapping[str, Sequence[str]]) -> str:
    """Find intervals or standard errors beside a column that may be their estimate."""
    ends = {
        w.role: h
        for h in numbers
        for w, stem in with_stem(h, "spread")
        if w.role in ("ci_low", "ci_high", "se") and not of_interval(w, stem)[0]
    }
    if not {"ci_low", "ci_high"} <= ends.keys():
        return ""
    low, high = (floats(numbers[ends[e]]).tolist() for e in ("ci_low", "ci_high"))
    within = [
        heading
        for heading, cells in numbers.items()
        if heading not in ends.values()
        and all(
            a <= float(c) <= b
            for c, a, b in zip(cells, low, high, strict=True)
            if c and math.isfinite(a + b)
        )
    ]
    named = f"; {shown(within)} lies within them" if within else ""
    ratio = bool(within) and _ratios(numbers[within[0]], low, high)
    role, more = ("estimate", "its --measure, such as HR or OR") if ratio else ("effect", "")
    option = Way("", {role: within[0] if within else "..."}).option
    return (
        f"holds intervals ({ends['ci_low']!r}, {ends['ci_high']!r}) and no column known to be their "
        f"estimate{named}; say which with {option}, and {more or '--measure if it has one'}."
    )


def _ratios(cells: Sequence[str], low: Sequence[float], high: Sequence[float]) -> bool:
    """Whether intervals are symmetric as those of ratios are, on the log scale and not as they stand."""
    logged, raw = [], []
    for cell, a, b in zip(cells, low, high, strict=True):
        x = float(cell or "nan")
        if min(x, a) > 0 and b > a:
            logged.append(abs(math.log(x * x / (a * b))) / math.log(b / a))
            raw.append(abs(2 * x - a - b) / (b - a))
    return bool(raw) and max(logged) < 0.1 and sum(raw) > 2 * sum(logged)


def _several_arms(columns: Mapping[str, Sequence[str]]) -> str:
    """Recognise a row a study with columns for three arms or more."""
    stems: dict[str, list[str]] = {}
    for heading in columns:
        found = re.fullmatch(r"(.*?)[._ ]?([1-9])", heading)
        if found:
            stems.setdefault(found[1], []).append(found[2])
    wide = [stem for stem, ends in stems.items() if {"1", "2", "3"} <= set(ends)]
    counted = [
        w for stem in wide for w in meanings(stem, "quantity") if w.role in ("events", "n", "mean")
    ]
    if len(wide) < 2 or not counted:
        return ""
    return (
        f"one row a study with columns for three arms or more ({shown([f'{stem}1..3' for stem in wide])}); "
        "write one row an arm, with columns study, treatment, and events, n or mean, sd, n."
    )


def _uncounted(numbers: Mapping[str, Sequence[str]]) -> str:
    """Find columns of two groups whose people are there, and which do not say what they count."""
    people = {
        end: h for h in numbers for role, end, _, stem in of_group(h) if role == "n" and not stem
    }
    named: dict[tuple[str, ...], dict[str, str]] = {}
    for heading in numbers:
        if heading not in people.values():
            for end, stem in arm_of(heading):
                named.setdefault(stem, {}).setdefault(end, heading)
    both = [each for each in named.values() if {"t", "c"} <= each.keys()]
    if not {"t", "c"} <= people.keys() or len(both) != 1:
        return ""
    t, c = both[0]["t"], both[0]["c"]
    role = (
        "events" if all(float(x).is_integer() for h in (t, c) for x in numbers[h] if x) else "pct"
    )
    other = "pct for percentages" if role == "events" else "mean, with sd beside it, for means"
    roles = {f"{role}_t": t, f"{role}_c": c, "n_t": people["t"], "n_c": people["c"]}
    return (
        f"{t!r} and {c!r} do not say what they count; say so with {Way('', roles).option}, or write {other} "
        f"in the place of {role}."
    )


def _one_arm(
    numbers: Mapping[str, Sequence[str]],
    columns: Mapping[str, Sequence[str]],
    texts: Mapping[str, str],
) -> str:
    """Recognise a row an arm, or a row a person, without a column known to count events."""
    if "treatment" not in texts:
        return ""
    sizes = [h for h in numbers if any(w.role == "n" for w in meanings(h, "whole"))]
    treatments = columns[texts["treatment"]]
    if not sizes:
        if len(treatments) > 20 * len(set(treatments)):
            return (
                "one row a person, as it seems: treatments repeat and no column counts people; count events "
                "and people (or give mean, sd, n) by study and treatment, one row an arm."
            )
        return ""
    counts = [
        h
        for h, cells in numbers.items()
        if h not in sizes
        and all(
            float(c).is_integer() and 0 <= float(c) <= float(n)
            for c, n in zip(cells, numbers[sizes[0]], strict=True)
            if c and n
        )
    ]
    which = counts[0] if counts else "..."
    return (
        f"one row an arm, and no column known to count the events or give the mean; {shown(counts)} "
        f"may count them: say which with --columns {which}=events,{sizes[0]}=n."
    )


def _tests_only(numbers: Mapping[str, Sequence[str]], texts: Mapping[str, str]) -> str:
    if "p_value" in texts and not any(any(True for _ in of_group(h)) for h in numbers):
        return (
            "p values and no effects that they belong to; a p value says nothing of the size of an effect: "
            "give effect and se."
        )
    return ""


def _coefficients(short: Mapping[str, str]) -> str:
    if {"tval", "tvalue", "t"} & short.keys():
        return (
            "t values, and no effects that they belong to; give the effects too (effect, t_value), or "
            "partial correlations as effect with se."
        )
    if {"ai", "mi", "ni"} <= short.keys():
        return (
            "reliabilities ('ai' of 'mi' items, 'ni' people), as it seems, which no measure here pools; give "
            "transformed values as effect with se."
        )
    return ""
