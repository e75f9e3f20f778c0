"""Data frames as columns of evidence: effects on the analysis scale, or numbers as printed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import EvidenceError, Fault, Faults, Whereabouts, shown
from bayesrtw.evidence.cells import Table, duplicates, rows_of_frame
from bayesrtw.evidence.measure import beyond_limits, measure_named
from bayesrtw.evidence.reported import NUMBERS
from bayesrtw.evidence.rows import TEXT, converted
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

#: Faults of one kind that are listed of a data frame.
MOST_FAULTS = 20


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
            faults.add(f"data frame: column {wanted!r} is missing; {suggestion(wanted, names)}")
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
    _checked(frame)
    header, *rows = rows_of_frame(frame)
    faults = Faults(EvidenceError)
    known = sorted({*NUMBERS, *TEXT})
    for heading, role in columns.items():
        if heading not in header:
            faults.add(f"data frame: column {heading!r} is missing; {suggestion(heading, header)}")
        if role not in known:
            faults.add(f"data frame: {role!r} is no column to be; {suggestion(role, known)}")
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
    found = converted(table, faults)
    faults.raise_if_any()
    found.setdefault("outcome", np.full(len(rows), "effect", dtype=object))
    return found


def _checked(frame: object) -> None:
    if not hasattr(frame, "columns"):
        raise EvidenceError(f"data frame: found {type(frame).__name__}; give a pandas DataFrame.")


def _column(cells: Sequence[Any], name: str, faults: Faults) -> NDArray[np.generic]:
    """Bring a data frame's column to float64 or to text, noting what is neither."""
    import pandas as pd  # noqa: PLC0415

    values: list[Any] = [None if pd.isna(value) else value for value in cells]
    numeric = all(value is None or isinstance(value, int | float | np.number) for value in values)
    if name in ("effect", "se") or (numeric and name not in TEXT):
        numbers = np.full(len(values), np.nan)
        for row, value in enumerate(values):
            try:
                numbers[row] = np.nan if value is None else float(value)
            except (TypeError, ValueError):
                place = Whereabouts("data frame", (row + 1,), column=name)
                what, remedy = f"found {value!r}", "write a decimal number"
                faults.add(Fault(what, f"{name} must be a number", remedy, "not-a-number", place))
        return numbers
    return np.array(["" if value is None else str(value) for value in values], dtype=object)
