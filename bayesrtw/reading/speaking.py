"""Where the values of a table contradict what its headings say, so that no heading decides alone."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesrtw.evidence.convert import asymmetry
from bayesrtw.evidence.measure import MEASURES, measure_called
from bayesrtw.evidence.reported import ASYMMETRY
from bayesrtw.reading.cleaned import floats
from bayesrtw.reading.headings import bare, meanings, tokens

#: Share of rows that must fit the other reading before the heading is not believed.
_MOST: Final = 0.8

#: How closely numbers must agree, relatively: papers print two or three digits.
_AGREES: Final = 0.1


#: Columns that are held against one another.
_HELD: Final = frozenset(
    {"effect", "estimate", "se", "variance", "ci_low", "ci_high", "n"}
    | {"events_t", "n_t", "events_c", "n_c", "pct_t", "pct_c"}
)


def against(
    columns: Mapping[str, Sequence[str]], roles: Mapping[str, str], words: Mapping[str, str]
) -> str:
    """Say which reading the values contradict."""
    if not roles.keys() & {"ci_low", "n", "n_t", "estimate", "effect"}:
        return ""
    got = {role: floats(columns[roles[role]]) for role in _HELD if roles.get(role) in columns}
    # A column of measures says of its rows of ratios what a heading would say of all.
    named = [measure_called(cell) for cell in columns.get(roles.get("measure", ""), ())]
    logs = np.array([name.startswith("log_") for name in named])
    if logs.any():
        words = {"measure": min(name for name in named if name.startswith("log_")), **words}
        got = {role: np.where(logs, values, np.nan) for role, values in got.items()}
    for check in (_turned, _variance, _ratio, _swapped, _shares):
        found = check(got, roles, words)
        if found:
            return found
    return ""


def both_ways(
    columns: Mapping[str, Sequence[str]], roles: Mapping[str, str], *, stated: bool
) -> str:
    """Find columns that name the two treatments of a row, not always the programme first."""
    if "treatment" in roles or not {"effect", "estimate", "events_t", "mean_t"} & roles.keys():
        return ""
    for heading in columns if {"effect", "estimate"} & roles.keys() else ():
        if any(word.role == "comparison" for word in meanings(heading, "text")):
            sides = {_against_programme(cell): cell for cell in columns[heading]}
            if {True, False} <= sides.keys():
                return (
                    f"{heading!r} is {sides[True]!r} and, in other rows, {sides[False]!r}, so that effects "
                    "differ in direction; turn those of one kind, and what is compared with them"
                )
            if sides.keys() == {True} and not stated:
                return f"{heading!r} is {sides[True]!r} in every row; {_turn(roles)}"
        if any(word.role == "comparator" for word in meanings(heading, "side")):
            programme = next(filter(is_programme, columns[heading]), "")
            control = next(filter(is_control, columns[heading]), "")
            if programme and control:
                return (
                    f"{heading!r} is {programme!r} and, in other rows, {control!r}, so that effects differ "
                    "in direction; turn those of one kind, and name one group in all"
                )
            if programme and not stated:
                return f"{heading!r} is {programme!r}, so that effects are of the other group; {_turn(roles)}"
    for heading, other in compared(columns):
        cells = zip(columns[heading], columns[other], strict=True)
        rows = {(a.casefold(), b.casefold()) for a, b in cells if a and b}
        wrong = sorted(
            a
            for a, b in rows
            if (is_control(a) and not is_control(b)) or (a > b and (b, a) in rows)
        )
        if not wrong:
            continue
        if controls_first(rows):
            if not roles.get("events_t", roles.get("mean_t", "")).endswith("1"):
                continue
            return (
                f"{heading!r} is {wrong[0]!r}, and group 1 would be taken for the programme's; say which "
                "group is with --columns, such as event2=events_t,n2=n_t,event1=events_c,n1=n_c"
            )
        return (
            f"{heading!r} and {other!r} name the treatments of a row, and {wrong[0]!r} stands first where "
            "the programme does in other rows, so that effects differ in direction; write one row an arm, "
            "with columns study, treatment, and events, n or mean, sd, n, or put the programme first"
        )
    return ""


def sides_differ(columns: Mapping[str, Sequence[str]], roles: Mapping[str, str]) -> str:
    """Find effects on one side that favour both groups, and differences in several units."""
    heading = roles.get("estimate", roles.get("effect", ""))
    outcomes = columns.get(roles.get("outcome", ""), [""] * len(columns.get(heading, ())))
    for name in columns if heading in columns else ():
        uses = {word.role for word in meanings(name, "side")}
        cells = list(zip(columns[name], outcomes, strict=True))
        units = {cell.casefold() for cell, outcome in cells if cell and outcome == outcomes[0]}
        if "unit" in uses and len(units) > 1 and "effect" in roles:
            return f"{name!r} is {' and '.join(sorted(units))}: write effects of an outcome in one unit"
        ratio = "estimate" in roles and np.nanmin(floats(columns[heading]), initial=1) > 0
        null = 1.0 if ratio else 0.0
        signs: dict[bool, set[bool]] = {}
        for value, cell in zip(floats(columns[heading]), columns[name], strict=True):
            whom = re.sub(r"\b(in )?favou?r(s|ing)?( of)?\b", "", cell, flags=re.IGNORECASE).strip()
            if "favours" in uses and (is_control(whom) or is_programme(whom)) and value != null:
                signs.setdefault(bool(value > null), set()).add(is_control(whom))
        if any(len(whom) > 1 for whom in signs.values()):
            return (
                f"{name!r} names both groups beside effects of {heading!r} on one side of {null:g}; those "
                "of the comparison group need the other sign, or correct what they favour"
            )
    return ""


def compared(columns: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Find pairs of columns that name the two treatments of a row, such as ``treat1`` and ``treat2``."""
    found = []
    for heading, firsts in columns.items():
        other, stem = f"{heading[:-1]}2", heading[:-1].rstrip("._ ")
        if not heading.endswith("1") or other not in columns:
            continue
        words = any(cell and not cell.isdigit() for cell in (*firsts, *columns[other]))
        if words and any(word.role == "treatment" for word in meanings(stem, "text")):
            found.append((heading, other))
    return found


def controls_first(rows: Iterable[tuple[str, str]]) -> bool:
    """Say whether what programmes are compared with stands first in every row, and a programme second."""
    every = [is_control(a.casefold()) and not is_control(b.casefold()) for a, b in rows]
    return bool(every) and all(every)


#: Headings under which packages of R, and this one, give effects on the scale of the analysis.
_ANALYSED: Final = frozenset({"yi", "te", "theta", "coef", "coefficient"})


def is_analysed(heading: str) -> bool:
    """Say whether effects under a heading are on the analysis scale by custom: logarithms of ratios."""
    return heading == "effect" or bare(heading) in _ANALYSED


def printed_ratios(columns: Mapping[str, Sequence[str]], roles: Mapping[str, str]) -> bool:
    """Whether effects that a column calls ratios are so, by their intervals, and no logarithms."""
    needed = [roles.get(role, "") for role in ("effect", "ci_low", "ci_high", "measure")]
    if not all(heading in columns for heading in needed) or is_analysed(needed[0]):
        return False
    three = [floats(columns[heading]) for heading in needed[:3]]
    digits = [len(cell.partition(".")[2]) for heading in needed[:3] for cell in columns[heading]]
    off = []
    for at, cell in enumerate(columns[needed[3]]):
        measure = MEASURES.get(measure_called(cell))
        x, low, high = (float(values[at]) for values in three)
        if measure is None or not measure.log or not np.isfinite([x, low, high]).all():
            continue
        if min(x, low, high) <= 0:
            return False
        rounding = min(0.5 * 10.0 ** -max(digits), min(x, low, high) / 2)
        log, plain = (
            float(asymmetry(x, low, high, scale, rounding)) > ASYMMETRY
            for scale in (measure, MEASURES["generic"])
        )
        if log:
            return False
        off.append(plain)
    return 2 * sum(off) > len(off)


def is_control(name: str) -> bool:
    """Whether a treatment can only be what programmes are compared with: usual care, and not CBT with it."""
    return _calls("c", name) or _names_control(name)


def is_programme(name: str) -> bool:
    """Whether a treatment has a name that only the programme's group has, such as intervention."""
    return _calls("t", name)


def _calls(end: str, name: str) -> bool:
    words = () if bare(name).isdigit() else meanings(name, "arm")
    return any(each.role == end for each in words) and len(bare(name)) > 1


def _against_programme(text: str) -> bool | None:
    """Whether a text is of the comparison against the programme, or the other way round."""
    one, versus, two = re.sub(r"\b(versus|vs)\b\.?", "\0", text, flags=re.I).partition("\0")
    first, second = _names_control(one, last=True), _names_control(two)
    return first if versus and first != second else None


def _names_control(text: str, *, last: bool = False) -> bool:
    """Whether a text names a comparison group, perhaps at its end, and nothing that is added to it."""
    for part in re.split(r"[+&]|\b(?:plus|and|with|groups?|arms?)\b(?=.)", text.casefold()):
        words = tokens(part)[-3:] if last else tokens(part)
        some = range(len(words) - 1, -1, -1) if last else range(len(words))
        named = (
            "".join(words[at:end])
            for at in some
            for end in ([len(words)] if last else range(at + 1, at + 4))
        )
        if words and not any(len(each) > 2 and _calls("c", each) for each in named):
            return False
    return bool(tokens(text))


def _mostly(good: NDArray[np.bool_], there: NDArray[np.bool_]) -> bool:
    return bool(there.sum() >= 2 and good[there].mean() >= _MOST)


def _near(one: NDArray[np.float64], two: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(one - two) <= _AGREES * np.abs(two))


def _turned(
    got: Mapping[str, NDArray[np.float64]], roles: Mapping[str, str], words: Mapping[str, str]
) -> str:
    """Find headings that say that the comparison group stands first."""
    del got, words
    heading = roles.get("estimate", roles.get("effect", ""))
    if not _against_programme(heading):
        return ""
    return f"{heading!r} is of the comparison against the programme; {_turn(roles)}"


def _turn(roles: Mapping[str, str]) -> str:
    """Say how to turn effects of the comparison against the programme."""
    role = "estimate" if "estimate" in roles else "effect"
    return (
        "turn it (1 / a ratio, minus a difference, and its limits in the other order), or say that it is "
        f"meant so with --columns '{roles.get(role, '...')}={role}'"
    )


def _variance(
    got: Mapping[str, NDArray[np.float64]], roles: Mapping[str, str], words: Mapping[str, str]
) -> str:
    """Hold standard errors and variances against intervals, one another and the number of people."""
    nothing = np.full(len(next(iter(got.values()), np.array([]))), np.nan)
    ratio = (
        "estimate" in roles
        and bool(words.get("reported"))
        and "difference" not in words["reported"]
    )
    with np.errstate(all="ignore"):
        low, high = got.get("ci_low", nothing), got.get("ci_high", nothing)
        width = (np.log(high) - np.log(low)) if ratio else high - low
        true = width / (2 * ndtri(0.975))
        n = got.get("n", nothing)
        if words.get("measure") == "standardised_mean_difference" and np.isnan(true).all():
            true = 2 / np.sqrt(n)
        if words.get("measure") == "z_correlation" and np.isnan(true).all():
            true = 1 / np.sqrt(n - 3)
        for role, other in (("se", "variance"), ("variance", "se")):
            values = got.get(role, nothing)
            as_said = values if role == "se" else np.sqrt(values)
            swapped = np.sqrt(values) if role == "se" else values
            there = np.isfinite(values) & np.isfinite(true)
            if role == "se" and ratio:
                continue
            if _mostly(_near(swapped, true), there) and not _mostly(_near(as_said, true), there):
                return (
                    f"{roles[role]!r} is called {_NAMES[role]}, and its values are those of "
                    f"{_NAMES[other]}: they fit the intervals or the people so; say which with --columns "
                    f"{other}={roles[role]} or --columns {roles[role]}={role}"
                )
        if {"se", "variance"} <= got.keys():
            se, variance = got["se"], got["variance"]
            there = np.isfinite(se) & np.isfinite(variance)
            if there.any() and not _mostly(_near(se**2, variance) | ~there, np.ones_like(there)):
                return (
                    f"{roles['variance']!r} is not the square of {roles['se']!r}; say which holds with "
                    f"--columns {roles['se']}=se or --columns {roles['variance']}=variance"
                )
    return ""


_NAMES: Final = {"se": "a standard error", "variance": "a variance"}


def _ratio(
    got: Mapping[str, NDArray[np.float64]], roles: Mapping[str, str], words: Mapping[str, str]
) -> str:
    """Hold ratios and logarithms against their signs and the symmetry of their intervals."""
    reported, measure = words.get("reported", ""), words.get("measure", "")
    ratio = "estimate" in got and reported.endswith(("ratio", "means"))
    values = got.get("estimate" if ratio else "effect")
    if values is None or not (ratio or measure.startswith("log_")):
        return ""
    heading = roles["estimate" if ratio else "effect"]
    log = f"log_{reported}" if ratio else measure
    plain = log.removeprefix("log_")
    if ratio and (values <= 0).any():
        return (
            f"{heading!r} is called a ratio and holds {np.nanmin(values):g}: logarithms? say so with "
            f"--columns '{heading}=effect' --measure {log}, or correct it"
        )
    low, high = got.get("ci_low"), got.get("ci_high")
    nameless = any(w.role == "effect" and not w.implies for w in meanings(heading, "effect"))
    least = values if low is None else np.minimum(values, low)
    unknown = ""
    if nameless and not ratio and not is_analysed(heading) and np.nanmin([*least, np.inf]) > 0:
        several = "" if "measure" in roles else f", and --measure {_SHORT.get(plain, plain)}"
        unknown = (
            f"{heading!r} does not say whether {np.nanmin(values):g} to {np.nanmax(values):g} are ratios or "
            f"their logarithms; say which with --columns '{heading}=estimate' or --columns "
            f"'{heading}=effect'{several}"
        )
    if low is None or high is None:
        return unknown
    with np.errstate(all="ignore"):
        there = np.isfinite(values + low + high) & (low > 0)
        raw = np.abs(values - (low + high) / 2) / (high - low)
        logged = np.abs(np.log(values) - np.log(low * high) / 2) / np.log(high / low)
        wide = there & (np.abs(raw - logged) > 0.05)
        fits_raw, fits_log = _mostly(raw < 0.05, wide), _mostly(logged < 0.05, wide)
    if ratio and fits_raw and not fits_log:
        return (
            f"{heading!r} is called a ratio, and its intervals are symmetric as they stand, not on the log "
            f"scale: logarithms? say which with --columns {heading}=effect --measure {log} or --columns "
            f"estimate={heading} --measure {_SHORT.get(plain, plain)}"
        )
    if not ratio and fits_log and not fits_raw and "measure" in roles:
        return (
            f"{heading!r} is taken for logarithms by its name, and its intervals are symmetric on the log "
            f"scale, as those of ratios are; say which with --columns {heading}=estimate or --columns "
            f"{heading}=effect"
        )
    if not ratio and fits_log and not fits_raw:
        return (
            f"{heading!r} is called a logarithm, and its intervals are symmetric on the log scale, as "
            f"those of ratios are; say which with --columns {heading}=estimate --measure "
            f"{_SHORT.get(plain, plain)} or --columns {heading}=effect --measure {measure}"
        )
    return "" if fits_raw and not fits_log else unknown


_SHORT: Final = {"odds_ratio": "OR", "risk_ratio": "RR", "hazard_ratio": "HR", "rate_ratio": "IRR"}


def _swapped(
    got: Mapping[str, NDArray[np.float64]], roles: Mapping[str, str], words: Mapping[str, str]
) -> str:
    """Find groups whose events exceed their own people and not those of the other group."""
    del words
    if not {"events_t", "n_t", "events_c", "n_c"} <= got.keys():
        return ""
    a, n, c, m = (got[name] for name in ("events_t", "n_t", "events_c", "n_c"))
    there = np.isfinite(a + n + c + m)
    wrong = there & ((a > n) | (c > m))
    if wrong.sum() >= 2 and not (there & ((a > m) | (c > n))).any():
        return (
            f"events exceed people in {int(wrong.sum())} rows, and would not with the people of the other "
            f"group: are {roles['n_t']!r} and {roles['n_c']!r} swapped? say with --columns "
            f"{roles['events_t']}=events_t,{roles['n_c']}=n_t,{roles['events_c']}=events_c,"
            f"{roles['n_t']}=n_c, or correct them"
        )
    return ""


def _shares(
    got: Mapping[str, NDArray[np.float64]], roles: Mapping[str, str], words: Mapping[str, str]
) -> str:
    """Find percentages that are all of 1 and less, as shares are: half of 200 people, or one of them."""
    del words
    if not {"pct_t", "pct_c"} <= got.keys():
        return ""
    both = np.concatenate([got["pct_t"], got["pct_c"]])
    both = both[np.isfinite(both)]
    if not both.size or both.max() > 1 or (both == np.round(both)).all():
        return ""
    return (
        f"{roles['pct_t']!r} and {roles['pct_c']!r} hold {both.min():g} to {both.max():g}: multiply shares "
        "by 100; if they are percentages, say so with --columns "
        f"'{roles['pct_t']}=pct_t,{roles['pct_c']}=pct_c,{roles['n_t']}=n_t,{roles['n_c']}=n_c'"
    )
