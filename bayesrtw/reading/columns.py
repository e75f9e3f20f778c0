"""A table of others in the columns of this package, with what each column was taken for.

Nothing is guessed: where a table can be read in two ways, both are named with the option that decides,
and a reading that the values contradict is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.cells import Table
from bayesrtw.evidence.measure import MEASURES, measure_called
from bayesrtw.evidence.rows import all_numbers
from bayesrtw.reading.arms import arms_in, compared_rows, contrasts
from bayesrtw.reading.cleaned import (
    are_designs,
    cleaned,
    counted,
    floats,
    logarithm,
    no_designs,
    people_of_counts,
    times_of,
)
from bayesrtw.reading.effects import (
    MEASURES_OF_RATIOS,
    effects,
    limits_of_ratios,
    other_effects,
    words_of,
)
from bayesrtw.reading.grid import Grid
from bayesrtw.reading.headings import (
    HOUSE,
    bare,
    meanings,
    of_group,
    of_interval,
    sets,
    with_stem,
)
from bayesrtw.reading.names import named
from bayesrtw.reading.pairs import pairs
from bayesrtw.reading.reckoned import reckoned
from bayesrtw.reading.speaking import against, both_ways, printed_ratios, sides_differ
from bayesrtw.reading.split import split
from bayesrtw.reading.units import in_units
from bayesrtw.reading.unread import of_groups, unread
from bayesrtw.reading.way import Way
from bayesrtw.registry import suggestion

#: Columns that may be stated beside those of `HOUSE`.
STATED: Final = HOUSE | {"author", "year", "trial", "id", "treatment", "se_log", "variance_log"}

#: Columns whose presence makes a table one of this package.
_RESULTS: Final = frozenset(
    {
        "effect",
        "estimate",
        "events_t",
        "mean_t",
        "median_t",
        "pct_t",
        "mean_change_t",
        "mean_baseline_t",
    }
    | {"o_minus_e", "person_time_t", "reported"}
)

#: What a person may say that a table of single groups is about.
_ALONE: Final = frozenset({"events", "mean", "pct", "r"})

#: Short names of this package that mean other things elsewhere.
_SHORT: Final = frozenset(
    {"r", "z", "n", "mean", "sd", "events", "non_events", "pct", "median", "min", "max", "q1", "q3"}
    | {"correlation", "arm", "result", "role", "comparator", "subgroup", "se_mean", "person_time"}
)


@dataclass(frozen=True, slots=True)
class Read:
    """A table in the columns of this package.

    Attributes
    ----------
    table
        One row a result.
    said
        What the columns were taken for, in words; empty where they have this package's names.
    roles
        Column of this package to heading, for `[columns]`.
    """

    table: Table
    said: tuple[str, ...]
    roles: Mapping[str, str]


def understood(
    grid: Grid,
    stated: Mapping[str, str] | None = None,
    measure: str = "",
    *,
    arms: bool = False,
    beside: bool = False,
) -> Read:
    """Find out what columns mean; with `arms` one row an arm stays so; `beside` results none is needed."""
    where = grid.table.where
    measure = "" if arms else measure  # single arms tell numbers of their own
    cut = split(grid.table.columns, comma=grid.comma)
    columns, said, percent = cut.columns, cut.said, {**grid.percent, **cut.percent}
    if arms and "mean" in columns:
        columns = {"se_mean" if name == "se" else name: cells for name, cells in columns.items()}
    roles = _stated(stated or {}, columns, where)
    if arms and "mean" in roles and "se" in roles:
        roles["se_mean"] = roles.pop("se")
    roles |= {
        name: name
        for name in columns
        if name in HOUSE - set(() if arms else _SHORT) - set(roles) and name not in roles.values()
    }
    words: dict[str, str] = {}
    columns, other = _without_other_measure(columns, roles)
    columns, times = times_of(columns, roles)
    texts = _texts(columns, {**roles, **times}) | times
    ours = bool((_RESULTS | (_ALONE if stated or arms else set())) & roles.keys())
    if not ours and not stated and not beside:
        roles = {role: heading for role, heading in roles.items() if role[-2:] not in ("_t", "_c")}
    way = _completed(columns, roles) if ours else _way(columns, roles, texts, where, beside)
    if ours and not {"effect", "estimate", "reported"} & roles.keys():
        way = _beside(columns, roles, texts, way)
    texts |= {} if ours or "treatment" in roles else _arms_of(columns, texts, way)
    roles = {**texts, **_shares_of_events(way.roles, percent), **roles}
    words |= way.words
    if stated and not measure:
        words |= _called(roles, words)
    if measure:
        words["measure"] = name = _measure(measure, roles, where)
        ratio = MEASURES[name].log and not bare(measure).startswith(("log", "ln"))
        if ratio and "estimate" in roles and "reported" not in {*roles, *words}:
            # HR says that the estimate is the ratio, unless its values contradict; log_hazard_ratio does not.
            words["reported"] = name.removeprefix("log_")
    elif "measure" in roles:
        words.pop("measure", None)
    if not stated and printed_ratios(columns, roles):
        roles["estimate"] = roles.pop("effect")
    unit, rescaled = in_units(columns, roles, words, percent)
    if (
        doubt := unit
        or (not stated and against(columns, roles, words))
        or both_ways(columns, roles, stated=bool(stated))
        or sides_differ(columns, roles)
    ):
        raise EvidenceError(f"{where}: {doubt}.")
    columns, roles, derived = _unlogged(columns, roles, words)
    parted = counted(columns, roles)
    name, told = reckoned(columns, roles, words)
    words |= {"measure": name} if name else {}
    names = named(columns, roles, len(grid.table.lines))
    made = _table(grid.table, columns, roles, words, names.labels)
    made, compared = _compared(made, roles, arms=arms)
    lines = [*said, *other, *rescaled, *derived, *no_designs(columns, roles), *compared]
    lines += [*_said(way, roles, words, names.said), *parted, *filter(None, [told])]
    shown = {role: heading for role, heading in roles.items() if role in STATED}
    return Read(made, tuple(lines), shown)


def _compared(made: Table, roles: Mapping[str, str], *, arms: bool) -> tuple[Table, list[str]]:
    """Make contrasts of arms, and name what each row compares, where columns tell it."""
    where = made.where
    lines: list[str] = []
    if arms:
        lines.append(f"one row an arm: {made.count} arms, each a row")
        if "treatment" in made.columns:
            made.columns["arm"] = made.columns.pop("treatment")
    elif "treatment" in roles and not _RESULTS & roles.keys():
        made, lines = contrasts(made)
        if not made.count:
            raise EvidenceError(
                f"{where}: one row an arm, and no study has two arms that can be compared; each arm of a "
                "study needs a treatment of its own."
            )
    elif {"effect", "estimate", "events_t", "mean_t"} & roles.keys() - {"treatment"}:
        made, lines = compared_rows(made)
    return made, lines


def _stated(stated: Mapping[str, str], columns: Mapping[str, object], where: str) -> dict[str, str]:
    """Check what a person states, heading to column; column to heading is understood too."""
    found: dict[str, str] = {}
    loose = {bare(heading): heading for heading in columns}
    for one, two in stated.items():
        heading, role = (two, one) if two not in STATED and one in STATED else (one, two)
        if role not in STATED:
            raise EvidenceError(
                f"--columns: {role!r} is no column; {suggestion(role, sorted(STATED))}"
            )
        if heading not in columns and bare(heading) not in loose:
            hint = suggestion(heading, list(columns))
            raise EvidenceError(
                f"{where}: has no column {heading!r}, which is to be {role}; {hint}"
            )
        if role in found:
            raise EvidenceError(
                f"--columns: {found[role]!r} and {heading!r} are both to be {role}; leave one out."
            )
        found[role] = heading if heading in columns else loose[bare(heading)]
    return found


def _said(
    way: Way, roles: Mapping[str, str], words: Mapping[str, str], names: Sequence[str]
) -> list[str]:
    """Say what columns were taken for, what was not used, and the level of intervals."""
    taken = [
        f"{role} from {heading!r}"
        for role, heading in roles.items()
        if role != heading
        and role not in ("author", "year", "id", "trial", "row.names", "cited.as")
    ]
    lines = [way.what] if way.what and taken else []
    if way.unused:
        lines.append(f"not used: {'; '.join(way.unused)}")
    if words.get("ci_level"):
        lines.append(f"intervals of {100 * float(words['ci_level']):g} %")
    return [*lines, "; ".join([*names, *taken])] if taken or names else lines


def _called(roles: Mapping[str, str], words: Mapping[str, str]) -> dict[str, str]:
    """Take the measure that the heading of a stated effect names, unless a column names measures."""
    if {"measure", "reported"} & (roles.keys() | words.keys()):
        return {}
    for role in ("estimate", "effect"):
        for word, _ in with_stem(roles.get(role, ""), "effect"):
            if word.role == role and word.implies:
                return words_of(role, word.implies)
    return {}


def _measure(measure: str, roles: Mapping[str, str], where: str) -> str:
    name = measure_called(measure)
    if not name:
        raise EvidenceError(f"--measure is {measure!r}; {suggestion(measure, list(MEASURES))}")
    if "measure" in roles:
        raise EvidenceError(
            f"{where}: --measure is {measure!r} and column {roles['measure']!r} names measures too; leave "
            "one out."
        )
    return name


def _without_other_measure(
    columns: Mapping[str, list[str]], roles: dict[str, str]
) -> tuple[dict[str, list[str]], list[str]]:
    """Rename a column called measure that holds no effect measures, such as names of instruments."""
    heading = roles.get("measure", "")
    cells = [cell for cell in columns.get(heading, ()) if cell]
    near = any(measure_called(c) or suggestion(c, list(MEASURES)).startswith("did") for c in cells)
    if not cells or near:
        return dict(columns), []
    del roles["measure"]
    renamed = {f"{n} (as found)" if n == heading else n: c for n, c in columns.items()}
    found = ", ".join(map(repr, dict.fromkeys(cells[:3])))
    return renamed, [
        f"column {heading!r} holds {found}, which are no effect measures, and is not used as one"
    ]


def _texts(columns: Mapping[str, list[str]], roles: Mapping[str, str]) -> dict[str, str]:
    """Find columns of words and names."""
    found: dict[str, str] = {}
    order = {"name": 0, "text": 1}
    for heading, cells in columns.items():
        if heading in roles.values():
            continue
        for word in sorted(meanings(heading, "name", "text"), key=lambda w: order[w.use]):
            role = word.role
            if role in roles or role in found:
                continue
            numbers = role in ("treatment", "outcome", "comparison") and all_numbers(cells)
            measures = role not in ("measure", "reported") or any(map(measure_called, cells))
            if numbers or not measures or (role == "design" and not are_designs(cells)):
                continue
            found[role] = heading
            break
    return found


def _way(
    columns: dict[str, list[str]],
    roles: Mapping[str, str],
    texts: Mapping[str, str],
    where: str,
    beside: bool,
) -> Way:
    """Choose the one way to read the results."""
    free = {
        heading: cells
        for heading, cells in columns.items()
        if heading not in roles.values() and heading not in texts.values()
    }
    numbers = {heading: cells for heading, cells in free.items() if _mostly_numbers(cells)}
    found = effects(numbers, columns, roles, texts)
    groups = pairs(numbers)
    if not found and not groups and (logs := limits_of_ratios(numbers)):
        columns |= logs
        found = effects({**numbers, **logs}, columns, roles, texts)
    found, means = of_groups(found)
    if means and not found and not groups:
        raise EvidenceError(f"{where}: {means}.")
    whole = [] if found or groups else _whole(numbers, texts)
    studies = columns[texts["study"]] if "study" in texts else []
    coded = [h for h in numbers if any(w.role == "treatment" for w in meanings(h, "text"))]
    if whole and coded and len(set(studies)) < len(studies):
        raise EvidenceError(
            f"{where}: {coded[0]!r} numbers the arms of studies; write their names, such as control, so that "
            "it is known which is compared with which."
        )
    for choices in (found, groups, whole):
        if len(choices) == 1:
            others = other_effects(numbers, choices[0])
            if choices is found:
                own = choices[0].roles.values()
                others += pairs({h: cells for h, cells in numbers.items() if h not in own})
            return replace(choices[0], unused=tuple(f"{o.what} ({o.option})" for o in others))
        if len(choices) > 1:
            listed = "; or ".join(f"{way.what} ({way.option})" for way in choices[:4])
            more = f"; and {len(choices) - 4} more" if len(choices) > 4 else ""
            raise EvidenceError(f"{where}: can be read in several ways: {listed}{more}; say which.")
    if beside:
        return Way("", {})
    raise EvidenceError(f"{where}: {unread(columns, roles, texts)}")


def _mostly_numbers(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers, perhaps with a cell or two that are none."""
    there = [cell for cell in cells if cell]
    if all_numbers(there):
        return True
    return bool(there) and 2 * sum(all_numbers((cell,)) for cell in there) >= len(there)


def _completed(columns: Mapping[str, list[str]], roles: Mapping[str, str]) -> Way:
    """Add to a table with results in this package's columns what its other headings say of them."""
    effect = {"effect", "estimate"} & roles.keys()
    precise = {"se", "variance", "ci_low"} & roles.keys()
    two = any(role.endswith(("_t", "_c")) for role in roles)
    found: dict[str, str] = {}
    words: dict[str, str] = {}
    groups: dict[str, str] = {}
    for heading, cells in columns.items():
        if heading in roles.values() or not _mostly_numbers(cells):
            continue
        for word, stem in with_stem(heading, "spread") if effect else ():
            left, level = of_interval(word, stem)
            wanted = not left and (not precise or word.role in ("ci_low", "ci_high"))
            if wanted and word.role not in roles and heading not in found.values():
                found.setdefault(word.role, heading)
                words |= {"ci_level": level} if level else {}
        for quantity, end, _, stem in of_group(heading) if two else ():
            if end and not stem and f"{quantity}_{end}" not in roles:
                groups.setdefault(f"{quantity}_{end}", heading)
    both = [role for role in groups if f"{role[:-1]}{'c' if role[-1] == 't' else 't'}" in groups]
    found |= {role: groups[role] for role in both if groups[role] not in found.values()}
    found |= {
        name: name for name in _SHORT & columns.keys() if name not in (*roles, *found.values())
    }
    return Way("", found, words)


def _beside(
    columns: Mapping[str, list[str]], roles: Mapping[str, str], texts: Mapping[str, str], way: Way
) -> Way:
    """Take hazard ratios beside counts, which do not tell them; name other effects that stand there."""
    numbers = {
        heading: cells
        for heading, cells in columns.items()
        if heading not in (*roles.values(), *texts.values(), *way.roles.values())
        and _mostly_numbers(cells)
    }
    found = effects(numbers, columns, roles, texts)
    of_time = [w for w in found if any("hazard_ratio" in word for word in w.words.values())]
    if len(of_time) == 1:
        one = of_time[0]
        said = f"{one.what}; counts, medians and means beside it are kept"
        return Way(said, {**way.roles, **one.roles}, {**way.words, **one.words})
    return replace(way, unused=tuple(f"{o.what} ({o.option})" for o in found if o.words))


def _whole(numbers: Mapping[str, list[str]], texts: Mapping[str, str]) -> list[Way]:
    """Find correlations, and counts, means and rates of one group."""
    found: dict[str, str] = {}
    arms = "treatment" in texts
    stems = {
        stem for h in numbers for role, end, _, stem in of_group(h) if role == "events" and not end
    }
    for heading in numbers:
        words = list(meanings(heading, "whole"))
        if len(stems) == 1 and (arms or heading.endswith((" events", " total"))):
            # One outcome in its own words: RTW events, of RTW total or of all people.
            words += [w for w, stem in with_stem(heading, "whole") if stem in stems]
        for word in words:
            if word.role == "r" and not _correlations(numbers[heading]):
                continue
            if word.role in ("events", "non_events") and not _counts(numbers[heading]):
                continue
            found.setdefault(word.role, heading)
    means = [h for h in numbers if any(role[:4] == "mean" for role, *_ in of_group(h))]
    if "r" in found and len(means) > 1:
        of_means = found.pop("r")  # of a crossover, or before and after
        found = {role: heading for role, heading in found.items() if heading != of_means}
    if found.get("r") == found.get("events"):
        found.pop("events", None)
    short = {bare(heading): heading for heading in numbers}
    for _, members in sets():
        roles = set(members.values())
        if members.keys() <= short.keys() and roles <= {
            "r",
            "n",
            "events",
            "non_events",
            "person_time",
        }:
            found |= {role: short[name] for name, role in members.items()}
    ways = []
    for what, needs, more in (
        ("correlations", ("r", "n"), ()),
        ("events and people", ("events", "n"), ()),
        ("events and people without", ("events", "non_events"), ()),
        ("events and time", ("events", "person_time"), ()),
        ("means and SDs", ("mean", "sd", "n"), ()),
        ("means and their standard errors", ("mean", "se_mean"), ("n",)),
    ):
        if all(role in found for role in needs):
            roles_ = {role: found[role] for role in (*needs, *more) if role in found}
            group = "of an arm a row" if "treatment" in texts else "of one group"
            label = what if what == "correlations" else f"{what} {group}"
            ways.append(Way(label, roles_))
    if len(ways) > 1 and {"events", "n"} <= ways[0].roles.keys() and "non_events" in ways[1].roles:
        ways = ways[:1]
    return ways[:1] if {"mean", "sd", "n"} <= found.keys() and len(ways) == 2 else ways


def _arms_of(
    columns: Mapping[str, list[str]], texts: Mapping[str, str], way: Way
) -> dict[str, str]:
    """Find the column that tells the arms of studies apart, where rows are of single groups."""
    if not _ALONE & way.roles.keys() or "treatment" in texts or "study" not in texts:
        return {}
    arm = arms_in(columns, [texts["study"], *way.roles.values(), *texts.values()])
    return {"treatment": arm} if arm else {}


def _shares_of_events(roles: Mapping[str, str], percent: Mapping[str, bool]) -> dict[str, str]:
    """Take events that all have percent signs, beside people, for percentages."""
    two = [f"events_{end}" for end in ("t", "c")]
    shares = {"n_t", *two} <= roles.keys() and all(percent.get(roles[name]) for name in two)
    return {role.replace("events", "pct") if shares else role: h for role, h in roles.items()}


def _correlations(cells: Sequence[str]) -> bool:
    values = floats(cells)[np.isfinite(floats(cells))]
    return bool((np.abs(values) <= 1).all() and (values != np.round(values)).any())


def _counts(cells: Sequence[str]) -> bool:
    return not (floats(cells) < 0).any()


def _unlogged(
    columns: dict[str, list[str]], roles: dict[str, str], words: Mapping[str, str]
) -> tuple[dict[str, list[str]], dict[str, str], list[str]]:
    """Take logarithms of ratios whose standard error is that of the logarithm."""
    logged = [role for role in ("se_log", "variance_log") if role in roles]
    if not logged:
        return columns, roles, []
    roles = dict(roles)
    said = []
    if "estimate" in roles and words.get("reported", "effect") in MEASURES_OF_RATIOS:
        heading = roles.pop("estimate")
        made = f"log of {heading}"
        columns = {**columns, made: [logarithm(cell) for cell in columns[heading]]}
        roles["effect"] = made
        said.append(f"logarithms of {heading!r}")
        ends = {end: roles[end] for end in ("ci_low", "ci_high") if end in roles}
        if not any(cell.startswith("-") for of in ends.values() for cell in columns[of]):
            columns |= {f"log of {of}": list(map(logarithm, columns[of])) for of in ends.values()}
            roles |= {end: f"log of {of}" for end, of in ends.items()}
    for role in logged:
        # An error that says that it is the logarithm's goes before one that does not say of what it is.
        roles[role.removesuffix("_log")] = roles.pop(role)
    return columns, roles, said


def _table(
    found: Table,
    columns: Mapping[str, list[str]],
    roles: Mapping[str, str],
    words: Mapping[str, str],
    labels: Sequence[str],
) -> Table:
    """Put the cells under this package's names."""
    made: dict[str, list[str]] = {"study": list(labels)}
    named = HOUSE | {"treatment"} | ({"year"} - columns.keys())
    taken = {heading: role for role, heading in roles.items() if role in named}
    ours = roles.keys() | words.keys() | {"study"}
    for heading, cells in columns.items():
        role = taken.get(heading, "")
        if role == "study":
            continue
        if role:
            made[role] = cleaned(role, cells)
        elif heading in ours and heading not in ("year",):
            made[f"{heading} (as found)"] = list(cells)
        else:
            made[heading] = list(cells)
    if {"mean_t", "events_t", "non_events_t", "n_t"} <= roles.keys():
        people_of_counts(made)
    logged = "effect" in roles and words.get("reported", "") in MEASURES_OF_RATIOS
    for name, word in words.items():
        log = logged and name == "reported"
        column, text = ("measure", MEASURES_OF_RATIOS[word]) if log else (name, word)
        alone = "estimate" if column == "reported" or "effect" not in made else "effect"
        where = made.get(alone)
        rows = range(len(labels))
        if where is None or column == "measure":
            made[column] = [text] * len(labels)
        else:
            made[column] = [text if where[row] else "" for row in rows]
    return Table(found.where, made, list(found.lines))
