"""Data frames as columns of evidence: effects on the analysis scale, or numbers as printed."""

from collections.abc import Container, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import EvidenceError, Fault, Faults, Whereabouts, shown
from bayesrtw.evidence.cells import Table, duplicates, rows_of_frame
from bayesrtw.evidence.convert import normal_quantile
from bayesrtw.evidence.measure import MEASURES, beyond_limits, measure_called, measure_named
from bayesrtw.evidence.reported import NUMBERS
from bayesrtw.evidence.rows import TEXT, converted
from bayesrtw.printed import plain
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

#: Faults of one kind that are listed of a data frame.
MOST_FAULTS = 20

#: Numbers of studies of return to work, see the likelihood `return_to_work`: by date, of an arm, and of both.
_DATED = (
    "at", "events_t", "events_c",
    *(f"{name}{end}" for name in ("risk_ratio", "odds_ratio") for end in ("", "_se", "_low", "_high")),
    *(f"share_{arm}{end}" for arm in "tc" for end in ("", "_low", "_high")),
)  # fmt: skip
_OF_ARM = (
    "n",
    "median",
    "median{}_low",
    "median{}_high",
    "q1",
    "q3",
    "min",
    "max",
    "days",
    "days{}_se",
    "days{}_sd",
)
RETURNS = frozenset(
    (
        "hazard_ratio", "ci_low", "ci_high", "effect", "se", "horizon", "follow_up_days", "follow_up_months",
        *(f"median_ratio{end}" for end in ("", "_se", "_low", "_high")),
        "days_difference", "days_difference_se",
        *(name + end for name in _DATED for end in ("", "_2", "_3")),
        *((name if "{" in name else name + "{}").format(arm) for name in _OF_ARM for arm in ("_t", "_c")),
    )
)  # fmt: skip
#: Those of them that no other table has, but for ratios at a date.
ONLY_RETURNS = RETURNS - set(NUMBERS) - {"hazard_ratio", "follow_up_days"}
#: How much alike a heading that nobody reads and one of these are where one was meant for the other.
ALIKE = 0.87


def numbers_of(
    frame: "pd.DataFrame", effect: str, se: str, study: str, measure: str
) -> dict[str, NDArray[np.generic]]:
    """Take effects and standard errors on the analysis scale, and all other columns, from a frame."""
    measure_named(measure)
    faults = Faults(EvidenceError)
    _checked(frame)
    names = [str(column) for column in frame.columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        faults.add(f"data frame: columns {shown(repeated)} stand twice; rename one.")
    renamed = {effect: "effect", se: "se", study: "study"}
    for old, new in renamed.items():
        if old != new and new in names:
            faults.add(
                f"data frame: column {old!r} is to be {new!r}, and there is a column {new!r} too; "
                "leave one out."
            )
    if "measure" in names:
        faults.add(
            "data frame: column 'measure' stands in the frame; one frame has one measure: give "
            "measure= and leave the column out."
        )
    for wanted in (effect, se, study):
        if wanted not in names:
            hint = "; open_dataset(frame) finds out what columns mean" * (wanted == "effect")
            faults.add(
                f"data frame: column {wanted!r} is missing{hint}; {suggestion(wanted, names)}"
            )
    faults.raise_if_any()
    held: dict[str, NDArray[np.generic]] = {}
    for place, name in enumerate(names):
        kept = renamed.get(name, name)
        held[kept] = _column(list(frame.iloc[:, place]), kept, faults)
    faults.raise_if_any()
    count = len(frame)
    held.setdefault("outcome", np.full(count, "effect", dtype=object))
    held["measure"] = np.full(count, measure, dtype=object)
    labels = held["study"]
    for name in ("effect", "se"):
        values = np.asarray(held[name], dtype=np.float64)
        bad = ~np.isfinite(values) if name == "effect" else ~(np.isfinite(values) & (values > 0))
        if name == "se":
            # People may stand in its place: likelihood `unknown_errors`.
            bad &= ~(np.isnan(values) & _told_people(held))
        rule = "finite" if name == "effect" else "positive and finite"
        for row in np.flatnonzero(bad)[:5]:
            what, remedy = f"found {float(values[row])!r}", "mend or leave out the row"
            at = Whereabouts("data frame", (int(row) + 1,), str(labels[row]), name)
            faults.add(Fault(what, f"{name} must be {rule}", remedy, "not-a-number", at))
    for row in range(count):
        numbers = float(held["effect"][row]), float(held["se"][row])
        usable = np.isfinite(numbers).all() and numbers[1] > 0
        beyond = beyond_limits(*numbers, measure_named(measure)) if usable else None
        if beyond is not None and len(faults.found) < MOST_FAULTS:
            faults.add(beyond.at("data frame", row + 1, study=str(labels[row])))
    faults.extend(duplicates(held, "data frame"))
    faults.raise_if_any()
    return held


def printed_of(
    frame: "pd.DataFrame", columns: Mapping[str, str], measure: str
) -> dict[str, NDArray[np.generic]]:
    """Convert the rows of a frame whose columns are stated."""
    measure_named(measure)
    table, faults = _table_of(frame, columns, measure), Faults(EvidenceError)
    found = converted(table, faults)
    faults.raise_if_any()
    found.setdefault("outcome", np.full(len(table.lines), "effect", dtype=object))
    return found


def _table_of(frame: "pd.DataFrame", columns: Mapping[str, str], measure: str) -> Table:
    """Give a frame whose columns are stated as a table."""
    _checked(frame)
    header, *rows = rows_of_frame(frame)
    faults = Faults(EvidenceError)
    known = sorted({*NUMBERS, *TEXT})
    for heading, role in columns.items():
        if heading not in header:
            faults.add(f"data frame: column {heading!r} is missing; {suggestion(heading, header)}")
        if role not in known:
            faults.add(
                f"data frame: {role!r} is no column to be; leave {heading!r} out where it is a moderator, "
                f"which keeps its name, or say which it is. {suggestion(role, known)}"
            )
    names = [columns.get(name, name) for name in header]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        faults.add(f"data frame: columns {shown(twice)} stand twice; rename or leave out one.")
    faults.raise_if_any()
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    table = Table("data frame", dict(zip(names, map(list, cells), strict=True)), [])
    table.lines = list(range(1, len(rows) + 1))
    if "study" not in table.columns:
        faults.add(f"data frame: column 'study' is missing; {suggestion('study', header)}")
    if measure != "generic":
        table.columns["measure"] = [measure] * len(rows)
    faults.raise_if_any()
    return table


#: What an arm a row holds, to the measure of two arms that it gives unless another is named.
_OF_ARMS = (
    (("events", "person_time"), "log_rate_ratio"),
    (("events", "n"), "log_odds_ratio"),
    (("mean",), "mean_difference"),
)


def arms_of(
    frame: "pd.DataFrame", columns: dict[str, str], measure: str
) -> dict[str, NDArray[np.generic]]:
    """Convert a frame with one arm a row: what each arm tells by itself, in the measure of two."""
    _checked(frame)
    called = {str(name): columns.get(str(name), str(name)) for name in frame.columns}
    if "measure" in called.values():
        raise EvidenceError(
            "data frame: column 'measure' stands in the frame; arms are in one measure: give measure= and "
            "leave the column out."
        )
    if "mean" in called.values():
        columns = columns | {name: "se_mean" for name, role in called.items() if role == "se"}
    wanted = measure_of_arms(list(called.values()), "data frame", measure)
    faults = Faults(EvidenceError)
    found = single_arms(_table_of(frame, columns, "generic"), wanted, faults)
    faults.raise_if_any()
    return found


def measure_of_arms(columns: Sequence[str], where: str, measure: str = "") -> str:
    """Give the measure of two arms that a table of arms is in: what is stated, or what it tells."""
    told = [usual for needs, usual in _OF_ARMS if set(needs) <= set(columns)]
    if not told:
        raise EvidenceError(
            f"{where}: found columns {shown(columns, 20)}; an arm a row tells events and n, events and "
            "person_time, or mean with se, or with sd and n. Say by columns= which is which."
        )
    return measure_called(measure) or measure or told[0]


def single_arms(table: Table, wanted: str, faults: Faults) -> dict[str, NDArray[np.generic]]:
    """Convert a table with one arm a row, in the measure of two arms."""
    one = next((each for each in MEASURES.values() if wanted == each.contrast), None)
    if one is None:
        fits = sorted(each.contrast for each in MEASURES.values() if each.contrast)
        measure_named(wanted)
        raise EvidenceError(
            f"measure is {wanted!r}; single arms give {shown(fits)}: of two arms, the difference."
        )
    if "arm" not in table.columns:
        hint = suggestion("arm", list(table.columns))
        raise EvidenceError(f"{table.where}: column 'arm' is missing; {hint}")
    table.columns["measure"] = [one.name] * len(table.lines)
    held = converted(table, faults)
    faults.raise_if_any()
    held.setdefault("outcome", np.full(len(table.lines), "effect", dtype=object))
    studies, arms = held["study"].tolist(), [str(each).strip() for each in _words(held["arm"])]
    seen: dict[tuple[str, ...], int] = {}
    effect, se = (np.asarray(held[name], dtype=np.float64) for name in ("effect", "se"))
    for row, (study, arm, line) in enumerate(zip(studies, arms, table.lines, strict=True)):
        at = Whereabouts(table.where, (line,), str(study), "arm")
        if not arm:
            faults.add(Fault("found an empty cell", "arm must be named", "name it", "empty", at))
            continue
        key = (str(study), arm, str(held["outcome"][row]))
        if key in seen:
            what = f"{arm!r} stands in row {seen[key]} of this study too"
            faults.add(Fault(what, "an arm is one row", "add them up", "duplicate", at))
        seen.setdefault(key, line)
        if not (np.isfinite(effect[row]) and se[row] > 0):
            what, remedy = str(held["conversion"][row]), "complete it, or leave the row out"
            faults.add(Fault(what, "an arm tells a number of its own", remedy, "no-number", at))
    count = len(studies)
    return held | {
        "arm": np.array(arms, dtype=object),
        "measure": np.full(count, wanted, dtype=object),
        "single_arm": np.full(count, "yes", dtype=object),
    }


def _words(cells: NDArray[np.generic]) -> list[str]:
    """Give cells as words: a number without a point of its own."""
    return [f"{each:g}" if isinstance(each, float) else str(each) for each in cells.tolist()]


def _checked(frame: object) -> None:
    """Refuse what is no data frame, and cells that hold several things."""
    if not hasattr(frame, "columns"):
        raise EvidenceError(f"data frame: found {type(frame).__name__}; give a pandas DataFrame.")
    from pandas.api.types import is_list_like  # noqa: PLC0415

    table = cast("pd.DataFrame", frame)
    for place, name in enumerate(table.columns):
        cells = table.iloc[:, place]
        if cells.dtype != object:
            continue
        for row, cell in enumerate(cells, 1):
            if is_list_like(cell):
                raise EvidenceError(
                    f"data frame: row {row}: {str(name)!r} holds a {type(cell).__name__}; a cell is one "
                    "number or one text: spread it over rows or columns, or leave the column out."
                )


def _column(
    cells: Sequence[Any], name: str, faults: Faults, wanted: Container[str] = ("effect", "se")
) -> NDArray[np.generic]:
    """Bring a column to float64, where it must be or all are numbers, or to text; note what is neither."""
    import pandas as pd  # noqa: PLC0415

    values: list[Any] = [None if pd.isna(value) else value for value in cells]
    numeric = all(value is None or isinstance(value, int | float | np.number) for value in values)
    if name in wanted or (numeric and name not in TEXT):
        numbers = np.full(len(values), np.nan)
        for row, value in enumerate(values):
            try:
                numbers[row] = np.nan if value is None else float(value)
            except (TypeError, ValueError):
                place = Whereabouts("data frame", (row + 1,), column=name)
                what, remedy = f"found {value!r}", "write a decimal number"
                faults.add(Fault(what, f"{name} must be a number", remedy, "not-a-number", place))
        return numbers
    return np.array(["" if value is None else plain(str(value)) for value in values], dtype=object)


def _told_people(held: Mapping[str, NDArray[np.generic]]) -> NDArray[np.bool_]:
    """Say which rows tell how many people both groups have, shape (row,)."""
    people = [held[name] for name in ("n_t", "n_c") if name in held and held[name].dtype != object]
    if len(people) < 2:
        return np.zeros(len(held["study"]), dtype=bool)
    return np.all(np.asarray(people, dtype=np.float64) > 0, axis=0)


def misspelt(names: Iterable[str], where: str, faults: Faults) -> None:
    """Name columns of numbers that nobody reads, and that are called nearly as one of return to work is."""
    for name in names:
        close = get_close_matches(name, RETURNS, 1, ALIKE) if name not in RETURNS else []
        if close:
            faults.add(
                f"{where}: column {name!r} is none that is read; did you mean {close[0]!r}? Rename it, or "
                "leave it out."
            )


def returns_of(frame: "pd.DataFrame", columns: Mapping[str, str]) -> dict[str, NDArray[np.generic]]:
    """Read studies of return to work, one a row: hazard ratios, or whatever else they report."""
    _checked(frame)
    faults = Faults(EvidenceError)
    names = [columns.get(str(name), str(name)) for name in frame.columns]
    held: dict[str, NDArray[np.generic]] = {
        name: _column(list(frame.iloc[:, place]), name, faults, RETURNS)
        for place, name in enumerate(names)
    }
    misspelt(
        (name for name, values in held.items() if values.dtype != object), "data frame", faults
    )
    if "study" not in held:
        faults.add(f"data frame: column 'study' is missing; {suggestion('study', names)}")
    faults.raise_if_any()
    count = len(frame)
    empty = np.full(count, np.nan)
    ratio, low, high = (held.get(name, empty) for name in ("hazard_ratio", "ci_low", "ci_high"))
    told = np.isfinite(ratio) & np.isfinite(low) & np.isfinite(high)
    own_se = held.get("se", empty)
    for row in np.flatnonzero(np.isfinite(ratio) & ~told & ~(own_se > 0)).tolist():
        faults.add(
            f"data frame: row {row + 1}, column hazard_ratio: {ratio[row]:g} has no interval: give ci_low "
            "and ci_high, or leave it out where the study reports other numbers."
        )
    alone = np.isfinite(held.get("effect", empty)) & ~(own_se > 0) & ~told
    for row in np.flatnonzero(alone).tolist():
        faults.add(
            f"data frame: row {row + 1}: effect has no positive se; give its standard error, or leave it out "
            "where the study reports other numbers."
        )
    for row in np.flatnonzero(told & ~((low > 0) & (low < ratio) & (ratio < high))).tolist():
        faults.add(
            f"data frame: row {row + 1}, column hazard_ratio: {ratio[row]:g} with an interval from "
            f"{low[row]:g} to {high[row]:g}; all are positive, and the ratio lies between the ends."
        )
    faults.raise_if_any()
    with np.errstate(divide="ignore", invalid="ignore"):
        width = 2.0 * normal_quantile(0.95)
        both = np.log(ratio), (np.log(high) - np.log(low)) / width
    for name, values in zip(("effect", "se"), both, strict=True):
        own = held.get(name, empty)
        held[name] = np.where(np.isfinite(own), own, values)
    held["study"] = np.array([str(each) for each in held["study"]], dtype=object)
    held["measure"] = np.full(count, "log_hazard_ratio", dtype=object)
    if "hazard_ratio" in held:
        held["estimate"] = held.pop("hazard_ratio")
        printed = np.where(np.isfinite(ratio), "hazard_ratio", "")
        held.setdefault("reported", printed.astype(object))
    held.setdefault("outcome", np.full(count, "return_to_work", dtype=object))
    return held
